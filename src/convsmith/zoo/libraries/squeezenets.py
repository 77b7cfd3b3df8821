"""SqueezeNet in torchvision."""

from __future__ import annotations

from convsmith.network.network import Network
from convsmith.zoo.libraries.layer_names import completed
from convsmith.zoo.libraries.library_family import Alias, LibraryFamily


def squeezenet_torchvision(network: Network) -> dict[str, str]:
    """Convolution, rectifier, poolings and fire modules are one list."""
    names = {"conv1": "features.0", "conv10": "classifier.1"}
    index = 1
    for node in network.nodes:
        index += node.op.kind == "max_pool" or node.name.endswith(".squeeze")
        if node.stage:
            names[node.name] = f"features.{index}.{node.name.partition('.')[2]}"
    return completed(network, names)


RECORDS = (
    LibraryFamily(
        "torchvision",
        "squeezenet",
        squeezenet_torchvision,
        {f"squeezenet{version}": Alias(f"squeezenet{version}", input=(3, 224, 224)) for version in ("1_0", "1_1")},
    ),
)
