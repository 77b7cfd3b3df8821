"""Measuring: metrics with intervals, on a named split."""
