"""MobileNet v1 and v2, and MnasNet, in torchvision, timm and Keras."""

from __future__ import annotations

from convsmith.network.dialect import Dialect
from convsmith.network.network import Network
from convsmith.network.ops import BatchNorm, Conv
from convsmith.zoo.libraries.layer_names import blocks, completed, count, in_order
from convsmith.zoo.libraries.library_family import HALVES, Alias, LibraryFamily


def mobilenet_v2_torchvision(network: Network) -> dict[str, str]:
    """Blocks are one list. In a block, a convolution and its norm are a pair, but for the last."""
    names = {"conv1": "features.0.0", "bn1": "features.0.1", "fc": "classifier.1"}
    last = 1
    for last, block in enumerate(blocks(network), start=1):
        convs = count(network, block, Conv)
        for j in range(1, convs + 1):
            bare = j == convs
            names[f"{block}.conv{j}"] = f"features.{last}.conv.{j - 1}" + ("" if bare else ".0")
            names[f"{block}.bn{j}"] = f"features.{last}.conv.{j}" if bare else f"features.{last}.conv.{j - 1}.1"
    return completed(network, {**names, "conv2": f"features.{last + 1}.0", "bn2": f"features.{last + 1}.1"})


def mnasnet_torchvision(network: Network) -> dict[str, str]:
    """Convolutions, norms and rectifiers are one list in the stem, and in every block; stages follow in the stem's."""
    places = [f"layers.{i}" for i in (0, 3, 6)]
    for block in blocks(network)[1:]:  # the first is numbered with the stem
        stage, _, number = block.partition(".")
        places += [f"layers.{int(stage.removeprefix('stage')) + 6}.{number}.layers.{i}" for i in (0, 3, 6)]
    pairs = [(place, _following(place)) for place in (*places, "layers.14")]
    return in_order(network, pairs, {"fc": "classifier.1"})


def _following(place: str) -> str:
    """The next place in a sequence: "layers.4" after "layers.3"."""
    parent, _, number = place.rpartition(".")
    return f"{parent}.{int(number) + 1}"


def efficient_timm(network: Network) -> dict[str, str]:
    """timm's EfficientNet builder, which writes MobileNets too: blocks.STAGE.BLOCK.conv_pw, conv_dw, conv_pwl."""
    names = {"conv1": "conv_stem", "bn1": "bn1", "conv2": "conv_head", "bn2": "bn2", "fc": "classifier"}
    roles = {2: ("conv_dw", "conv_pw"), 3: ("conv_pw", "conv_dw", "conv_pwl")}
    for block in blocks(network):
        stage, _, number = block.partition(".")
        prefix = f"blocks.{int(stage.removeprefix('stage')) - 1}.{number}"
        names |= {f"{block}.se.conv1": f"{prefix}.se.conv_reduce", f"{block}.se.conv2": f"{prefix}.se.conv_expand"}
        for i, role in enumerate(roles[count(network, block, BatchNorm)], start=1):
            names[f"{block}.conv{i}"] = f"{prefix}.{role}"
            names[f"{block}.bn{i}"] = f"{prefix}.bn{i}"
    return completed(network, names)


def mobilenet_v1_keras(network: Network) -> dict[str, str]:
    names = {"conv1": "conv1", "bn1": "conv1_bn", "fc": "conv_preds"}
    for i, block in enumerate(blocks(network), start=1):
        for j, role in ((1, "dw"), (2, "pw")):
            names[f"{block}.conv{j}"] = f"conv_{role}_{i}"
            names[f"{block}.bn{j}"] = f"conv_{role}_{i}_bn"
    return completed(network, names)


def mobilenet_v2_keras(network: Network) -> dict[str, str]:
    names = {"conv1": "Conv1", "bn1": "bn_Conv1", "conv2": "Conv_1", "bn2": "Conv_1_bn", "fc": "predictions"}
    for i, block in enumerate(blocks(network)):
        prefix = f"block_{i}" if i else "expanded_conv"
        roles = ("expand", "depthwise", "project")[-count(network, block, Conv) :]
        for j, role in enumerate(roles, start=1):
            names[f"{block}.conv{j}"] = f"{prefix}_{role}"
            names[f"{block}.bn{j}"] = f"{prefix}_{role}_BN"
    return completed(network, names)


TIMM_V2 = {
    f"mobilenetv2_{width}": Alias("mobilenet_v2", {"width": int(width) / 100}) for width in ("050", "100", "140")
}
TIMM_MNASNETS = {
    f"{name}_{width}": Alias(variant, {"width": int(width) / 100, "drop": 0})
    for name, variant in (("mnasnet", "mnasnet_b1"), ("semnasnet", "mnasnet_a1"))
    for width in ("050", "075", "100", "140")
}

RECORDS = (
    LibraryFamily(
        "timm",
        "mobilenet_v1",
        efficient_timm,
        {"mobilenetv1_100": Alias("mobilenet_v1"), "mobilenetv1_125": Alias("mobilenet_v1", {"width": 1.25})},
    ),
    LibraryFamily(
        "keras",
        "mobilenet_v1",
        mobilenet_v1_keras,
        {"MobileNet": Alias("mobilenet_v1")},
        dialect=Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.01),
        normalization=HALVES,
        convolutions=("fc",),
    ),
    LibraryFamily("torchvision", "mobilenet_v2", mobilenet_v2_torchvision, {"mobilenet_v2": Alias("mobilenet_v2")}),
    LibraryFamily("timm", "mobilenet_v2", efficient_timm, TIMM_V2),
    LibraryFamily(
        "keras",
        "mobilenet_v2",
        mobilenet_v2_keras,
        {"MobileNetV2": Alias("mobilenet_v2")},
        dialect=Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.001),
        normalization=HALVES,
    ),
    LibraryFamily(
        "torchvision",
        "mnasnet",
        mnasnet_torchvision,
        {
            "mnasnet0_5": Alias("mnasnet_b1", {"width": 0.5}),
            "mnasnet0_75": Alias("mnasnet_b1", {"width": 0.75}),
            "mnasnet1_0": Alias("mnasnet_b1"),
            "mnasnet1_3": Alias("mnasnet_b1", {"width": 1.3}),
        },
        dialect=Dialect(norm_momentum=1 - 0.9997),
    ),
    LibraryFamily(
        "timm", "mnasnet", efficient_timm, {**TIMM_MNASNETS, "mnasnet_small": Alias("mnasnet_small", {"drop": 0})}
    ),
)
