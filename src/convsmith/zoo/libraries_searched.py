"""What torchvision, timm and Keras mean by their names: networks found by search, MnasNet and NASNet."""

from __future__ import annotations

from convsmith.network.dialect import Dialect
from convsmith.zoo.nasnet import largest_of_padded, mean_of_padded
from convsmith.zoo.registry import ALIASES, Alias

SAME = Dialect(same_padding=True)
NFNET_SIDES = (192, 224, 256, 320, 384, 416, 448, 480)
UNDROPPED = {"drop": 0, "drop_path": 0}
TORCHVISION_MNASNET = Dialect(norm_momentum=1 - 0.9997)
TIMM_NASNET = Dialect(same_padding=True, norm_eps=1e-3)
KERAS_NASNET = Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=1 - 0.9997)

TIMM_POOLS = {"mean": mean_of_padded}
KERAS_POOLS = {"mean": mean_of_padded, "largest": largest_of_padded}
BARE = {"aux": 0, "drop": 0}

ALIASES.update(
    {
        "torchvision/mnasnet0_5": Alias("mnasnet_b1", {"width": 0.5}, TORCHVISION_MNASNET),
        "torchvision/mnasnet0_75": Alias("mnasnet_b1", {"width": 0.75}, TORCHVISION_MNASNET),
        "torchvision/mnasnet1_0": Alias("mnasnet_b1", {}, TORCHVISION_MNASNET),
        "torchvision/mnasnet1_3": Alias("mnasnet_b1", {"width": 1.3}, TORCHVISION_MNASNET),
        **{
            f"timm/{name}_{w}": Alias(variant, {"width": int(w) / 100, "drop": 0})
            for name, variant in (("mnasnet", "mnasnet_b1"), ("semnasnet", "mnasnet_a1"))
            for w in ("050", "075", "100", "140")
        },
        "timm/mnasnet_small": Alias("mnasnet_small", {"drop": 0}),
        "timm/nasnetalarge": Alias("nasnet_large", {**BARE, **TIMM_POOLS}, TIMM_NASNET),
        "keras/NASNetMobile": Alias("nasnet_mobile", {**BARE, **KERAS_POOLS}, KERAS_NASNET),
        "keras/NASNetLarge": Alias("nasnet_large", {**BARE, **KERAS_POOLS}, KERAS_NASNET),
        **{
            f"timm/dm_nfnet_f{n}": Alias(f"nfnet_f{n}", UNDROPPED, SAME, (3, side, side))
            for n, side in enumerate(NFNET_SIDES[:7])
        },
        "timm/nfnet_l0": Alias("nfnet_l0", UNDROPPED),
        **{
            f"timm/nfnet_f{n}{s}": Alias(
                "nfnet_l0",
                {**UNDROPPED, "repeat": n + 1, "function": function, "squeeze": 2, "group": 128, "features": 2},
                input=(3, side, side),
            )
            for n, side in enumerate(NFNET_SIDES)
            for s, function in (("", "gelu"), ("s", "silu"))
        },
    }
)
