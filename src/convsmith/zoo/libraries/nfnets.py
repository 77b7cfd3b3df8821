"""NFNets in timm: DeepMind's own (`dm_nfnet`), and timm's variations on them."""

from __future__ import annotations

from convsmith.network.dialect import Dialect
from convsmith.network.network import Network
from convsmith.zoo.libraries.layer_names import completed
from convsmith.zoo.libraries.library_family import Alias, LibraryFamily

SIDES = (192, 224, 256, 320, 384, 416, 448, 480)
UNDROPPED = {"drop": 0, "drop_path": 0}


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
    return completed(network, names)


def deeper(n: int, side: int, function: str) -> Alias:
    """timm's own F0 to F7."""
    widths = {"repeat": n + 1, "function": function, "squeeze": 2, "group": 128, "features": 2}
    return Alias("nfnet_l0", {**UNDROPPED, **widths}, (3, side, side))


RECORDS = (
    LibraryFamily(
        "timm",
        "nfnet",
        nfnet_timm,
        {f"dm_nfnet_f{n}": Alias(f"nfnet_f{n}", UNDROPPED, (3, side, side)) for n, side in enumerate(SIDES[:7])},
        dialect=Dialect(same_padding=True),
    ),
    LibraryFamily(
        "timm",
        "nfnet_timm",
        nfnet_timm,
        {
            "nfnet_l0": Alias("nfnet_l0", UNDROPPED),
            **{
                f"nfnet_f{n}{suffix}": deeper(n, side, function)
                for n, side in enumerate(SIDES)
                for suffix, function in (("", "gelu"), ("s", "silu"))
            },
        },
    ),
)
