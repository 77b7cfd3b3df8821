"""Compound scaling: depth, width and resolution grow together, by one coefficient (Tan and Le 2019, arXiv 1905.11946,
section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.errors import UsageError
from convsmith.network.network import Network
from convsmith.transform.depth import scale_depth
from convsmith.transform.side import with_side
from convsmith.transform.width import scale_width


@dataclass(frozen=True, slots=True)
class Factors:
    """What a network's blocks, channels and sides are multiplied by."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def __str__(self) -> str:
        return f"depth {self.depth:.2f}, width {self.width:.2f}, resolution {self.resolution:.2f}"


@dataclass(frozen=True, slots=True)
class Constants:
    """The paper's alpha, beta and gamma: the factors of coefficient 1.

    Multiply-adds of a deep convolutional network go by depth * width^2 * resolution^2, so that they grow by about
    `growth` to the power of the coefficient. Raises UsageError for constants below 1, and where all are 1.
    """

    depth: float
    width: float
    resolution: float

    def __post_init__(self) -> None:
        each = (self.depth, self.width, self.resolution)
        if not all(1 <= value <= 4 for value in each) or max(each) == 1:
            raise UsageError(
                f"depth, width and resolution must be from 1 to 4, and one of them above 1, not "
                f"{', '.join(f'{value:g}' for value in each)}",
                settings="constants",
            )

    @property
    def growth(self) -> float:
        return self.depth * self.width**2 * self.resolution**2

    def at(self, phi: float) -> Factors:
        """The factors at a compound coefficient; below 0 the network gets smaller."""
        return Factors(self.depth**phi, self.width**phi, self.resolution**phi)

    def __str__(self) -> str:
        return f"depth {self.depth:g}, width {self.width:g}, resolution {self.resolution:g}"


EFFICIENTNET = Constants(1.2, 1.1, 1.15)
"""Found by the authors for EfficientNet-B0."""


def scale_network(net: Network, factors: Factors) -> Network:
    """The network with so many times the blocks, then channels, then pixels along a side, each rounded by its rule.

    Raises UsageError where there is no block to repeat, ShapeError where the layers no longer fit.
    """
    deeper = scale_depth(net, factors.depth)
    return with_side(scale_width(deeper, factors.width), side_at(net, factors.resolution))


def side_at(net: Network, resolution: float) -> int:
    """The height of the input at a factor, in whole pixels."""
    return max(1, round(int(net.input[1]) * resolution))
