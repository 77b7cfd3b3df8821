"""DenseNet in torchvision, timm and Keras."""

from __future__ import annotations

import re

from convsmith.network.dialect import Dialect
from convsmith.network.network import Network
from convsmith.zoo.dense.densenet import deep_stem
from convsmith.zoo.libraries.layer_names import completed
from convsmith.zoo.libraries.library_family import Alias, LibraryFamily

OLD_KEYS = ((r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2"),)
"""The published checkpoints have `norm.1` where torchvision's code has `norm1`."""
LAYER = re.compile(r"stage(\d+)\.(\d+)\.")
"""Of our names: a dense layer's stage and number."""


def densenet_torch(network: Network) -> dict[str, str]:
    """torchvision's names, which timm keeps."""
    names = {"norm": "features.norm5", "fc": "classifier"}
    for node in network.nodes:
        kind, number = _split(node.name.rpartition(".")[2])
        kind = kind.replace("bn", "norm")
        if match := LAYER.match(node.name):
            names[node.name] = f"features.denseblock{match[1]}.denselayer{int(match[2]) + 1}.{kind}{number}"
        elif node.stage:
            names[node.name] = f"features.{node.stage}.{kind}"
        elif kind in ("conv", "norm") and number:
            names[node.name] = f"features.{kind}{number - 1}"
    return completed(network, names)


def densenet_keras(network: Network) -> dict[str, str]:
    """Stages are counted from the stem; within a layer the first norm has number 0."""
    names = {"conv1": "conv1_conv", "bn1": "conv1_bn", "norm": "bn", "fc": "predictions"}
    roles = {"bn1": "0_bn", "conv1": "1_conv", "bn2": "1_bn", "conv2": "2_conv"}
    for node in network.nodes:
        layer = node.name.rpartition(".")[2]
        if match := LAYER.match(node.name):
            names[node.name] = f"conv{int(match[1]) + 1}_block{int(match[2]) + 1}_{roles.get(layer, layer)}"
        elif node.stage:
            names[node.name] = f"pool{int(node.stage.removeprefix('transition')) + 1}_{_split(layer)[0]}"
    return completed(network, names)


def _split(name: str) -> tuple[str, int]:
    """("conv", 2) of "conv2"; number 0 where there is none."""
    kind = name.rstrip("0123456789")
    return kind, int(name[len(kind) :] or 0)


TORCH_DENSENETS = {f"densenet{depth}": Alias(f"densenet{depth}") for depth in (121, 161, 169, 201)}
DEEP = {"densenet264d": Alias("densenet264", {"growth": 48, "stem": deep_stem})}

RECORDS = (
    LibraryFamily("torchvision", "densenet", densenet_torch, TORCH_DENSENETS, old_keys=OLD_KEYS),
    LibraryFamily("timm", "densenet", densenet_torch, {**TORCH_DENSENETS, **DEEP}, old_keys=OLD_KEYS),
    LibraryFamily(
        "keras",
        "densenet",
        densenet_keras,
        {f"DenseNet{depth}": Alias(f"densenet{depth}") for depth in (121, 169, 201)},
        dialect=Dialect(norm_eps=1.001e-5, norm_momentum=0.01),
    ),
)
