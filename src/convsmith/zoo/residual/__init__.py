"""Networks whose shortcuts add: ResNet and what was built on it. Importing a family registers its variants."""

from __future__ import annotations

from convsmith.zoo.residual import nfnet, resnet, resnext, senet, wide_resnet

__all__ = ["nfnet", "resnet", "resnext", "senet", "wide_resnet"]
