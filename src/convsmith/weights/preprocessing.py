"""How a library usually prepares images for a network: what is assumed where nothing is known of the weights."""

from __future__ import annotations

from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.weights.published_weights import published
from convsmith.zoo.libraries import record_for
from convsmith.zoo.libraries.library_family import IMAGENET
from convsmith.zoo.registry import origin_of

MARGIN = 256 / 224
"""The shorter side before the central crop, as a multiple of it."""


def usual_preprocess(network: Network) -> Preprocess:
    """That of the weights published first for this very network; else what the library does for the family.

    By default the shorter side is resized to 256 for a crop of 224, in this proportion for any other input, and values
    are normalized as the library's record of the family says.
    """
    origin = origin_of(network)
    channels, height, width = (int(size) for size in network.input)
    known = published(origin.name) if origin and origin.as_named else []
    if known and network.input == (known[0].preprocess.channels, *known[0].preprocess.crop):
        return known[0].preprocess
    crop, resize = (height, width), round(MARGIN * max(height, width))
    if channels != 3:
        return Preprocess(channels, crop, resize, (0.5,) * channels, (0.5,) * channels)
    values = record_for(origin.library, network).normalization if origin and origin.library else IMAGENET
    return Preprocess(channels, crop, resize, values.mean, values.std, order=values.order)
