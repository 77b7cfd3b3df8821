"""Small networks for small machines: MobileNet, ShuffleNet, SqueezeNet."""
