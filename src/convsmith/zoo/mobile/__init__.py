"""Small networks for small machines: MobileNet, ShuffleNet, SqueezeNet. Importing a family registers its variants."""

from __future__ import annotations

from convsmith.zoo.mobile import mobilenet, shufflenet, squeezenet

__all__ = ["mobilenet", "shufflenet", "squeezenet"]
