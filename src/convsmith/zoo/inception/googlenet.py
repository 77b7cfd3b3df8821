"""GoogLeNet, the first Inception network: as the paper prints it, and as torchvision has it."""

from __future__ import annotations

from collections.abc import Callable

from convsmith.network.builder import (
    Tensor,
    adaptive_avg_pool,
    auxiliary,
    concat,
    conv,
    conv_norm_act,
    dropout,
    global_avg_pool,
    linear,
    local_response_norm,
    max_pool,
    relu,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.zoo.inception.towers import AROUND
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

SZEGEDY_2014 = Paper(
    "Going deeper with convolutions",
    "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
    2014,
    "arXiv 1409.4842",
    "Kernels of several sizes side by side, 1x1 convolutions that make them affordable, no hidden dense layers.",
    month=9,
)

Unit = Callable[[Tensor, Dim, int], Tensor]

# Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj; stages 3, 4, 5.
MODULES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
HEADS = {(4, 0): "aux1", (4, 3): "aux2"}
"""Auxiliary classifiers are connected to the modules (4a) and (4d) (section 5)."""


def conv_act(x: Tensor, maps: Dim, kernel: int, stride: int = 1) -> Tensor:
    """The paper's convolution: a bias, a rectifier, no norm."""
    return relu(conv(x, maps, kernel, stride))


def inception(x: Tensor, maps: tuple[int, ...], unit: Unit, wide: int) -> Tensor:
    """1x1, 3x3 and 5x5 convolutions and pooling, thinned by 1x1 convolutions (fig. 2 b)."""
    one, thin3, three, thin5, five, pooled = maps
    return concat(
        unit(x, one, 1),
        unit(unit(x, thin3, 1), three, 3),
        unit(unit(x, thin5, 1), five, wide),
        unit(max_pool(x, 3, 1, padding=AROUND), pooled, 1),
    )


def head(x: Tensor, classes: Dim, unit: Unit) -> Tensor:
    """Means over 4x4 cells, 128 maps, 1024 features (section 5)."""
    x = unit(adaptive_avg_pool(x, 4), 128, 1)
    x = dropout(relu(linear(x, 1024)), 0.7)
    return linear(x, classes)


def stages(x: Tensor, classes: Dim, unit: Unit, wide: int, last_pool: int, aux: float) -> Tensor:
    """Nine modules in three stages, pooled in between; two heads on the way (table 1, fig. 3)."""
    for stage, modules in enumerate(MODULES, start=3):
        if stage > 3:
            x = max_pool(x, last_pool if stage == 5 else 3, 2, ceil=True)
        for i, maps in enumerate(modules):
            with scope(f"stage{stage}.{i}"):
                x = inception(x, maps, unit, wide)
            if aux and (stage, i) in HEADS:
                with scope(HEADS[stage, i]):
                    auxiliary(head(x, classes, unit), aux)
    return x


@family(
    paper=SZEGEDY_2014,
    flagship="googlenet",
    variants={"googlenet": {}},
    departures={
        "*": {
            "CS402": "of the time before batch norm: auxiliary classifiers bring the lower layers gradients (section 5)"
        }
    },
    published={
        "googlenet": PaperFigures(
            params_m=6.8,
            gmacs=1.5,
            top1=69.8,
            top5=89.93,
            protocol="single crop (table 3; top-1 as MobileNet's table 8 has it)",
            deviations={
                "params_m": "table 1 counts in units of 1024 (its last 1000 K are 1,024,000): its 6,798 K are 6.96 M, "
                "and the layers have 7.00 M",
                "gmacs": "table 1 sums to 1,502 M, with 34 M for the first convolution, whose 7x7 kernels take 118 M",
            },
            note="the heads pool to 4x4 cells whatever the "
            "input's size, the paper's by 5x5 at stride 3; the paper gives no constants of the response "
            "normalisation, these are AlexNet's",
        )
    },
)
def googlenet(image: Tensor, classes: Dim, *, aux: float = 0.3, drop: float = 0.4) -> Tensor:
    """Table 1, with response normalisation and 5x5 convolutions. `aux` weighs the heads' losses; 0 for no heads."""
    x = max_pool(conv_act(image, 64, 7, 2), 3, 2, ceil=True)
    x = conv_act(conv_act(local_response_norm(x), 64, 1), 192, 3)
    x = max_pool(local_response_norm(x), 3, 2, ceil=True)
    x = stages(x, classes, conv_act, wide=5, last_pool=3, aux=aux)
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")


@family(
    paper=SZEGEDY_2014,
    variants={"googlenet_bn": {}},
    published={
        "googlenet_bn": PaperFigures(
            note="what torchvision calls GoogLeNet: batch norm for response normalisation and biases, 3x3 convolutions "
            "where the paper has 5x5, the last pooling 2x2"
        )
    },
)
def googlenet_bn(image: Tensor, classes: Dim, *, aux: float = 0.3, drop: float = 0.2) -> Tensor:
    """The same table with batch norm, as in TensorFlow-Slim."""
    x = max_pool(conv_norm_act(image, 64, 7, 2), 3, 2, ceil=True)
    x = max_pool(conv_norm_act(conv_norm_act(x, 64, 1), 192, 3), 3, 2, ceil=True)
    x = stages(x, classes, conv_norm_act, wide=3, last_pool=2, aux=aux)
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")
