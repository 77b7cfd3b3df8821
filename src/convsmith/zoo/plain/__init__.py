"""Networks that are one stack of layers: LeNet, AlexNet, VGG."""
