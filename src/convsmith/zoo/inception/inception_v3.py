"""Inception v3: convolutions factored into smaller and asymmetric ones."""

from __future__ import annotations

from convsmith.network.builder import (
    Tensor,
    adaptive_avg_pool,
    auxiliary,
    concat,
    dropout,
    global_avg_pool,
    linear,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.zoo.inception.towers import average, halve, tower, valid
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

SZEGEDY_2015 = Paper(
    "Rethinking the Inception architecture for computer vision",
    "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna",
    2015,
    "arXiv 1512.00567",
    "7x7 convolutions as 1x7 and 7x1, sizes reduced without a bottleneck, labels smoothed.",
    month=12,
)


def stem(x: Tensor) -> Tensor:
    """299x299 to 35x35 maps, 192 of them (table 1; 1x1 before the last 3x3 as the authors' code has it)."""
    x = tower(valid(valid(x, 32, 3, 2), 32, 3), (64, 3))
    return halve(valid(tower(halve(x), (80, 1)), 192, 3))


def module_a(x: Tensor, pooled: Dim) -> Tensor:
    """35x35: 5x5 convolutions and pairs of 3x3 (fig. 5)."""
    return concat(
        tower(x, (64, 1)),
        tower(x, (48, 1), (64, 5)),
        tower(x, (64, 1), (96, 3), (96, 3)),
        tower(average(x), (pooled, 1)),
    )


def module_b(x: Tensor, thin: Dim) -> Tensor:
    """17x17: 7x7 convolutions as 1x7 and 7x1 (fig. 6, n = 7)."""
    return concat(
        tower(x, (192, 1)),
        tower(x, (thin, 1), (thin, (1, 7)), (192, (7, 1))),
        tower(x, (thin, 1), (thin, (7, 1)), (thin, (1, 7)), (thin, (7, 1)), (192, (1, 7))),
        tower(average(x), (192, 1)),
    )


def fan(x: Tensor, maps: Dim) -> Tensor:
    """1x3 beside 3x1."""
    return concat(tower(x, (maps, (1, 3))), tower(x, (maps, (3, 1))))


def module_c(x: Tensor) -> Tensor:
    """8x8: towers that fan out, for high-dimensional features (fig. 7)."""
    return concat(
        tower(x, (320, 1)),
        fan(tower(x, (384, 1)), 384),
        fan(tower(x, (448, 1), (384, 3)), 384),
        tower(average(x), (192, 1)),
    )


def reduction_a(x: Tensor) -> Tensor:
    """35x35 to 17x17 (fig. 10)."""
    return concat(valid(x, 384, 3, 2), valid(tower(x, (64, 1), (96, 3)), 96, 3, 2), halve(x))


def reduction_b(x: Tensor) -> Tensor:
    """17x17 to 8x8."""
    return concat(
        valid(tower(x, (192, 1)), 320, 3, 2),
        valid(tower(x, (192, 1), (192, (1, 7)), (192, (7, 1))), 192, 3, 2),
        halve(x),
    )


def head(x: Tensor, classes: Dim) -> Tensor:
    """Means over 5x5 cells, 128 maps, 768 features, with batch norm (fig. 8)."""
    x = tower(adaptive_avg_pool(x, 5), (128, 1))
    return linear(valid(x, 768, 5), classes)


@family(
    paper=SZEGEDY_2015,
    flagship="inception_v3",
    variants={"inception_v3": {}},
    input=(3, 299, 299),
    published={
        "inception_v3": PaperFigures(
            params_m=25,
            gmacs=4.8,
            top1=78.8,
            top5=94.4,
            protocol="single crop (table 3)",
            deviations={
                "params_m": "the paper says less than 25 million: 23.8 M, and 3.3 M in the head",
                "gmacs": "as the authors released it: 5.7 G, where the paper speaks of 5 and prints 4.8",
            },
            note="MobileNet's table 10 prints 23.2 M for 120 classes, where the layers have 22.0 M; the head pools to "
            "5x5 cells whatever the input's size, by 5x5 at stride 3 in the paper",
        )
    },
)
def inception_v3(image: Tensor, classes: Dim, *, aux: float = 0.3, drop: float = 0.5) -> Tensor:
    """Eleven modules at 35x35, 17x17 and 8x8 (table 1). `aux` weighs the head's loss; 0 for no head."""
    with scope("stem"):
        x = stem(image)
    for i, pooled in enumerate((32, 64, 64)):
        with scope(f"stage1.{i}"):
            x = module_a(x, pooled)
    with scope("stage2.0"):
        x = reduction_a(x)
    for i, thin in enumerate((128, 160, 160, 192), start=1):
        with scope(f"stage2.{i}"):
            x = module_b(x, thin)
    if aux:
        with scope("aux"):
            auxiliary(head(x, classes), aux)
    with scope("stage3.0"):
        x = reduction_b(x)
    for i in (1, 2):
        with scope(f"stage3.{i}"):
            x = module_c(x)
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")
