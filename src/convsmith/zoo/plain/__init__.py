"""Networks that are one stack of layers: LeNet, AlexNet, VGG. Importing a family registers its variants."""

from __future__ import annotations

from convsmith.zoo.plain import alexnet, lenet, vgg

__all__ = ["alexnet", "lenet", "vgg"]
