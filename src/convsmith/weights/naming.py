"""How each library names our layers: for every family and source, a function network -> {node name: key prefix}."""

from __future__ import annotations

from collections.abc import Callable

from convsmith.errors import UnknownNameError, UsageError
from convsmith.network.network import Network
from convsmith.network.ops import BatchNorm, Conv
from convsmith.weights.naming_efficientnet import NAMINGS_EFFICIENTNET
from convsmith.weights.naming_inception import NAMINGS_INCEPTION
from convsmith.weights.naming_residual import NAMINGS_RESIDUAL, replaced, unchanged
from convsmith.weights.naming_searched import NAMINGS_SEARCHED
from convsmith.zoo.registry import find

Naming = Callable[[Network], dict[str, str]]


def naming(source: str, network: Network) -> dict[str, str]:
    """Key prefix by node name. Raises UsageError where the library has no such network."""
    if source not in NAMINGS:
        raise UnknownNameError("library", source, NAMINGS)
    family = find(network.name)[0].family_name
    try:
        return NAMINGS[source][family](network)
    except KeyError:
        raise UsageError(f"{source} has no network of the family of {network.name} that convsmith can read") from None


def sequential(network: Network) -> dict[str, str]:
    """torchvision's AlexNet and VGG number the layers within `features` and `classifier`."""
    names: dict[str, str] = {}
    part, index = "features", 0
    for node in network.nodes:
        names[node.name] = f"{part}.{index}"
        index += 1
        if node.op.kind == "adaptive_avg_pool":
            part, index = "classifier", -1  # the flatten is not one of its layers
    return names


def vgg_timm(network: Network) -> dict[str, str]:
    """timm turns the hidden dense layers into convolutions."""
    return {**sequential(network), "fc6": "pre_logits.fc1", "fc7": "pre_logits.fc2", "fc8": "head.fc"}


def vgg_keras(network: Network) -> dict[str, str]:
    names = {node.name: node.name.replace(".", "_") for node in network.nodes}
    return {**names, "fc6": "fc1", "fc7": "fc2", "fc8": "predictions"}


def mobilenet_v2_torchvision(network: Network) -> dict[str, str]:
    """Blocks are numbered on; within one, every norm-activated convolution is a pair, the last is bare."""
    names = {"conv1": "features.0.0", "bn1": "features.0.1", "fc": "classifier.1"}
    blocks = _blocks(network)
    for i, block in enumerate(blocks, start=1):
        convs = _count(network, block, Conv)
        for j in range(1, convs + 1):
            bare = j == convs
            names[f"{block}.conv{j}"] = f"features.{i}.conv.{j - 1}" + ("" if bare else ".0")
            names[f"{block}.bn{j}"] = f"features.{i}.conv.{j}" if bare else f"features.{i}.conv.{j - 1}.1"
    last = len(blocks) + 1
    return _complete(network, {**names, "conv2": f"features.{last}.0", "bn2": f"features.{last}.1"})


def efficient_timm(network: Network) -> dict[str, str]:
    """timm's EfficientNet builder, which writes MobileNets too: blocks.STAGE.BLOCK.conv_pw, conv_dw, conv_pwl."""
    names = {"conv1": "conv_stem", "bn1": "bn1", "conv2": "conv_head", "bn2": "bn2", "fc": "classifier"}
    roles = {2: ("conv_dw", "conv_pw"), 3: ("conv_pw", "conv_dw", "conv_pwl")}
    for block in _blocks(network):
        stage, _, number = block.partition(".")
        prefix = f"blocks.{int(stage.removeprefix('stage')) - 1}.{number}"
        names |= {f"{block}.se.conv1": f"{prefix}.se.conv_reduce", f"{block}.se.conv2": f"{prefix}.se.conv_expand"}
        for i, role in enumerate(roles[_count(network, block, BatchNorm)], start=1):
            names[f"{block}.conv{i}"] = f"{prefix}.{role}"
            names[f"{block}.bn{i}"] = f"{prefix}.bn{i}"
    return _complete(network, names)


def resnet_v2_timm(network: Network) -> dict[str, str]:
    names = {"conv1": "stem.conv", "norm": "norm", "fc": "head.fc"}
    for node in network.nodes:
        stage, _, rest = node.name.partition(".")
        if rest:
            block, _, layer = rest.partition(".")
            layer = replaced(layer, {"downsample.conv1": "downsample.conv", "bn": "norm"})
            names[node.name] = f"stages.{int(stage.removeprefix('layer')) - 1}.blocks.{block}.{layer}"
    return _complete(network, names)


def resnet_keras(network: Network) -> dict[str, str]:
    """convSTAGE_blockBLOCK_LAYER_conv, stages counted from the stem, layer 0 the projection."""
    names = {"conv1": "conv1_conv", "bn1": "conv1_bn", "norm": "post_bn", "fc": "predictions"}
    preactivated = "norm" in {node.name for node in network.nodes}
    for block in _blocks(network):
        stage, _, number = block.partition(".")
        prefix = f"conv{int(stage.removeprefix('layer')) + 1}_block{int(number) + 1}"
        names[f"{block}.downsample.conv1"] = f"{prefix}_0_conv"
        names[f"{block}.downsample.bn1"] = f"{prefix}_0_bn"
        for i in (1, 2, 3):
            names[f"{block}.conv{i}"] = f"{prefix}_{i}_conv"
            names[f"{block}.bn{i + preactivated}"] = f"{prefix}_{i}_bn"
        if preactivated:
            names[f"{block}.bn1"] = f"{prefix}_preact_bn"
    return _complete(network, names)


def mobilenet_v1_keras(network: Network) -> dict[str, str]:
    names = {"conv1": "conv1", "bn1": "conv1_bn", "fc": "conv_preds"}
    for i, block in enumerate(_blocks(network), start=1):
        for j, role in ((1, "dw"), (2, "pw")):
            names[f"{block}.conv{j}"] = f"conv_{role}_{i}"
            names[f"{block}.bn{j}"] = f"conv_{role}_{i}_bn"
    return _complete(network, names)


def mobilenet_v2_keras(network: Network) -> dict[str, str]:
    names = {"conv1": "Conv1", "bn1": "bn_Conv1", "conv2": "Conv_1", "bn2": "Conv_1_bn", "fc": "predictions"}
    for i, block in enumerate(_blocks(network)):
        prefix = f"block_{i}" if i else "expanded_conv"
        roles = ("expand", "depthwise", "project")[-_count(network, block, Conv) :]
        for j, role in enumerate(roles, start=1):
            names[f"{block}.conv{j}"] = f"{prefix}_{role}"
            names[f"{block}.bn{j}"] = f"{prefix}_{role}_BN"
    return _complete(network, names)


NAMINGS: dict[str, dict[str, Naming]] = {
    "torchvision": {
        "alexnet_2014": sequential,
        "vgg": sequential,
        "resnet": unchanged,
        "mobilenet_v2": mobilenet_v2_torchvision,
    },
    "timm": {
        "vgg": vgg_timm,
        "resnet": unchanged,
        "resnet_v2": resnet_v2_timm,
        "mobilenet_v1": efficient_timm,
        "mobilenet_v2": efficient_timm,
        "mnasnet": efficient_timm,
        "efficientnet": efficient_timm,
        "efficientnet_lite": efficient_timm,
    },
    "keras": {
        "vgg": vgg_keras,
        "resnet": resnet_keras,
        "resnet_v2_keras": resnet_keras,
        "mobilenet_v1": mobilenet_v1_keras,
        "mobilenet_v2": mobilenet_v2_keras,
    },
}
for _further in (NAMINGS_INCEPTION, NAMINGS_RESIDUAL, NAMINGS_SEARCHED, NAMINGS_EFFICIENTNET):
    for _source, _namings in _further.items():
        NAMINGS.setdefault(_source, {}).update(_namings)

CONVOLUTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("timm", "vgg"): ("fc6", "fc7"),
    ("timm", "resnet_v2"): ("fc",),
    ("keras", "mobilenet_v1"): ("fc",),
}
"""Dense layers of ours that a library writes as convolutions, by library and family."""


def written_as_convolutions(source: str, network: Network) -> tuple[str, ...]:
    """The dense layers of a network whose weights the library keeps as a convolution's."""
    return CONVOLUTIONS.get((source, find(network.name)[0].family_name), ())


def _blocks(network: Network) -> list[str]:
    """Names of the numbered blocks, in order."""
    return list(dict.fromkeys(node.block for node in network.nodes if node.block))


def _count(network: Network, block: str, op: type[Conv | BatchNorm]) -> int:
    return sum(node.block == block and isinstance(node.op, op) for node in network.nodes)


def _complete(network: Network, names: dict[str, str]) -> dict[str, str]:
    """Layers without parameters are named too, as themselves."""
    return {node.name: names.get(node.name, node.name) for node in network.nodes}
