"""How libraries name the layers of networks found by search, MnasNet and NASNet, and of NFNets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from convsmith.network.network import Network
from convsmith.network.ops import Conv
from convsmith.weights.naming_inception import Naming, in_order, under, units


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


class Cell(NamedTuple):
    """A cell of NASNet: our scope, whether it is a reduction, its stage (0 for the stem), its number from 0 in that,
    and how many convolutions fit the output of the cell before the last to it."""

    scope: str
    reduction: bool
    stage: int
    number: int
    fitting: int


def cells(network: Network) -> Iterator[Cell]:
    """In order; each squeezes its input, and has five times two separable convolutions."""
    sizes = Counter(node.block for node in network.nodes if isinstance(node.op, Conv) and node.stage)
    for scope, convolutions in sizes.items():
        stage, _, number = scope.partition(".")
        if stage != "aux":
            place = int(stage.removeprefix("stage") if stage != "stem" else 0)
            reduction = place == 0 or number == "0"
            yield Cell(scope, reduction, place, int(number) - (not reduction), convolutions - 21)


def nasnet_timm(network: Network) -> dict[str, str]:
    """Normal cells are numbered on."""
    pairs, others = [*units("conv0")], {"fc": "last_linear"}
    normal = 0
    for cell in cells(network):
        name, branches = f"cell_{normal}", "0_left 0_right 1_left 1_right 4_left"
        if cell.reduction:
            name = f"reduction_cell_{cell.stage - 2}" if cell.stage else f"cell_stem_{cell.number}"
            branches = "0_left 0_right 1_right 2_right 4_left"
        normal += not cell.reduction
        if cell.fitting == 2:
            pairs += [(f"{name}.path_1.conv", ""), (f"{name}.path_2.conv", "")]
            others[f"{cell.scope}.bn1"] = f"{name}.final_path_bn"
        pairs += units(*[f"{name}.conv_prev_1x1"] * (cell.fitting == 1), f"{name}.conv_1x1")
        for branch in under(name, " ".join(f"comb_iter_{side}" for side in branches.split())):
            for i in (1, 2):
                layer = f"{branch}.separable_{i}"
                pairs += [(f"{layer}.depthwise_conv2d", ""), (f"{layer}.pointwise_conv2d", f"{branch}.bn_sep_{i}")]
    return in_order(network, pairs, others)


def nasnet_keras(network: Network) -> dict[str, str]:
    """Cells are numbered on, reductions by the number of normal cells before, which then leave out one number."""
    pairs, others = [("stem_conv1", "stem_bn1")], {"fc": "predictions"}
    normal = 0
    for cell in cells(network):
        kind, cell_id, branches = "normal", str(normal + (cell.stage > 1)), "left1 right1 left2 right2 left5"
        if cell.reduction:
            kind, branches = "reduction", "left1 right1 right2 right3 left4"
            cell_id = f"reduce_{normal}" if cell.stage else f"stem_{cell.number + 1}"
        normal += not cell.reduction
        if cell.fitting == 2:
            pairs += [(f"adjust_conv_1_{cell_id}", ""), (f"adjust_conv_2_{cell_id}", "")]
            others[f"{cell.scope}.bn1"] = f"adjust_bn_{cell_id}"
        pairs += [(f"adjust_conv_projection_{cell_id}", f"adjust_bn_{cell_id}")] * (cell.fitting == 1)
        pairs.append((f"{kind}_conv_1_{cell_id}", f"{kind}_bn_1_{cell_id}"))
        for branch in branches.split():
            for i in (1, 2):
                layer, norm = (f"separable_conv_{i}_{role}{kind}_{branch}_{cell_id}" for role in ("", "bn_"))
                pairs += [(f"{layer}/depthwise", ""), (f"{layer}/pointwise", norm)]
    return in_order(network, pairs, others)


NAMINGS_SEARCHED: dict[str, dict[str, Naming]] = {
    "torchvision": {"mnasnet": mnasnet_torchvision},
    "timm": {"nasnet": nasnet_timm, "nfnet": nfnet_timm, "nfnet_timm": nfnet_timm},
    "keras": {"nasnet": nasnet_keras},
}
