"""Batches for training and evaluation, read ahead by worker processes."""
