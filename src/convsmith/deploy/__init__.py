"""Delivery: verified export, prediction from either file, latency on this machine."""
