"""The same network, and its preprocessing, for images of another size."""

from __future__ import annotations

from dataclasses import replace

from convsmith.errors import UsageError
from convsmith.network.dims import Dim
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.transform.part import takes_side


def with_side(net: Network, side: Dim) -> Network:
    """The network for images that are `side` pixels high, in the proportions of its own; of each side in an array.

    Its parameters are not always the same: a dense layer on a map has more for a larger one.
    """
    channels, height, width = net.input
    # Rounded as ints and arrays both can.
    across = side if width == height else (2 * width * side + height) // (2 * height)
    return replace(net, input=(channels, side, across))


def preprocess_at(preprocess: Preprocess, side: int) -> Preprocess:
    """The preprocessing for images `side` pixels high: resize and crop keep their proportions, so that the same part of
    an image is seen."""
    height, width = preprocess.crop
    scale = side / height
    resize = preprocess.resize
    resized = round(resize * scale) if isinstance(resize, int) else (round(resize[0] * scale), round(resize[1] * scale))
    return replace(preprocess, crop=(side, round(width * scale)), resize=resized)


def at_side(net: Network, preprocess: Preprocess, side: int) -> tuple[Network, Preprocess]:
    """Both for images that are `side` pixels high, with the same parameters.

    Raises UsageError for a network whose parameters fit only its own size.
    """
    made = preprocess_at(preprocess, side)
    height, width = preprocess.crop
    if not takes_side(net, made.crop):
        raise UsageError(
            f"{net.name} cannot take images of {made.crop[0]}x{made.crop[1]} with its weights for {height}x{width}"
        )
    return replace(net, input=(net.input[0], *made.crop)), made
