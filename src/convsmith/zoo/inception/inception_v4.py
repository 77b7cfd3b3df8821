"""Inception v4: the same ideas made uniform."""

from __future__ import annotations

from convsmith.network.builder import Tensor, concat, dropout, global_avg_pool, linear, scope
from convsmith.network.dims import Dim
from convsmith.zoo.inception.towers import average, halve, tower, valid
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

SZEGEDY_2016 = Paper(
    "Inception-v4, Inception-ResNet and the impact of residual connections on learning",
    "Szegedy, Ioffe, Vanhoucke, Alemi",
    2016,
    "arXiv 1602.07261",
    "Uniform modules; residual connections around them speed up training, scaled down to keep it stable.",
    month=2,
)
SINGLE_CROP = "single crop (table 2), without the 1700 images that the paper leaves out"


def stem(x: Tensor) -> Tensor:
    """299x299 to 35x35 maps, 384 of them (fig. 3)."""
    x = tower(valid(valid(x, 32, 3, 2), 32, 3), (64, 3))
    x = concat(halve(x), valid(x, 96, 3, 2))
    x = concat(
        valid(tower(x, (64, 1)), 96, 3),
        valid(tower(x, (64, 1), (64, (1, 7)), (64, (7, 1))), 96, 3),
    )
    return concat(valid(x, 192, 3, 2), halve(x))


def module_a(x: Tensor) -> Tensor:
    """35x35x384 (fig. 4)."""
    return concat(
        tower(x, (96, 1)),
        tower(x, (64, 1), (96, 3)),
        tower(x, (64, 1), (96, 3), (96, 3)),
        tower(average(x), (96, 1)),
    )


def module_b(x: Tensor) -> Tensor:
    """17x17x1024 (fig. 5)."""
    return concat(
        tower(x, (384, 1)),
        tower(x, (192, 1), (224, (1, 7)), (256, (7, 1))),
        tower(x, (192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))),
        tower(average(x), (128, 1)),
    )


def fan(x: Tensor, maps: Dim) -> Tensor:
    """1x3 beside 3x1."""
    return concat(tower(x, (maps, (1, 3))), tower(x, (maps, (3, 1))))


def module_c(x: Tensor) -> Tensor:
    """8x8x1536 (fig. 6)."""
    return concat(
        tower(x, (256, 1)),
        fan(tower(x, (384, 1)), 256),
        fan(tower(x, (384, 1), (448, (3, 1)), (512, (1, 3))), 256),
        tower(average(x), (256, 1)),
    )


def reduction_a(x: Tensor, k: Dim, l: Dim, m: Dim, n: Dim) -> Tensor:  # noqa: E741  # the paper's letters
    """35x35 to 17x17 (fig. 7, table 1)."""
    return concat(valid(x, n, 3, 2), valid(tower(x, (k, 1), (l, 3)), m, 3, 2), halve(x))


def reduction_b(x: Tensor) -> Tensor:
    """17x17 to 8x8 (fig. 8)."""
    return concat(
        valid(tower(x, (192, 1)), 192, 3, 2),
        valid(tower(x, (256, 1), (256, (1, 7)), (320, (7, 1))), 320, 3, 2),
        halve(x),
    )


@family(
    paper=SZEGEDY_2016,
    flagship="inception_v4",
    variants={"inception_v4": {}},
    input=(3, 299, 299),
    published={"inception_v4": PaperFigures(top1=80.0, top5=95.0, protocol=SINGLE_CROP)},
)
def inception_v4(image: Tensor, classes: Dim, *, drop: float = 0.2) -> Tensor:
    """4 modules A, 7 B, 3 C, reductions in between (fig. 9)."""
    with scope("stem"):
        x = stem(image)
    for i in range(4):
        with scope(f"stage1.{i}"):
            x = module_a(x)
    for i in range(8):
        with scope(f"stage2.{i}"):
            x = module_b(x) if i else reduction_a(x, k=192, l=224, m=256, n=384)
    for i in range(4):
        with scope(f"stage3.{i}"):
            x = module_c(x) if i else reduction_b(x)
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")
