"""One file for each thing that the doctor checks."""
