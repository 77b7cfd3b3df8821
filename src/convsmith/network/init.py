"""How a parameter is filled before training, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "constant",
    "normal",
    "uniform",
    "he_fan_in",
    "he_fan_out",
    "glorot_uniform",
    "lecun_uniform",
    "uniform_fan_out",
    "signs",
]


@dataclass(frozen=True, slots=True)
class Init:
    """An initialiser: `constant` value, `normal` of standard deviation `value`, `uniform` in +-`value`, and

    - `he_fan_in`, `he_fan_out`: normal, variance 2 / fan (He et al. 2015, arXiv 1502.01852, eq. 10 and 14);
    - `glorot_uniform`: uniform, variance 2 / (fan in + fan out) (Glorot and Bengio 2010, eq. 16);
    - `lecun_uniform`: uniform in +-1 / sqrt(fan in) (LeCun et al. 1998, Efficient BackProp; PyTorch's default);
    - `uniform_fan_out`: uniform in +-1 / sqrt(fan out) (classifiers of MobileNet's and EfficientNet's authors' code);
    - `signs`: -1 or 1 with equal probability (LeNet-5's output codes).
    """

    kind: Kind
    value: float = 0.0


ZEROS = Init("constant", 0.0)
ONES = Init("constant", 1.0)
QUARTER = Init("constant", 0.25)
HE_FAN_IN = Init("he_fan_in")
HE_FAN_OUT = Init("he_fan_out")
GLOROT = Init("glorot_uniform")
LECUN = Init("lecun_uniform")
UNIFORM_FAN_OUT = Init("uniform_fan_out")
