"""Xception in timm and Keras."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.network.dialect import Dialect
from convsmith.network.network import Network
from convsmith.zoo.libraries.layer_names import blocks, completed, unnamed
from convsmith.zoo.libraries.library_family import HALVES, Alias, LibraryFamily


def xception_timm(network: Network) -> dict[str, str]:
    names = {}
    for block, number in _numbered_blocks(network):
        first = 0 if number == 1 else 1  # the first block begins without a rectifier
        for i in range(3):
            layer = f"{block}.{{}}"
            names[layer.format(f"conv{2 * i + 1}")] = f"block{number}.rep.{3 * i + first}.conv1"
            names[layer.format(f"conv{2 * i + 2}")] = f"block{number}.rep.{3 * i + first}.pointwise"
            names[layer.format(f"bn{i + 1}")] = f"block{number}.rep.{3 * i + first + 1}"
        names[f"{block}.downsample.conv1"] = f"block{number}.skip"
        names[f"{block}.downsample.bn1"] = f"block{number}.skipbn"
    for i in (1, 2):
        names[f"exit.1.conv{2 * i - 1}"] = f"conv{i + 2}.conv1"
        names[f"exit.1.conv{2 * i}"] = f"conv{i + 2}.pointwise"
        names[f"exit.1.bn{i}"] = f"bn{i + 2}"
    return completed(network, names)


def xception_keras(network: Network) -> dict[str, str]:
    """The kernels of a separable convolution are two arrays of one layer, NAME/depthwise_kernel and pointwise."""
    names = {"conv1": "block1_conv1", "bn1": "block1_conv1_bn", "conv2": "block1_conv2", "bn2": "block1_conv2_bn"}
    numbers = unnamed()
    for block, number in _numbered_blocks(network):
        for i in range(3):
            prefix = f"block{number + 1}_sepconv{i + 1}"
            names[f"{block}.conv{2 * i + 1}"] = f"{prefix}/depthwise"
            names[f"{block}.conv{2 * i + 2}"] = f"{prefix}/pointwise"
            names[f"{block}.bn{i + 1}"] = f"{prefix}_bn"
        if any(node.name == f"{block}.downsample.conv1" for node in network.nodes):
            names[f"{block}.downsample.conv1"], names[f"{block}.downsample.bn1"] = next(numbers)
    return completed(network, {**names, "fc": "predictions"})


def _numbered_blocks(network: Network) -> Iterator[tuple[str, int]]:
    """Our blocks and their numbers from 1."""
    return ((block, number) for number, block in enumerate(blocks(network), start=1))


RECORDS = (
    LibraryFamily("timm", "xception", xception_timm, {"legacy_xception": Alias("xception")}, normalization=HALVES),
    LibraryFamily(
        "keras",
        "xception",
        xception_keras,
        {"Xception": Alias("xception")},
        dialect=Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.01),
        normalization=HALVES,
    ),
)
