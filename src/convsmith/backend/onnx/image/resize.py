"""Antialiased resizing as products with matrices whose weights the graph computes from the image's size.

Along a side, each new pixel is a weighted mean of neighbouring old ones. The matrix of the weights is zero but for a
band. So new pixels are computed in blocks, each from the few old ones that its bands reach: a photograph costs little,
and any size has the same graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convsmith.backend.onnx.graph import Scope
from convsmith.backend.onnx.image.arithmetic import Value
from convsmith.backend.window import RADIUS, SHARPNESS

BLOCK = 16
"""New pixels in a block, at most: of 4 to 224 the fastest for photographs."""

Smooth: TypeAlias = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Side:
    """Height or width: of `length` old pixels, `resized` new ones, int64 (1,) each, of which `crop` are kept.

    `shift`, int64 (1,), is how far the middle of the crop lies behind the middle of the image, in half new pixels. If
    `padded`, the crop may hold more than the image.
    """

    length: Value
    resized: Value
    crop: int
    shift: Value
    padded: bool = False

    def centres(self, places: NDArray[np.float32]) -> Value:
        """Places, counted from the middle of the crop, as counted from that of the image; those beyond it are moved to
        its ends."""
        centres = self.shift.to(np.float32) * 0.5 + places
        if not self.padded:
            return centres
        last = (self.resized.to(np.float32) - 1) * 0.5
        return centres.at_least(last * -1).at_most(last)

    def covered(self) -> Value:
        """1 for the new pixels that are the image's, 0 for those of a border: (crop,)."""
        places = np.arange(self.crop, dtype=np.float32) + np.float32(0.5 - self.crop / 2)
        behind = (self.shift.to(np.float32) * 0.5 + places).magnitude()
        return (self.resized.to(np.float32) * 0.5 - behind + 0.5).at_least(0).at_most(1)


@dataclass(frozen=True)
class Band:
    """What the crop of a side is made of: blocks of new pixels, each from `count` old ones, from `start` on.

    `start` (blocks,), `count` (1,), and `weights` (blocks, new pixels of a block, count), float32.
    """

    crop: int
    start: Value
    count: Value
    weights: Value

    def index(self, first: Value | float = 0) -> Value:
        """Which old pixels each block takes, int64 (blocks, count), where those before the `first` are gone."""
        return ((self.start - first).with_axis(1) + self.count.count_up()).to(np.int64)


def band(side: Side, interpolation: Smooth) -> Band:
    """The weights of `torch.nn.functional.interpolate` with `antialias`, for the pixels that are kept.

    Places are counted from the middle of the image: float32 then holds them to a thousandth of a pixel in photographs.
    """
    length = side.length.to(np.float32)
    scale = length / side.resized.to(np.float32)
    spread = scale.at_least(1)
    reach = spread * RADIUS[interpolation]
    middle = length * 0.5
    places = _places(side.crop)
    first = side.centres(places[:, 0]) * scale + middle - reach
    # A block's bands reach from the first pixel's to the last one's; two more, since both ends are rounded.
    count = ((scale * (places.shape[1] - 1) + reach * 2).floor() + 2).at_most(length)
    start = first.floor().at_least(0).at_most(length - count)
    old = ((start - middle + 0.5).with_axis(1) + count.count_up()).with_axis(1)
    distance = (old - side.centres(places[:, :, None]) * scale).magnitude() / spread
    weights = KERNELS[interpolation](distance)
    return Band(side.crop, start, count, weights / weights.total(2))


def _places(crop: int) -> NDArray[np.float32]:
    """The new pixels' centres, counted from the middle of the crop, in blocks: (blocks, pixels of a block).

    The last block repeats its last pixel where it would hold more than the crop.
    """
    blocks = -(-crop // BLOCK)
    each = -(-crop // blocks)
    pixels = np.minimum(np.arange(blocks * each, dtype=np.float32), crop - 1)
    return (pixels + np.float32(0.5 - crop / 2)).reshape(blocks, each)


def _triangle(distance: Value) -> Value:
    return (distance * -1 + 1).at_least(0)


def _cubic(distance: Value) -> Value:
    """Keys 1981 (doi 10.1109/TASSP.1981.1163711), equation 15. Each polynomial is 0 where the other one counts."""
    near = distance.at_most(1)
    far = distance.at_least(1).at_most(2)
    return ((near * (SHARPNESS + 2) - (SHARPNESS + 3)) * near * near + 1) + (
        ((far - 5) * far + 8) * far - 4
    ) * SHARPNESS


KERNELS: dict[Smooth, Callable[[Value], Value]] = {"bilinear": _triangle, "bicubic": _cubic}


def take(scope: Scope, images: str, index: Value) -> str:
    """The old pixels that each block is made of: (N, side, A, B) -> (N, blocks, count, A B)."""
    lines = scope.step("Reshape", [images, scope.ints("lines", [0, 0, -1])])
    return scope.step("Gather", [lines, index.name], {"axis": 1})


def mix(scope: Scope, taken: str, band: Band, last: int) -> str:
    """The new pixels, of old ones as `take` gives them, float32; the side is put last: (N, A, B, crop). B is `last`."""
    blocks, each = _places(band.crop).shape
    mixed = scope.step("MatMul", [band.weights.name, taken])
    side = scope.step("Reshape", [mixed, scope.ints("side", [0, blocks * each, -1, last])])
    if blocks * each > band.crop:
        ends = [scope.ints(name, [value]) for name, value in (("first", 0), ("crop", band.crop), ("axis", 1))]
        side = scope.step("Slice", [side, *ends])
    return scope.step("Transpose", [side], {"perm": (0, 2, 3, 1)})


def nearest(side: Side) -> Value:
    """Which old pixels the crop of a side is made of where the nearest is taken, int64 (crop,); see `resize_nearest`.

    With n new pixels and L old ones, new pixel i is old pixel floor((2 i + 1) L / (2 n)). Counted from the middle of
    the image, as L / 2 and a fraction, the numbers stay below 2^31 for all but gigantic images; engines have no more.
    """
    double, half = side.resized * 2, side.length // 2
    odd = side.length - half * 2
    steps = np.arange(1 - side.crop, side.crop, 2)
    numerator = (side.shift + steps) * side.length + side.resized * odd
    return (half + numerator // double).at_least(0).at_most(side.length - 1)
