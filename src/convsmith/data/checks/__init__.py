"""Whether each image can be used, and what was found the last time."""
