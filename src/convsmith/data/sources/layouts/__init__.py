"""Data sets in the layout in which their authors publish them, each with its published splits."""
