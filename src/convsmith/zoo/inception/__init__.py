"""Networks of towers side by side: GoogLeNet, Inception, Xception. Importing a family registers its variants."""

from __future__ import annotations

from convsmith.zoo.inception import googlenet, inception_resnet, inception_v2, inception_v3, inception_v4, xception

__all__ = ["googlenet", "inception_resnet", "inception_v2", "inception_v3", "inception_v4", "xception"]
