"""How torchvision and timm name the layers of ResNets and what was built on them: ResNeXt, Wide ResNet, SENet."""

from __future__ import annotations

from convsmith.network.network import Network
from convsmith.network.ops import MaxPool
from convsmith.weights.naming_inception import Naming

PROJECTION = {"downsample.conv1": "downsample.0", "downsample.bn1": "downsample.1"}


def replaced(name: str, renamed: dict[str, str]) -> str:
    for ours, theirs in renamed.items():
        name = name.replace(ours, theirs)
    return name


def unchanged(network: Network) -> dict[str, str]:
    """torchvision's names are ours, but for the projection, whose layers it numbers."""
    return {node.name: replaced(node.name, PROJECTION) for node in network.nodes}


def senet_timm(network: Network) -> dict[str, str]:
    """timm has these networks twice: ported from Caffe, whose stem pools with partial windows, and as its ResNets."""
    pool = network["pool1"].op
    return senet_ported(network) if isinstance(pool, MaxPool) and pool.ceil else senet_resnet(network)


def senet_ported(network: Network) -> dict[str, str]:
    renamed = {**PROJECTION, ".se.conv": ".se_module.fc"}
    names = {node.name: replaced(node.name, renamed) for node in network.nodes}
    return {**names, **{name: f"layer0.{name}" for name in names if "." not in name}, "fc": "last_linear"}


def senet_resnet(network: Network) -> dict[str, str]:
    """A stem of three convolutions is numbered, rectifiers too, but for its last norm."""
    renamed = {**PROJECTION, ".se.conv": ".se.fc"}
    names = {node.name: replaced(node.name, renamed) for node in network.nodes}
    if "conv3" in names:
        names |= {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv1.3", "bn2": "conv1.4", "conv3": "conv1.6"}
        names["bn3"] = "bn1"
    return names


NAMINGS_RESIDUAL: dict[str, dict[str, Naming]] = {
    "torchvision": {"resnext": unchanged, "wide_resnet": unchanged},
    "timm": {"resnext": unchanged, "wide_resnet": unchanged, "se_resnet": senet_timm, "senet154": senet_timm},
    "keras": {},
}
