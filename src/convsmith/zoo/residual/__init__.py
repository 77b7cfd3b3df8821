"""Networks whose shortcuts add: ResNet and what was built on it."""
