"""The same network, and its preprocessing, for images of another size."""

from __future__ import annotations

from dataclasses import replace

from convsmith.errors import UsageError
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.transform.part import takes_side


def at_side(net: Network, preprocess: Preprocess, side: int) -> tuple[Network, Preprocess]:
    """Both for images that are `side` pixels high.

    Resize and crop keep their proportions, so that the same part of an image is seen. The parameters are the same.
    Raises UsageError for a network whose parameters fit only its own size.
    """
    height, width = preprocess.crop
    scale = side / height
    crop = side, round(width * scale)
    if not takes_side(net, crop):
        raise UsageError(f"{net.name} cannot take images of {crop[0]}x{crop[1]} with its weights for {height}x{width}")
    resize = preprocess.resize
    resized = round(resize * scale) if isinstance(resize, int) else (round(resize[0] * scale), round(resize[1] * scale))
    return replace(net, input=(net.input[0], *crop)), replace(preprocess, crop=crop, resize=resized)
