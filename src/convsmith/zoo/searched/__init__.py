"""Networks found by search: EfficientNet, MnasNet, NASNet."""
