"""What names mean: of classes, of splits, of what is no data."""
