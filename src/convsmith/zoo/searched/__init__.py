"""Networks found by search: EfficientNet, MnasNet, NASNet. Importing a family registers its variants."""

from __future__ import annotations

from convsmith.zoo.searched import efficientnet, mnasnet, nasnet

__all__ = ["efficientnet", "mnasnet", "nasnet"]
