"""Networks whose shortcuts concatenate: DenseNet, U-Net. Importing a family registers its variants."""

from __future__ import annotations

from convsmith.zoo.dense import densenet, unet

__all__ = ["densenet", "unet"]
