"""How libraries name the layers of Inception networks, Xception, SqueezeNet, DenseNet and ShuffleNet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from convsmith.network.network import Network
from convsmith.network.ops import BatchNorm, Conv

Naming = Callable[[Network], dict[str, str]]
ConvAndNorm = tuple[str, str]
"""Key prefixes of a convolution and of the norm that follows it, if one does."""


def in_order(network: Network, pairs: Iterable[ConvAndNorm], others: dict[str, str]) -> dict[str, str]:
    """The library's convolutions and norms, listed in the order of ours; `others` by our names."""
    names = {node.name: others.get(node.name, node.name) for node in network.nodes}
    norms = {node.inputs[0]: node.name for node in network.nodes if isinstance(node.op, BatchNorm)}
    convs = (node.name for node in network.nodes if isinstance(node.op, Conv))
    for name, (conv, norm) in zip(convs, pairs, strict=True):
        names[name] = conv
        if name in norms:
            names[norms[name]] = norm
    return names


def units(*prefixes: str) -> Iterator[ConvAndNorm]:
    """Modules of torchvision and timm that hold a convolution and its norm."""
    return ((f"{prefix}.conv", f"{prefix}.bn") for prefix in prefixes)


def under(parent: str, children: str) -> list[str]:
    return [f"{parent}.{child}" for child in children.split()]


GOOGLENET = "branch1 branch2.0 branch2.1 branch3.0 branch3.1 branch4.1"


def googlenet_torchvision(network: Network) -> dict[str, str]:
    prefixes = ["conv1", "conv2", "conv3"]
    for module in ("3a", "3b", "4a", "aux1", "4b", "4c", "4d", "aux2", "4e", "5a", "5b"):
        if not module.startswith("aux"):
            prefixes += under(f"inception{module}", GOOGLENET)
        elif network.auxiliary:
            prefixes.append(f"{module}.conv")
    return in_order(network, units(*prefixes), {})


V3_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
V3_A = "branch1x1 branch5x5_1 branch5x5_2 branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3 branch_pool"
V3_B = (
    "branch1x1 branch7x7_1 branch7x7_2 branch7x7_3 "
    "branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5 branch_pool"
)
V3_C = (
    "branch1x1 branch3x3_1 branch3x3_2a branch3x3_2b "
    "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3a branch3x3dbl_3b branch_pool"
)
V3_MODULES = (
    *((f"Mixed_5{letter}", V3_A) for letter in "bcd"),
    ("Mixed_6a", "branch3x3 branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3"),
    *((f"Mixed_6{letter}", V3_B) for letter in "bcde"),
    ("AuxLogits", "conv0 conv1"),
    ("Mixed_7a", "branch3x3_1 branch3x3_2 branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4"),
    *((f"Mixed_7{letter}", V3_C) for letter in "bc"),
)


def inception_v3_torch(network: Network) -> dict[str, str]:
    """torchvision's names, which timm keeps."""
    modules = [module for module in V3_MODULES if network.auxiliary or module[0] != "AuxLogits"]
    prefixes = [prefix for module in modules for prefix in under(*module)]
    return in_order(network, units(*V3_STEM, *prefixes), {"aux.fc1": "AuxLogits.fc"})


V4_A = "branch0 branch1.0 branch1.1 branch2.0 branch2.1 branch2.2 branch3.1"
V4_B = "branch0 branch1.0 branch1.1 branch1.2 branch2.0 branch2.1 branch2.2 branch2.3 branch2.4 branch3.1"
V4_C = "branch0 branch1_0 branch1_1a branch1_1b branch2_0 branch2_1 branch2_2 branch2_3a branch2_3b branch3.1"
REDUCTION_A = "branch0 branch1.0 branch1.1 branch1.2"
V4_MODULES = (
    "conv",
    "branch0.0 branch0.1 branch1.0 branch1.1 branch1.2 branch1.3",
    "conv",
    *4 * (V4_A,),
    REDUCTION_A,
    *7 * (V4_B,),
    "branch0.0 branch0.1 branch1.0 branch1.1 branch1.2 branch1.3",
    *3 * (V4_C,),
)


def inception_v4_timm(network: Network) -> dict[str, str]:
    prefixes = ["features.0", "features.1", "features.2"]
    for i, module in enumerate(V4_MODULES, start=3):
        prefixes += under(f"features.{i}", module)
    return in_order(network, units(*prefixes), {"fc": "last_linear"})


RESNET_STEM = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a")
RESNET_A = "branch0 branch1.0 branch1.1 branch2.0 branch2.1 branch2.2"
RESNET_B = "branch0 branch1.0 branch1.1 branch1.2"
RESNET_STAGES = (
    ("mixed_5b", V4_A, [f"repeat.{i}" for i in range(10)], RESNET_A),
    ("mixed_6a", REDUCTION_A, [f"repeat_1.{i}" for i in range(20)], RESNET_B),
    (
        "mixed_7a",
        "branch0.0 branch0.1 branch1.0 branch1.1 branch2.0 branch2.1 branch2.2",
        [*(f"repeat_2.{i}" for i in range(9)), "block8"],
        RESNET_B,
    ),
)


def inception_resnet_timm(network: Network) -> dict[str, str]:
    pairs = [*units(*RESNET_STEM)]
    for first, towers, blocks, branches in RESNET_STAGES:
        pairs += units(*under(first, towers))
        for block in blocks:
            pairs += [*units(*under(block, branches)), (f"{block}.conv2d", "")]
    return in_order(network, [*pairs, *units("conv2d_7b")], {"fc": "classif"})


def numbers() -> Iterator[ConvAndNorm]:
    """Keras' unnamed layers, as a fresh session numbers them."""
    yield "conv2d", "batch_normalization"
    number = 1
    while True:
        yield f"conv2d_{number}", f"batch_normalization_{number}"
        number += 1


def inception_v3_keras(network: Network) -> dict[str, str]:
    convs = sum(isinstance(node.op, Conv) for node in network.nodes)
    return in_order(network, [pair for pair, _ in zip(numbers(), range(convs), strict=False)], {"fc": "predictions"})


def inception_resnet_keras(network: Network) -> dict[str, str]:
    """Unnamed but for the convolutions that close a block, and the last."""
    sizes = {"stage1": "block35", "stage2": "block17", "stage3": "block8"}
    unnamed, pairs = numbers(), []
    normed = {node.inputs[0] for node in network.nodes if isinstance(node.op, BatchNorm)}
    for node in network.nodes:
        if isinstance(node.op, Conv):
            closing = f"{sizes.get(node.stage)}_{node.block.rpartition('.')[2]}_conv"
            last = ("conv_7b", "conv_7b_bn")
            pairs.append((closing, "") if node.name not in normed else next(unnamed) if node.stage else last)
    return in_order(network, pairs, {"fc": "predictions"})


def xception_timm(network: Network) -> dict[str, str]:
    names = {}
    for block, number in _xception_blocks(network):
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
    return _complete(network, names)


def xception_keras(network: Network) -> dict[str, str]:
    """The kernels of a separable convolution are two arrays of one layer, NAME/depthwise_kernel and pointwise."""
    names = {"conv1": "block1_conv1", "bn1": "block1_conv1_bn", "conv2": "block1_conv2", "bn2": "block1_conv2_bn"}
    unnamed = numbers()
    for block, number in _xception_blocks(network):
        for i in range(3):
            prefix = f"block{number + 1}_sepconv{i + 1}"
            names[f"{block}.conv{2 * i + 1}"] = f"{prefix}/depthwise"
            names[f"{block}.conv{2 * i + 2}"] = f"{prefix}/pointwise"
            names[f"{block}.bn{i + 1}"] = f"{prefix}_bn"
        if any(node.name == f"{block}.downsample.conv1" for node in network.nodes):
            names[f"{block}.downsample.conv1"], names[f"{block}.downsample.bn1"] = next(unnamed)
    return _complete(network, {**names, "fc": "predictions"})


def _xception_blocks(network: Network) -> Iterator[tuple[str, int]]:
    """Our blocks and their numbers from 1."""
    blocks = dict.fromkeys(node.block for node in network.nodes if node.block)
    return ((block, number) for number, block in enumerate(blocks, start=1))


def squeezenet_torchvision(network: Network) -> dict[str, str]:
    """Convolution, rectifier, pooling and fire modules are numbered on."""
    names = {"conv1": "features.0", "conv10": "classifier.1"}
    index = 1
    for node in network.nodes:
        index += node.op.kind == "max_pool" or node.name.endswith(".squeeze")
        if node.stage:
            names[node.name] = f"features.{index}.{node.name.partition('.')[2]}"
    return _complete(network, names)


def shufflenet_torchvision(network: Network) -> dict[str, str]:
    """Within a branch layers are numbered, rectifiers too; the depthwise convolution has none."""
    names = {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv5.0", "bn2": "conv5.1"}
    places = {"branch1": {"conv1": 0, "bn1": 1, "conv2": 2, "bn2": 3}}
    places["branch2"] = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4, "conv3": 5, "bn3": 6}
    for node in network.nodes:
        parent, _, layer = node.name.rpartition(".")
        place = places.get(parent.rpartition(".")[2], {}).get(layer)
        if place is not None:
            names[node.name] = f"{parent}.{place}"
    return _complete(network, names)


def densenet_torch(network: Network) -> dict[str, str]:
    """torchvision's names, which timm keeps."""
    names = {"norm": "features.norm5", "fc": "classifier"}
    for node in network.nodes:
        kind, number = _split(node.name.rpartition(".")[2])
        kind = kind.replace("bn", "norm")
        if match := re.match(r"stage(\d+)\.(\d+)\.", node.name):
            names[node.name] = f"features.denseblock{match[1]}.denselayer{int(match[2]) + 1}.{kind}{number}"
        elif node.stage:
            names[node.name] = f"features.{node.stage}.{kind}"
        elif kind in ("conv", "norm") and number:
            names[node.name] = f"features.{kind}{number - 1}"
    return _complete(network, names)


def densenet_keras(network: Network) -> dict[str, str]:
    """Stages are counted from the stem; within a layer the first norm has number 0."""
    names = {"conv1": "conv1_conv", "bn1": "conv1_bn", "norm": "bn", "fc": "predictions"}
    roles = {"bn1": "0_bn", "conv1": "1_conv", "bn2": "1_bn", "conv2": "2_conv"}
    for node in network.nodes:
        layer = node.name.rpartition(".")[2]
        if match := re.match(r"stage(\d+)\.(\d+)\.", node.name):
            names[node.name] = f"conv{int(match[1]) + 1}_block{int(match[2]) + 1}_{roles.get(layer, layer)}"
        elif node.stage:
            names[node.name] = f"pool{int(node.stage.removeprefix('transition')) + 1}_{_split(layer)[0]}"
    return _complete(network, names)


def _split(name: str) -> tuple[str, int]:
    """("conv", 2) of "conv2"; number 0 where there is none."""
    kind = name.rstrip("0123456789")
    return kind, int(name[len(kind) :] or 0)


def _complete(network: Network, names: dict[str, str]) -> dict[str, str]:
    """Layers without parameters are named too, as themselves."""
    return {node.name: names.get(node.name, node.name) for node in network.nodes}


NAMINGS_INCEPTION: dict[str, dict[str, Naming]] = {
    "torchvision": {
        "googlenet_bn": googlenet_torchvision,
        "inception_v3": inception_v3_torch,
        "squeezenet": squeezenet_torchvision,
        "densenet": densenet_torch,
        "shufflenet_v2": shufflenet_torchvision,
    },
    "timm": {
        "inception_v3": inception_v3_torch,
        "inception_v4": inception_v4_timm,
        "inception_resnet_v2_slim": inception_resnet_timm,
        "xception": xception_timm,
        "densenet": densenet_torch,
    },
    "keras": {
        "inception_v3": inception_v3_keras,
        "inception_resnet_v2_slim": inception_resnet_keras,
        "xception": xception_keras,
        "densenet": densenet_keras,
    },
}
