"""Structured pruning: channels that are really removed."""
