"""What torchvision, timm and Keras mean by their names: EfficientNet and its Lite versions."""

from __future__ import annotations

from collections.abc import Mapping

from convsmith.network.dialect import PLAIN, Dialect
from convsmith.zoo.efficientnet import LITE_SCALES, SCALES, raw_pixels
from convsmith.zoo.registry import ALIASES, Alias

TENSORFLOW = Dialect(same_padding=True, norm_eps=1e-3)
"""timm's, for weights that were trained in TensorFlow; its momentum is PyTorch's."""
KERAS = Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.01)
TORCHVISION_LARGE = Dialect(norm_eps=1e-3, norm_momentum=0.01)
"""torchvision's B5 to B7, whose weights were trained in TensorFlow."""

TORCHVISION_SIDES = {"b2": 288}
TIMM_SIDES = {"b2": 256, "b3": 288, "b4": 320, "b5": 448, "lite3": 300, "lite4": 380}
TENSORFLOW_SIDES = {"l2": 475, "lite3": 300, "lite4": 380}
"""Sides by which the libraries' first weights of a network were trained, where those are not the paper's."""

ALL = {**SCALES, **LITE_SCALES}
PAPERS = tuple(f"b{i}" for i in range(8))
UNDROPPED = {"drop": 0, "drop_block": 0}


def alias(size: str, hyperparameters: Mapping[str, object], dialect: Dialect, sides: Mapping[str, int]) -> Alias:
    """One of our sizes, at a library's side if it is among `sides`."""
    shape = (3, sides[size], sides[size]) if size in sides else None
    return Alias(f"efficientnet_{size}", hyperparameters, dialect, shape)


ALIASES.update(
    {
        **{
            f"torchvision/efficientnet_{b}": alias(b, {}, TORCHVISION_LARGE if b > "b4" else PLAIN, TORCHVISION_SIDES)
            for b in PAPERS
        },
        **{f"timm/efficientnet_{size}": alias(size, UNDROPPED, PLAIN, TIMM_SIDES) for size in ALL},
        **{f"timm/tf_efficientnet_{size}": alias(size, UNDROPPED, TENSORFLOW, TENSORFLOW_SIDES) for size in ALL},
        **{f"keras/EfficientNet{b.upper()}": alias(b, {"entry": raw_pixels}, KERAS, {}) for b in PAPERS},
    }
)
