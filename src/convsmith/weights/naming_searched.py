"""How libraries name the layers of networks found by search: MnasNet and NASNet."""

from __future__ import annotations

from convsmith.network.network import Network
from convsmith.weights.naming_inception import Naming, in_order


def mnasnet_torchvision(network: Network) -> dict[str, str]:
    """Convolution, norm and rectifier are numbered on, in the stem and again in every block; stages are one number."""
    blocks = dict.fromkeys(node.block for node in network.nodes if node.block)
    blocks.pop("stage1.0")
    places = [f"layers.{i}" for i in (0, 3, 6)]
    for block in blocks:
        stage, _, number = block.partition(".")
        places += [f"layers.{int(stage.removeprefix('stage')) + 6}.{number}.layers.{i}" for i in (0, 3, 6)]
    pairs = [(place, following(place)) for place in (*places, "layers.14")]
    return in_order(network, pairs, {"fc": "classifier.1"})


def following(place: str) -> str:
    """The next place in a sequence: "layers.4" after "layers.3"."""
    parent, _, number = place.rpartition(".")
    return f"{parent}.{int(number) + 1}"


def nfnet_timm(network: Network) -> dict[str, str]:
    """stages.STAGE.BLOCK, with the second 3x3 convolution called 2b; a block's gain is the block's own parameter."""
    roles = {"conv3": "conv2b", "conv4": "conv3", "downsample.conv1": "downsample.conv"}
    roles |= {"se.conv1": "attn_last.fc1", "se.conv2": "attn_last.fc2"}
    names = {"fc": "head.fc"}
    for node in network.nodes:
        stage, _, rest = node.name.partition(".")
        if stage.startswith("stage"):
            block, _, layer = rest.partition(".")
            prefix = f"stages.{int(stage.removeprefix('stage')) - 1}.{block}"
            names[node.name] = prefix if layer == "gain1" else f"{prefix}.{roles.get(layer, layer)}"
    return {node.name: names.get(node.name, node.name) for node in network.nodes}


NAMINGS_SEARCHED: dict[str, dict[str, Naming]] = {
    "torchvision": {"mnasnet": mnasnet_torchvision},
    "timm": {"nfnet": nfnet_timm, "nfnet_timm": nfnet_timm},
    "keras": {},
}
