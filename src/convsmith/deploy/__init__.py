"""Delivery: verified export, prediction with either file, latency on this machine."""
