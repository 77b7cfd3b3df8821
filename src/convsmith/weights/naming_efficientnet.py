"""How libraries name the layers of EfficientNet and its Lite versions."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.network.network import Network
from convsmith.weights.naming_inception import ConvAndNorm, Naming, in_order

Block = tuple[int, int, int]
"""A block's stage from 1, its number in the stage and its number in the network, both from 0."""


def blocks(network: Network) -> Iterator[tuple[Block, bool, bool]]:
    """Every block of MBConv, whether it expands, and whether it has squeeze-and-excitation."""
    layers = {node.name for node in network.nodes}
    for total, name in enumerate(dict.fromkeys(node.block for node in network.nodes if node.block)):
        stage, _, number = name.partition(".")
        place = (int(stage.removeprefix("stage")), int(number), total)
        yield place, f"{name}.conv3" in layers, f"{name}.se.conv1" in layers


def efficientnet_torchvision(network: Network) -> dict[str, str]:
    """Stages are numbered on from the stem; the parts of a block too, squeeze-and-excitation among them."""
    pairs = [("features.0.0", "features.0.1")]
    for (stage, number, _), expands, _ in blocks(network):
        parts = [f"features.{stage}.{number}.block.{i}" for i in range(3 + expands)]
        squeeze = parts.pop(-2)
        convs = [(f"{part}.0", f"{part}.1") for part in parts]
        pairs += [*convs[:-1], (f"{squeeze}.fc1", ""), (f"{squeeze}.fc2", ""), convs[-1]]
    return in_order(network, [*pairs, ("features.8.0", "features.8.1")], {"fc": "classifier.1"})


def efficientnet_keras(network: Network) -> dict[str, str]:
    """Blocks are lettered within their stage: block2a_expand_conv."""
    pairs = [("stem_conv", "stem_bn")]
    for (stage, number, _), expands, _ in blocks(network):
        prefix = f"block{stage}{chr(ord('a') + number)}_"
        pairs += [(f"{prefix}expand_conv", f"{prefix}expand_bn")] * expands
        pairs += [(f"{prefix}dwconv", f"{prefix}bn"), (f"{prefix}se_reduce", ""), (f"{prefix}se_expand", "")]
        pairs.append((f"{prefix}project_conv", f"{prefix}project_bn"))
    others = {"norm1": "normalization", "fc": "predictions"}
    return in_order(network, [*pairs, ("top_conv", "top_bn")], others)


def efficientnet_pytorch(network: Network) -> dict[str, str]:
    """The package efficientnet-pytorch and its kin for Lite: blocks are one list, norms are numbered by their role."""
    pairs: list[ConvAndNorm] = [("_conv_stem", "_bn0")]
    for (_, _, total), expands, squeezes in blocks(network):
        prefix = f"_blocks.{total}."
        pairs += [(f"{prefix}_expand_conv", f"{prefix}_bn0")] * expands
        pairs.append((f"{prefix}_depthwise_conv", f"{prefix}_bn1"))
        pairs += [(f"{prefix}_se_reduce", ""), (f"{prefix}_se_expand", "")] * squeezes
        pairs.append((f"{prefix}_project_conv", f"{prefix}_bn2"))
    return in_order(network, [*pairs, ("_conv_head", "_bn1")], {"fc": "_fc"})


NAMINGS_EFFICIENTNET: dict[str, dict[str, Naming]] = {
    "torchvision": {"efficientnet": efficientnet_torchvision},
    "keras": {"efficientnet": efficientnet_keras},
    "efficientnet_pytorch": {"efficientnet": efficientnet_pytorch, "efficientnet_lite": efficientnet_pytorch},
}
