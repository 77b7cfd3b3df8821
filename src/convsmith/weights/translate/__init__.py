"""Weights from a library's names and layout into ours, and back."""
