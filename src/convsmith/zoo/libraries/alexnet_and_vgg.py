"""AlexNet and VGG in torchvision, timm and Keras."""

from __future__ import annotations

from convsmith.network.network import Network
from convsmith.zoo.libraries.library_family import CAFFE, Alias, LibraryFamily

TORCH_VGGS = {f"vgg{depth}{norm}": Alias(f"vgg{depth}{norm}") for depth in (11, 13, 16, 19) for norm in ("", "_bn")}


def sequential(network: Network) -> dict[str, str]:
    """torchvision numbers the layers within `features` and `classifier`."""
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


RECORDS = (
    LibraryFamily("torchvision", "alexnet_2014", sequential, {"alexnet": Alias("alexnet_2014")}),
    LibraryFamily("torchvision", "vgg", sequential, TORCH_VGGS),
    LibraryFamily("timm", "vgg", vgg_timm, TORCH_VGGS, convolutions=("fc6", "fc7")),
    LibraryFamily("keras", "vgg", vgg_keras, {"VGG16": Alias("vgg16"), "VGG19": Alias("vgg19")}, normalization=CAFFE),
)
