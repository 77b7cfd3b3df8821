"""How images are usually prepared for a library's networks: what is assumed where nothing is said about a file."""

from __future__ import annotations

from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.weights.registry import published
from convsmith.zoo.registry import find

MARGIN = 256 / 224
"""The shorter side before the central crop, as a multiple of it."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CAFFE = ((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255, 1 / 255, 1 / 255))

RAW = ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))

KERAS_CAFFE = ("vgg", "resnet")
KERAS_TORCH = ("densenet",)
KERAS_RAW = ("efficientnet",)
"""Families that keras.applications prepares images for in its modes "caffe" (blue first) and "torch", or not at all,
for they do it themselves; the others in mode "tf"."""


def usual_preprocess(network: Network) -> Preprocess:
    """That of the weights published first for a model of this name; else the library's custom, at the network's input.

    Custom is to resize the shorter side to 256 where 224 are cropped, and to normalize by ImageNet's mean and deviation
    or, in Keras, by what `keras.applications` does for the family.
    """
    channels, height, width = (int(size) for size in network.input)
    known = published(network.name.partition(":")[0])
    if known and network.input == (known[0].preprocess.channels, *known[0].preprocess.crop):
        return known[0].preprocess
    crop, resize = (height, width), round(MARGIN * max(height, width))
    if channels != 3:
        return Preprocess(channels, crop, resize, (0.5,) * channels, (0.5,) * channels)
    if not network.name.startswith("keras/"):
        return Preprocess(channels, crop, resize, *IMAGENET)
    family = find(network.name)[0].family_name
    if family in KERAS_CAFFE:
        return Preprocess(channels, crop, resize, *CAFFE, order="BGR")
    values = IMAGENET if family in KERAS_TORCH else RAW if family in KERAS_RAW else HALVES
    return Preprocess(channels, crop, resize, *values)
