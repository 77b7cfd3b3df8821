"""EfficientNet and its Lite versions in torchvision, timm, Keras and the packages for PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convsmith.network.dialect import PLAIN, Dialect
from convsmith.network.network import Network
from convsmith.zoo.libraries.layer_names import ConvAndNorm, blocks, in_order
from convsmith.zoo.libraries.library_family import RAW, Alias, LibraryFamily
from convsmith.zoo.libraries.mobilenets import efficient_timm
from convsmith.zoo.searched.efficientnet import LITE_SCALES, SCALES, raw_pixels

Block = tuple[int, int, int]
"""A block's stage from 1, its number in the stage and its number in the network, both from 0."""


def mobile_blocks(network: Network) -> Iterator[tuple[Block, bool, bool]]:
    """Every MBConv block, whether it expands, and whether it has squeeze-and-excitation."""
    layers = {node.name for node in network.nodes}
    for total, name in enumerate(blocks(network)):
        stage, _, number = name.partition(".")
        place = (int(stage.removeprefix("stage")), int(number), total)
        yield place, f"{name}.conv3" in layers, f"{name}.se.conv1" in layers


def efficientnet_torchvision(network: Network) -> dict[str, str]:
    """Stages are numbered from the stem on; so are the parts of a block, squeeze-and-excitation included."""
    pairs = [("features.0.0", "features.0.1")]
    for (stage, number, _), expands, _ in mobile_blocks(network):
        parts = [f"features.{stage}.{number}.block.{i}" for i in range(3 + expands)]
        squeeze = parts.pop(-2)
        convs = [(f"{part}.0", f"{part}.1") for part in parts]
        pairs += [*convs[:-1], (f"{squeeze}.fc1", ""), (f"{squeeze}.fc2", ""), convs[-1]]
    return in_order(network, [*pairs, ("features.8.0", "features.8.1")], {"fc": "classifier.1"})


def efficientnet_keras(network: Network) -> dict[str, str]:
    """Blocks are lettered within their stage: block2a_expand_conv."""
    pairs = [("stem_conv", "stem_bn")]
    for (stage, number, _), expands, _ in mobile_blocks(network):
        prefix = f"block{stage}{chr(ord('a') + number)}_"
        pairs += [(f"{prefix}expand_conv", f"{prefix}expand_bn")] * expands
        pairs += [(f"{prefix}dwconv", f"{prefix}bn"), (f"{prefix}se_reduce", ""), (f"{prefix}se_expand", "")]
        pairs.append((f"{prefix}project_conv", f"{prefix}project_bn"))
    others = {"norm1": "normalization", "fc": "predictions"}
    return in_order(network, [*pairs, ("top_conv", "top_bn")], others)


def efficientnet_pytorch(network: Network) -> dict[str, str]:
    """The package efficientnet-pytorch and its kin for Lite: blocks are one list, norms are numbered by role."""
    pairs: list[ConvAndNorm] = [("_conv_stem", "_bn0")]
    for (_, _, total), expands, squeezes in mobile_blocks(network):
        prefix = f"_blocks.{total}."
        pairs += [(f"{prefix}_expand_conv", f"{prefix}_bn0")] * expands
        pairs.append((f"{prefix}_depthwise_conv", f"{prefix}_bn1"))
        pairs += [(f"{prefix}_se_reduce", ""), (f"{prefix}_se_expand", "")] * squeezes
        pairs.append((f"{prefix}_project_conv", f"{prefix}_bn2"))
    return in_order(network, [*pairs, ("_conv_head", "_bn1")], {"fc": "_fc"})


TENSORFLOW = Dialect(same_padding=True, norm_eps=1e-3)
"""timm's, for weights that were trained in TensorFlow; its momentum is PyTorch's."""
TORCHVISION_LARGE = Dialect(norm_eps=1e-3, norm_momentum=0.01)
"""torchvision's B5 to B7, whose weights were trained in TensorFlow."""

TORCHVISION_SIDES = {"b2": 288}
TIMM_SIDES = {"b2": 256, "b3": 288, "b4": 320, "b5": 448, "lite3": 300, "lite4": 380}
TENSORFLOW_SIDES = {"l2": 475, "lite3": 300, "lite4": 380}
"""Sides that the libraries' first weights of a network were trained for, where they are not the paper's."""

PAPERS = tuple(f"b{i}" for i in range(8))
UNDROPPED = {"drop": 0, "drop_block": 0}


def alias(
    size: str, sides: Mapping[str, int], hyperparameters: Mapping[str, Any], dialect: Dialect | None = None
) -> Alias:
    """One of our sizes, at a library's side if it is among `sides`."""
    shape = (3, sides[size], sides[size]) if size in sides else None
    return Alias(f"efficientnet_{size}", hyperparameters, shape, dialect)


def timm_names(sizes: Mapping[str, object]) -> dict[str, Alias]:
    """timm's own, and those for TensorFlow's weights."""
    return {
        **{f"efficientnet_{size}": alias(size, TIMM_SIDES, UNDROPPED) for size in sizes},
        **{f"tf_efficientnet_{size}": alias(size, TENSORFLOW_SIDES, UNDROPPED, TENSORFLOW) for size in sizes},
    }


RECORDS = (
    LibraryFamily(
        "torchvision",
        "efficientnet",
        efficientnet_torchvision,
        {
            f"efficientnet_{size}": alias(size, TORCHVISION_SIDES, {}, TORCHVISION_LARGE if size > "b4" else PLAIN)
            for size in PAPERS
        },
    ),
    LibraryFamily("timm", "efficientnet", efficient_timm, timm_names(SCALES)),
    LibraryFamily("timm", "efficientnet_lite", efficient_timm, timm_names(LITE_SCALES)),
    LibraryFamily(
        "keras",
        "efficientnet",
        efficientnet_keras,
        {f"EfficientNet{size.upper()}": alias(size, {}, {"entry": raw_pixels}) for size in PAPERS},
        dialect=Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.01),
        normalization=RAW,
    ),
    *(
        LibraryFamily("efficientnet_pytorch", family, efficientnet_pytorch, weights_of="timm/tf_efficientnet_*")
        for family in ("efficientnet", "efficientnet_lite")
    ),
)
