"""ShuffleNet v2 in torchvision."""

from __future__ import annotations

from convsmith.network.network import Network
from convsmith.zoo.libraries.layer_names import completed
from convsmith.zoo.libraries.library_family import Alias, LibraryFamily


def shufflenet_torchvision(network: Network) -> dict[str, str]:
    """The layers of a branch are numbered, rectifiers included; the depthwise convolution has no rectifier."""
    names = {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv5.0", "bn2": "conv5.1"}
    places = {"branch1": {"conv1": 0, "bn1": 1, "conv2": 2, "bn2": 3}}
    places["branch2"] = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4, "conv3": 5, "bn3": 6}
    for node in network.nodes:
        parent, _, layer = node.name.rpartition(".")
        place = places.get(parent.rpartition(".")[2], {}).get(layer)
        if place is not None:
            names[node.name] = f"{parent}.{place}"
    return completed(network, names)


RECORDS = (
    LibraryFamily(
        "torchvision",
        "shufflenet_v2",
        shufflenet_torchvision,
        {name: Alias(name) for name in (f"shufflenet_v2_{width}" for width in ("x0_5", "x1_0", "x1_5", "x2_0"))},
    ),
)
