"""The networks that made convolutional vision, one file a family, and `create` to write any of them."""

from __future__ import annotations

# Importing a family registers its variants.
from convsmith.zoo import alexnet, lenet, libraries, mobilenet, resnet, vgg  # noqa: F401
from convsmith.zoo.paper import Paper, Published
from convsmith.zoo.registry import Variant, create, family, find, models

__all__ = ["Paper", "Published", "Variant", "create", "family", "find", "models"]
