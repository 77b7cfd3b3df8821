"""Checkpoints in every format that the libraries save them in."""
