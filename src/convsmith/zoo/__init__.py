"""The networks that made convolutional vision, one file a family, and `create` to write any of them."""

from __future__ import annotations

# Importing a family registers its variants.
from convsmith.zoo import (  # noqa: F401
    alexnet,
    densenet,
    efficientnet,
    googlenet,
    inception_resnet,
    inception_v2,
    inception_v3,
    inception_v4,
    lenet,
    libraries,
    libraries_efficientnet,
    libraries_inception,
    libraries_residual,
    libraries_searched,
    mnasnet,
    mobilenet,
    nasnet,
    nfnet,
    resnet,
    resnext,
    senet,
    shufflenet,
    squeezenet,
    unet,
    vgg,
    wide_resnet,
    xception,
)
from convsmith.zoo.paper import Paper, Published
from convsmith.zoo.registry import Variant, create, family, find, models

__all__ = ["Paper", "Published", "Variant", "create", "family", "find", "models"]
