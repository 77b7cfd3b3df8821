"""Inception v2, the network in which batch normalisation was invented (BN-Inception)."""

from __future__ import annotations

from convsmith.network.builder import (
    Tensor,
    batch_norm,
    concat,
    conv,
    conv_norm_act,
    global_avg_pool,
    linear,
    max_pool,
    relu,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.zoo.blocks import Excite, unchanged
from convsmith.zoo.inception.towers import AROUND, average, tower
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

IOFFE_2015 = Paper(
    "Batch normalization: accelerating deep network training by reducing internal covariate shift",
    "Ioffe, Szegedy",
    2015,
    "arXiv 1502.03167",
    "Normalising every layer by its batch lets networks learn 14 times faster, at higher rates, without dropout.",
    month=2,
)

# Figure 5: #1x1, #3x3 reduce, #3x3, double #3x3 reduce, double #3x3, pool proj. Modules without #1x1 have stride 2.
STAGES = (
    ((64, 64, 64, 64, 96, 32), (64, 64, 96, 64, 96, 64)),
    (
        (0, 128, 160, 64, 96, 0),
        (224, 64, 96, 96, 128, 128),
        (192, 96, 128, 96, 128, 128),
        (160, 128, 160, 128, 160, 96),
        (96, 128, 192, 160, 192, 96),
    ),
    ((0, 128, 192, 192, 256, 0), (352, 192, 320, 160, 224, 128), (352, 192, 320, 192, 224, 128)),
)


def separable_stem(x: Tensor, maps: Dim) -> Tensor:
    """7x7 depthwise at stride 2 with 8 maps for each colour, then 1x1 (fig. 5, note)."""
    x = conv(x, 8 * x.channels, 7, 2, groups=x.channels, bias=False)
    return relu(batch_norm(conv(x, maps, 1, bias=False)))


def module(x: Tensor, maps: tuple[int, ...], *, largest: bool) -> Tensor:
    """1x1, 3x3 and double 3x3 towers and pooling, which takes the maximum if `largest` (the last module of fig. 5)."""
    one, thin3, three, thin_double, double, pooled = maps
    return concat(
        tower(x, (one, 1)),
        tower(x, (thin3, 1), (three, 3)),
        tower(x, (thin_double, 1), (double, 3), (double, 3)),
        tower(max_pool(x, 3, 1, padding=AROUND) if largest else average(x), (pooled, 1)),
    )


def reduction(x: Tensor, maps: tuple[int, ...]) -> Tensor:
    """3x3 and double 3x3 towers at stride 2, beside max pooling: no pooling between stages otherwise."""
    _, thin3, three, thin_double, double, _ = maps
    return concat(
        conv_norm_act(tower(x, (thin3, 1)), three, 3, 2),
        conv_norm_act(tower(x, (thin_double, 1), (double, 3)), double, 3, 2),
        max_pool(x, 3, 2, padding=AROUND),
    )


@family(
    paper=IOFFE_2015,
    flagship="inception_v2",
    variants={"inception_v2": {}},
    published={
        "inception_v2": PaperFigures(
            params_m=13.6,
            top1=74.8,
            top5=92.18,
            protocol="single crop (fig. 4)",
            deviations={"params_m": "the paper prints 13.6 M; the layers of its figure 5 have 11.2 M"},
        )
    },
)
def inception_v2(image: Tensor, classes: Dim, *, excite: Excite = unchanged) -> Tensor:
    """Ten modules; 5x5 convolutions became two 3x3; stages begin with a strided module (fig. 5)."""
    x = max_pool(separable_stem(image, 64), 3, 2, padding=AROUND)
    x = max_pool(tower(x, (64, 1), (192, 3)), 3, 2, padding=AROUND)
    for stage, modules in enumerate(STAGES, start=3):
        for i, maps in enumerate(modules):
            with scope(f"stage{stage}.{i}"):
                last = stage == 5 and i == len(modules) - 1
                x = excite(module(x, maps, largest=last) if maps[0] else reduction(x, maps))
    return linear(global_avg_pool(x), classes, name="fc")
