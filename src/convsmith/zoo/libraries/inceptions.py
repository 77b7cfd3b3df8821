"""GoogLeNet, Inception v3 and v4, and Inception-ResNet, in torchvision, timm and Keras."""

from __future__ import annotations

from itertools import islice

from convsmith.network.dialect import Dialect
from convsmith.network.network import Network
from convsmith.network.ops import BatchNorm, Conv
from convsmith.zoo.libraries.layer_names import in_order, under, units, unnamed
from convsmith.zoo.libraries.library_family import HALVES, Alias, LibraryFamily

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


def inception_v3_keras(network: Network) -> dict[str, str]:
    convs = sum(isinstance(node.op, Conv) for node in network.nodes)
    return in_order(network, islice(unnamed(), convs), {"fc": "predictions"})


def inception_resnet_keras(network: Network) -> dict[str, str]:
    """Unnamed, except for the convolution at the end of each block, and the last."""
    sizes = {"stage1": "block35", "stage2": "block17", "stage3": "block8"}
    numbers, pairs = unnamed(), []
    normed = {node.inputs[0] for node in network.nodes if isinstance(node.op, BatchNorm)}
    for node in network.nodes:
        if isinstance(node.op, Conv):
            closing = f"{sizes.get(node.stage)}_{node.block.rpartition('.')[2]}_conv"
            last = ("conv_7b", "conv_7b_bn")
            pairs.append((closing, "") if node.name not in normed else next(numbers) if node.stage else last)
    return in_order(network, pairs, {"fc": "predictions"})


SLIM = Dialect(norm_eps=1e-3)
SLIM_COUNTING = Dialect(norm_eps=1e-3, pool_counts_padding=True)
KERAS = Dialect(norm_eps=1e-3, norm_momentum=0.01, norm_scale=False)
BARE = {"aux": 0, "drop": 0}

RECORDS = (
    LibraryFamily(
        "torchvision",
        "googlenet_bn",
        googlenet_torchvision,
        {"googlenet": Alias("googlenet_bn")},
        dialect=SLIM,
        normalization=HALVES,
    ),
    LibraryFamily(
        "torchvision",
        "inception_v3",
        inception_v3_torch,
        {"inception_v3": Alias("inception_v3")},
        dialect=SLIM_COUNTING,
        normalization=HALVES,
    ),
    LibraryFamily(
        "timm",
        "inception_v3",
        inception_v3_torch,
        {"inception_v3": Alias("inception_v3", BARE)},
        dialect=SLIM_COUNTING,
        normalization=HALVES,
    ),
    LibraryFamily(
        "keras",
        "inception_v3",
        inception_v3_keras,
        {"InceptionV3": Alias("inception_v3", BARE)},
        dialect=KERAS,
        normalization=HALVES,
    ),
    LibraryFamily(
        "timm",
        "inception_v4",
        inception_v4_timm,
        {"inception_v4": Alias("inception_v4", {"drop": 0})},
        dialect=SLIM,
        normalization=HALVES,
    ),
    LibraryFamily(
        "timm",
        "inception_resnet_v2_slim",
        inception_resnet_timm,
        {"inception_resnet_v2": Alias("inception_resnet_v2_slim", {"drop": 0})},
        dialect=SLIM,
        normalization=HALVES,
    ),
    LibraryFamily(
        "keras",
        "inception_resnet_v2_slim",
        inception_resnet_keras,
        {"InceptionResNetV2": Alias("inception_resnet_v2_slim", {"drop": 0})},
        dialect=KERAS,
        normalization=HALVES,
    ),
)
