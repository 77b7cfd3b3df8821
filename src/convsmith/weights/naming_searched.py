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


NAMINGS_SEARCHED: dict[str, dict[str, Naming]] = {
    "torchvision": {"mnasnet": mnasnet_torchvision},
    "timm": {},
    "keras": {},
}
