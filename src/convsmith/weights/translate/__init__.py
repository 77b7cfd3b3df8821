"""From a library's names and order of axes to ours, and back."""
