"""NASNet in timm and Keras."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from convsmith.network.dialect import Dialect
from convsmith.network.network import Network
from convsmith.network.ops import Conv
from convsmith.zoo.libraries.layer_names import in_order, under, units
from convsmith.zoo.libraries.library_family import HALVES, Alias, LibraryFamily
from convsmith.zoo.searched.nasnet import largest_of_padded, mean_of_padded


class Cell(NamedTuple):
    """A cell of NASNet: our scope, whether it is a reduction, its stage (0 for the stem), its number from 0 in that,
    and how many convolutions fit the output of the cell before last to it."""

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
    """Normal cells are numbered throughout, reductions apart."""
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
    """Normal cells are numbered throughout, and skip a number after a reduction, which has that of the cells before."""
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


BARE = {"aux": 0, "drop": 0}
TIMM = {**BARE, "mean": mean_of_padded}
KERAS = {**BARE, "mean": mean_of_padded, "largest": largest_of_padded}

RECORDS = (
    LibraryFamily(
        "timm",
        "nasnet",
        nasnet_timm,
        {"nasnetalarge": Alias("nasnet_large", TIMM)},
        dialect=Dialect(same_padding=True, norm_eps=1e-3),
        normalization=HALVES,
    ),
    LibraryFamily(
        "keras",
        "nasnet",
        nasnet_keras,
        {"NASNetMobile": Alias("nasnet_mobile", KERAS), "NASNetLarge": Alias("nasnet_large", KERAS)},
        dialect=Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=1 - 0.9997),
        normalization=HALVES,
    ),
)
