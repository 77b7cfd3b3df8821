"""Measuring: metrics with intervals on a named split, and features of any layer."""
