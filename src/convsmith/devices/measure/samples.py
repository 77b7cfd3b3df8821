"""The networks that are measured: made by a low-discrepancy design, so that their layers fill the shapes in use.

Sides, channels, kernels, strides, groups and functions come from Halton sequences (Halton 1960), one for each kind of
block, on logarithmic scales. Wide maps get few channels and narrow ones many, as in every network that is any use; the
family of a network plays no part, and no network of the zoo is among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from convsmith.cost import cost_of
from convsmith.devices.measure.blocks import BLOCKS, Block, Point, plain
from convsmith.network import Network
from convsmith.network.builder import (
    Tensor,
    conv,
    flatten,
    global_avg_pool,
    linear,
    max_pool,
    relu,
    scope,
    write,
)
from convsmith.network.dims import elements

DESIGN = 2
"""The number of this design: timings belong to the networks of one."""

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)
MOST_BLOCKS = 8
MOST_MACS = 900_000_000
MOST_BLOCK_MACS = 600_000_000
MOST_WEIGHTS = 14_000_000
WIDE, MOST_WIDE_WEIGHTS = 12, 64_000_000
"""Every twelfth network ends in wide dense layers behind a whole map, as VGG does."""
TINY = 6
"""Every sixth network is as small as those for digits."""
SMALLEST_SIDE, LARGEST_SIDE = 20, 330


def radical_inverse(index: int, base: int) -> float:
    """The digits of `index` in a base, behind the point in reverse: van der Corput's sequence."""
    value, place = 0.0, 1.0
    while index:
        place /= base
        index, digit = divmod(index, base)
        value += place * digit
    return value


def halton(index: int, dimensions: int = len(PRIMES)) -> list[float]:
    """The place of this number in the sequence, each coordinate from 0 to 1. The first twenty, alike in all, are left
    out."""
    return [radical_inverse(index + 20, base) for base in PRIMES[:dimensions]]


def sample_network(index: int) -> Network:
    """Number `index` of the design, the same on every machine."""
    number = index
    while True:
        network = _written(index, number)
        cost = cost_of(network)
        if cost.macs <= MOST_MACS and cost.params <= (MOST_WIDE_WEIGHTS if _wide(index) else MOST_WEIGHTS):
            return network
        number += 100_003  # another that is as unlike its neighbours


def _wide(index: int) -> bool:
    return index % WIDE == WIDE // 2


def _tiny(index: int) -> bool:
    return index % TINY == TINY - 1


def _written(index: int, number: int) -> Network:
    point = Point(halton(number))
    side = round(point.between(SMALLEST_SIDE, 48 if _tiny(index) else LARGEST_SIDE))
    side = side if point.next() < 0.3 else max(SMALLEST_SIDE, side // 8 * 8)
    colours = 3 if point.next() < (0.5 if _tiny(index) else 0.95) else 1
    thin = point.between(0.1, 0.35) if _tiny(index) else point.between(0.35, 1.3)
    return write(f"sample{index}", (colours, side, side), lambda image: _network(image, index, number, thin))


def _network(image: Tensor, index: int, number: int, thin: float) -> Tensor:
    """`thin` is how many channels it has, beside others of its size."""
    point = Point(halton(number + 1_000_003))
    x = _stem(image, point, thin)
    blocks = 2 + number % 4 if _tiny(index) else MOST_BLOCKS
    for position, (block, place) in enumerate(_blocks(number)):
        if position == blocks or (position >= MOST_BLOCKS // 2 and min(x.shape[1:]) <= 4):
            break
        with scope(f"block{position}"):
            x = _placed(x, block, place, thin)
    return _head(x, point, _wide(index), thin)


def _stem(image: Tensor, point: Point, thin: float) -> Tensor:
    """The first convolution, which has the image's few channels."""
    with scope("stem"):
        large = image.shape[1] > 64
        kernel, stride = point.of((3, 7, 3, 5, 11, 3)), point.of((2, 2, 4)) if large else point.of((1, 1, 2))
        return plain(
            image, _rounded(max(4, thin * point.between(12, 110)), point.next()), stride, Point([(kernel + 0.5) / 12])
        )


def _blocks(number: int) -> Iterator[tuple[Block, Point]]:
    """The blocks of a network and their places: each kind goes through a sequence of its own."""
    order = [block for block, weight in BLOCKS.items() for _ in range(weight)]
    for position in range(MOST_BLOCKS):
        step = number * MOST_BLOCKS + position
        block = order[int((step * 0.6180339887498949) % 1 * len(order))]
        yield block, Point(halton(step))


def _placed(x: Tensor, block: Block, point: Point, thin: float) -> Tensor:
    """The block behind `x`: its stride and its channels from the first coordinates, narrower where it would be slow."""
    side = x.shape[1]
    stride = 2 if point.next() < (0.45 if side > 12 else 0.15) and side >= 6 else 1
    channels, rounding = max(4, thin * point.between(*channel_range(side // stride))), point.next()
    rest = [point.next() for _ in range(len(PRIMES) - 3)]
    while channels > 16:
        alone = partial(_alone, block=block, width=_rounded(channels, rounding), stride=stride, rest=rest)
        if cost_of(write("block", x.shape, alone)).macs <= MOST_BLOCK_MACS:
            break
        channels /= 2
    return _alone(x, block, _rounded(channels, rounding), stride, rest)


def _alone(x: Tensor, block: Block, width: int, stride: int, rest: list[float]) -> Tensor:
    return block(x, width, stride, Point(rest))


def channel_range(side: int) -> tuple[float, float]:
    """The fewest and the most channels that maps of this side have."""
    low = min(96.0, max(8.0, 400.0 / side))
    return low, min(2048.0, max(48.0, 14000.0 / side))


def _rounded(channels: float, how: float) -> int:
    """To a multiple of 16, of 8, of 4 or of 1, as networks have them."""
    step = 16 if how < 0.45 else 8 if how < 0.75 else 4 if how < 0.88 else 1
    return max(step, round(channels / step) * step)


def _head(x: Tensor, point: Point, wide: bool, thin: float) -> Tensor:
    """Dense layers behind the means or behind all positions, or a convolution before the means."""
    classes, kind = round(point.between(10, 1000)), point.next()
    with scope("head"):
        if wide:
            y = relu(linear(_shrunk(x), round(point.between(512, 4096))))
            return linear(relu(linear(y, round(point.between(512, 4096)))), classes)
        if kind < 0.2:
            return flatten(global_avg_pool(relu(conv(x, classes, 1))))
        y = global_avg_pool(x) if kind < 0.7 or elements(x.shape) > 8192 else x
        if kind > 0.5:
            y = relu(linear(y, round(thin * point.between(64, 2048))))
        return linear(y, classes)


def _shrunk(x: Tensor) -> Tensor:
    """A map of at most 16,384 elements, by pooling."""
    while elements(x.shape) > 16_384:
        x = max_pool(x, 2)
    return x
