"""Inception-ResNet: Inception modules as residual branches, scaled down before they are added."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convsmith.network.builder import Tensor, add, concat, conv, dropout, global_avg_pool, linear, relu, scale, scope
from convsmith.network.dims import Dim, Pair
from convsmith.zoo.inception import inception_v3, inception_v4
from convsmith.zoo.inception.inception_v4 import SINGLE_CROP, SZEGEDY_2016, reduction_a
from convsmith.zoo.inception.towers import average, halve, tower, valid
from convsmith.zoo.paper import PaperFigures
from convsmith.zoo.registry import family

Towers = tuple[tuple[tuple[int, int | Pair], ...], ...]
"""Towers side by side; of each its layers' (maps, kernel), bottom first."""

# Version 1, figures 10, 11 and 13.
V1 = (
    (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (32, 3), (32, 3))),
    (((128, 1),), ((128, 1), (128, (1, 7)), (128, (7, 1)))),
    (((192, 1),), ((192, 1), (192, (1, 3)), (192, (3, 1)))),
)
# Version 2, figures 16, 17 and 19.
V2 = (
    (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))),
    (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))),
    (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))),
)
SCALES = (0.17, 0.10, 0.20)
"""Of the residuals at 35x35, 17x17 and 8x8: the paper says "between 0.1 and 0.3", these are from its authors' code."""


def residual(x: Tensor, towers: Towers, factor: float) -> Tensor:
    """Towers, a linear 1x1 convolution as wide as the input, scaled and added (section 3.3, fig. 20)."""
    y = concat(*[tower(x, *layers) for layers in towers])
    return add(x, scale(conv(y, x.channels, 1), factor))


def reduction_b(x: Tensor, second: Dim, third: Dim) -> Tensor:
    """17x17 to 8x8; the middle of the third tower is as wide as the second's end (figs. 12 and 18)."""
    return concat(
        valid(tower(x, (256, 1)), 384, 3, 2),
        valid(tower(x, (256, 1)), second, 3, 2),
        valid(tower(x, (256, 1), (second, 3)), third, 3, 2),
        halve(x),
    )


def stages(
    x: Tensor, modules: tuple[Towers, ...], depths: Sequence[int], *reductions: Callable[[Tensor], Tensor]
) -> Tensor:
    """Residual modules at 35x35, 17x17 and 8x8, each stage but the first after a reduction (fig. 15)."""
    for number, (towers, depth, factor) in enumerate(zip(modules, depths, SCALES, strict=True), start=1):
        if number > 1:
            with scope(f"stage{number}.0"):
                x = reductions[number - 2](x)
        for i in range(1, depth + 1):
            with scope(f"stage{number}.{i}"):
                x = relu(residual(x, towers, factor))
    return x


def stem_v1(x: Tensor) -> Tensor:
    """299x299 to 35x35 maps, 256 of them (fig. 14)."""
    x = halve(tower(valid(valid(x, 32, 3, 2), 32, 3), (64, 3)))
    return valid(valid(tower(x, (80, 1)), 192, 3), 256, 3, 2)


def stem_slim(x: Tensor) -> Tensor:
    """Version 3's stem, and one module without a residual: 320 maps."""
    x = inception_v3.stem(x)
    return concat(
        tower(x, (96, 1)),
        tower(x, (48, 1), (64, 5)),
        tower(x, (64, 1), (96, 3), (96, 3)),
        tower(average(x), (64, 1)),
    )


@family(
    paper=SZEGEDY_2016,
    variants={"inception_resnet_v1": {}},
    input=(3, 299, 299),
    published={"inception_resnet_v1": PaperFigures(top1=78.7, top5=94.5, protocol=SINGLE_CROP)},
)
def inception_resnet_v1(image: Tensor, classes: Dim, *, drop: float = 0.2) -> Tensor:
    """As costly as Inception v3: 5, 10 and 5 residual modules (fig. 15, table 1)."""
    with scope("stem"):
        x = stem_v1(image)
    x = stages(
        x, V1, (5, 10, 5), lambda y: reduction_a(y, k=192, l=192, m=256, n=384), lambda y: reduction_b(y, 256, 256)
    )
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")


@family(
    paper=SZEGEDY_2016,
    flagship="inception_resnet_v2",
    variants={"inception_resnet_v2": {}},
    input=(3, 299, 299),
    published={
        "inception_resnet_v2": PaperFigures(
            top1=80.1,
            top5=95.1,
            protocol=SINGLE_CROP,
            note="figures 17 and 19 print 1154 and 2048 maps, the branches before them join to 1152 and 2144; the "
            "authors released another network, inception_resnet_v2_slim",
        )
    },
)
def inception_resnet_v2(image: Tensor, classes: Dim, *, drop: float = 0.2) -> Tensor:
    """As costly as Inception v4, whose stem it has (fig. 15, table 1)."""
    with scope("stem"):
        x = inception_v4.stem(image)
    x = stages(
        x, V2, (5, 10, 5), lambda y: reduction_a(y, k=256, l=256, m=384, n=384), lambda y: reduction_b(y, 288, 320)
    )
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")


@family(
    paper=SZEGEDY_2016,
    departures={
        "*": {
            "CS602": "the authors' code adds the last block unscaled, by a factor of 1; a library's dropout is 0 "
            "unless it is asked for"
        }
    },
    variants={"inception_resnet_v2_slim": {}},
    input=(3, 299, 299),
    published={
        "inception_resnet_v2_slim": PaperFigures(
            note="the weights that the authors released: another stem, twice the modules, a last convolution to 1536 "
            "maps; what other libraries call Inception-ResNet v2"
        )
    },
)
def inception_resnet_v2_slim(image: Tensor, classes: Dim, *, drop: float = 0.2) -> Tensor:
    """10, 20 and 10 modules; the last is not scaled and has no rectifier."""
    with scope("stem"):
        x = stem_slim(image)
    x = stages(
        x, V2, (10, 20, 9), lambda y: reduction_a(y, k=256, l=256, m=384, n=384), lambda y: reduction_b(y, 288, 320)
    )
    with scope("stage3.10"):
        x = residual(x, V2[2], 1.0)
    x = tower(x, (1536, 1))
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")
