"""ResNet and what was built on it, in torchvision, timm and Keras: ResNet v2, ResNeXt, Wide ResNet, SENet."""

from __future__ import annotations

from functools import partial

from convsmith.network.builder import Tensor, relu
from convsmith.network.dialect import Dialect
from convsmith.network.network import Network
from convsmith.network.ops import MaxPool
from convsmith.zoo.libraries.layer_names import blocks, completed, replaced
from convsmith.zoo.libraries.library_family import CAFFE, HALVES, Alias, LibraryFamily
from convsmith.zoo.residual.resnet import basic, bottleneck, stem
from convsmith.zoo.residual.senet import deep_stem, excited

PROJECTION = {"downsample.conv1": "downsample.0", "downsample.bn1": "downsample.1"}


def resnet_torch(network: Network) -> dict[str, str]:
    """The names of torchvision and timm are ours, except for the projection, whose layers they number."""
    return {node.name: replaced(node.name, PROJECTION) for node in network.nodes}


def resnet_v2_timm(network: Network) -> dict[str, str]:
    names = {"conv1": "stem.conv", "norm": "norm", "fc": "head.fc"}
    for node in network.nodes:
        stage, _, rest = node.name.partition(".")
        if rest:
            block, _, layer = rest.partition(".")
            layer = replaced(layer, {"downsample.conv1": "downsample.conv", "bn": "norm"})
            names[node.name] = f"stages.{int(stage.removeprefix('layer')) - 1}.blocks.{block}.{layer}"
    return completed(network, names)


def resnet_keras(network: Network) -> dict[str, str]:
    """convSTAGE_blockBLOCK_LAYER_conv, stages counted from the stem, layer 0 the projection."""
    names = {"conv1": "conv1_conv", "bn1": "conv1_bn", "norm": "post_bn", "fc": "predictions"}
    preactivated = "norm" in {node.name for node in network.nodes}
    for block in blocks(network):
        stage, _, number = block.partition(".")
        prefix = f"conv{int(stage.removeprefix('layer')) + 1}_block{int(number) + 1}"
        names[f"{block}.downsample.conv1"] = f"{prefix}_0_conv"
        names[f"{block}.downsample.bn1"] = f"{prefix}_0_bn"
        for i in (1, 2, 3):
            names[f"{block}.conv{i}"] = f"{prefix}_{i}_conv"
            names[f"{block}.bn{i + preactivated}"] = f"{prefix}_{i}_bn"
        if preactivated:
            names[f"{block}.bn1"] = f"{prefix}_preact_bn"
    return completed(network, names)


def senet_timm(network: Network) -> dict[str, str]:
    """timm has these networks twice: ported from Caffe, whose stem pools partial windows, and as its own ResNets."""
    pool = network["pool1"].op
    return senet_ported(network) if isinstance(pool, MaxPool) and pool.ceil else senet_resnet(network)


def senet_ported(network: Network) -> dict[str, str]:
    renamed = {**PROJECTION, ".se.conv": ".se_module.fc"}
    names = {node.name: replaced(node.name, renamed) for node in network.nodes}
    return {**names, **{name: f"layer0.{name}" for name in names if "." not in name}, "fc": "last_linear"}


def senet_resnet(network: Network) -> dict[str, str]:
    """The layers of a stem of three convolutions are numbered, rectifiers included, except its last norm."""
    renamed = {**PROJECTION, ".se.conv": ".se.fc"}
    names = {node.name: replaced(node.name, renamed) for node in network.nodes}
    if "conv3" in names:
        names |= {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv1.3", "bn2": "conv1.4", "conv3": "conv1.6"}
        names["bn3"] = "bn1"
    return names


TORCH_RESNETS = {
    **{f"resnet{depth}": Alias(f"resnet{depth}") for depth in (18, 34)},
    **{f"resnet{depth}": Alias(f"resnet{depth}_v1_5") for depth in (50, 101, 152)},
}
KERAS_RESNET = Dialect(norm_eps=1.001e-5, norm_momentum=0.01, bias_before_norm=True)
KERAS_RESNET_V2 = Dialect(norm_eps=1.001e-5, norm_momentum=0.01)

RESNETS = (
    LibraryFamily("torchvision", "resnet", resnet_torch, TORCH_RESNETS),
    LibraryFamily("timm", "resnet", resnet_torch, TORCH_RESNETS),
    LibraryFamily(
        "keras",
        "resnet",
        resnet_keras,
        {f"ResNet{depth}": Alias(f"resnet{depth}") for depth in (50, 101, 152)},
        dialect=KERAS_RESNET,
        normalization=CAFFE,
        shortcut_first=True,
    ),
    LibraryFamily(
        "timm",
        "resnet_v2",
        resnet_v2_timm,
        {f"resnetv2_{depth}": Alias(f"resnet{depth}_v2") for depth in (50, 101, 152)},
        convolutions=("fc",),
    ),
    LibraryFamily(
        "keras",
        "resnet_v2_keras",
        resnet_keras,
        {f"ResNet{depth}V2": Alias(f"resnet{depth}_v2_keras") for depth in (50, 101, 152)},
        dialect=KERAS_RESNET_V2,
        normalization=HALVES,
        shortcut_first=True,
    ),
)

RESNEXTS = {name: Alias(name) for name in ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d")}
FURTHER_RESNEXTS = {f"resnext101_32x{d}d": Alias(f"resnext101_32x{d}d") for d in (4, 16, 32)}
WIDE = {name: Alias(name) for name in ("wide_resnet50_2", "wide_resnet101_2")}


def rectified(residual: Tensor) -> Tensor:
    """The ports' basic blocks, which the authors never had, rectify before the excitation."""
    return excited(relu(residual))


SE_BASIC = partial(basic, excite=partial(excited, least=8))
LEGACY = {"drop": 0.2}
"""timm's older SENets, ported from the authors' Caffe networks, all have dropout."""
LEGACY_BASIC = {"block": partial(basic, excite=rectified), **LEGACY}
SE_RESNETS = {
    **{f"legacy_seresnet{depth}": Alias(f"se_resnet{depth}", LEGACY_BASIC) for depth in (18, 34)},
    **{f"legacy_seresnet{depth}": Alias(f"se_resnet{depth}", LEGACY) for depth in (50, 101, 152)},
    "legacy_seresnext26_32x4d": Alias("se_resnext50_32x4d", {"blocks": (2, 2, 2, 2), **LEGACY}),
    **{f"legacy_seresnext{depth}_32x4d": Alias(f"se_resnext{depth}_32x4d", LEGACY) for depth in (50, 101)},
    **{f"seresnet{depth}": Alias(f"se_resnet{depth}", {"block": SE_BASIC, "stem": stem}) for depth in (18, 34)},
    **{f"seresnet{depth}": Alias(f"se_resnet{depth}_v1_5") for depth in (50, 101, 152)},
    **{f"seresnext{depth}_32x4d": Alias(f"se_resnext{depth}_32x4d", {"stem": stem}) for depth in (50, 101)},
    **{
        f"seresnext101_{groups}x{d}d": Alias(
            "se_resnext101_32x4d",
            {"stem": stem, "block": partial(bottleneck, groups=groups, group_width=d, excite=excited)},
        )
        for groups, d in ((32, 8), (64, 4))
    },
}
SENETS_154 = {
    "legacy_senet154": Alias("senet154"),
    "senet154": Alias("senet154", {"stem": deep_stem, "drop": 0}),
}

RECORDS = (
    *RESNETS,
    LibraryFamily("torchvision", "resnext", resnet_torch, RESNEXTS),
    LibraryFamily("timm", "resnext", resnet_torch, {**RESNEXTS, **FURTHER_RESNEXTS}),
    LibraryFamily("torchvision", "wide_resnet", resnet_torch, WIDE),
    LibraryFamily("timm", "wide_resnet", resnet_torch, WIDE),
    LibraryFamily("timm", "se_resnet", senet_timm, SE_RESNETS),
    LibraryFamily("timm", "senet154", senet_timm, SENETS_154),
)
