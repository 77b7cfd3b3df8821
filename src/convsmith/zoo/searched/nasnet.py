"""NASNet-A: two cells found by search on CIFAR-10, repeated and widened into networks for ImageNet."""

from __future__ import annotations

from collections.abc import Callable

from convsmith.network import dims
from convsmith.network.builder import (
    Tensor,
    adaptive_avg_pool,
    add,
    auxiliary,
    avg_pool,
    batch_norm,
    concat,
    conv,
    conv_norm_act,
    default_padding,
    dropout,
    global_avg_pool,
    linear,
    max_pool,
    pad,
    relu,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.network.ops.window import NONE, resolve
from convsmith.zoo.inception.towers import average, valid
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

ZOPH_2017 = Paper(
    "Learning transferable architectures for scalable image recognition",
    "Zoph, Vasudevan, Shlens, Le",
    2017,
    "arXiv 1707.07012",
    "A search that designs cells rather than networks, cheaply on a small data set, for use on a large one.",
    month=7,
)

TRAINED = (
    "the paper also drops paths, ever more often while it trains; the auxiliary head pools to 4x4 cells whatever the "
    "input's size, the paper's by 5x5 at stride 3"
)

Pool = Callable[[Tensor], Tensor]


def largest(x: Tensor) -> Tensor:
    """3x3 max pooling at stride 2."""
    return max_pool(x, 3, 2, padding=default_padding((3, 3), (2, 2)))


def largest_of_padded(x: Tensor) -> Tensor:
    """As in Keras: the zeros of the padding win over negative numbers."""
    return max_pool(pad(x, resolve("same", (x.shape[1], x.shape[2]), (3, 3), (2, 2), (1, 1))), 3, 2)


def mean(x: Tensor) -> Tensor:
    """3x3 average pooling at stride 2."""
    return avg_pool(x, 3, 2, padding=default_padding((3, 3), (2, 2)))


def mean_of_padded(x: Tensor) -> Tensor:
    """As in timm and Keras: the zeros of the padding count."""
    return avg_pool(x, 3, 2, padding=default_padding((3, 3), (2, 2)), count_padding=True)


def squeeze(x: Tensor, maps: Dim) -> Tensor:
    """Rectifier, 1x1 convolution, norm."""
    return batch_norm(conv(relu(x), maps, 1, bias=False))


def separable(x: Tensor, maps: Dim, kernel: int, stride: int = 1) -> Tensor:
    """Rectifier, depthwise and pointwise convolution, norm; and all of it again without the stride (appendix A.4)."""
    for step in (stride, 1):
        x = relu(x)
        x = conv(x, x.channels, kernel, step, groups=x.channels, bias=False)
        x = batch_norm(conv(x, maps, 1, bias=False))
    return x


def fitted(before: Tensor, x: Tensor, maps: Dim) -> Tensor:
    """The output of the cell before last, at the width that this cell needs and the size of the last cell's, `x`.

    Where it must shrink, half of the maps look at every other pixel, half at the pixels in between.
    """
    if dims.equal(before.shape[1:], x.shape[1:]):
        return before if dims.equal(before.shape[:1], (maps,)) else squeeze(before, maps)
    y = relu(before)
    even = conv(y, maps // 2, 1, 2, padding=NONE, bias=False)
    odd = conv(pad(y, (-1, 1, -1, 1)), maps // 2, 1, 2, padding=NONE, bias=False)
    return batch_norm(concat(even, odd))


def normal(x: Tensor, before: Tensor, maps: Dim) -> Tensor:
    """Five sums and the input before the last, side by side (fig. 4 left)."""
    p = fitted(before, x, maps)
    h = squeeze(x, maps)
    return concat(
        p,
        add(separable(h, maps, 5), separable(p, maps, 3)),
        add(separable(p, maps, 5), separable(p, maps, 3)),
        add(average(h), p),
        add(average(p), average(p)),
        add(separable(h, maps, 3), h),
    )


def reduction(x: Tensor, p: Tensor, maps: Dim, largest: Pool, mean: Pool) -> Tensor:
    """Half the size: five sums, four of which are concatenated (fig. 4 right). `p` is fitted already."""
    h = squeeze(x, maps)
    first = add(separable(h, maps, 5, 2), separable(p, maps, 7, 2))
    second = add(largest(h), separable(p, maps, 7, 2))
    third = add(mean(h), separable(p, maps, 5, 2))
    fourth = add(second, average(first))
    fifth = add(separable(first, maps, 3), largest(h))
    return concat(second, third, fourth, fifth)


def head(x: Tensor, classes: Dim) -> Tensor:
    """The auxiliary classifier, two thirds of the way up (appendix A.7)."""
    x = conv_norm_act(adaptive_avg_pool(relu(x), 4), 128, 1)
    return linear(valid(x, 768, 4), classes)


@family(
    paper=ZOPH_2017,
    flagship="nasnet_large",
    variants={
        "nasnet_mobile": {"cells": 4, "penultimate": 1056, "stem": 32, "skip": False},
        "nasnet_large": {"cells": 6, "penultimate": 4032, "stem": 96, "skip": True},
    },
    inputs={"nasnet_large": (3, 331, 331)},
    published={
        "nasnet_mobile": PaperFigures(
            params_m=5.3, gmacs=0.564, top1=74.0, top5=91.6, protocol="single crop (table 3)", note=TRAINED
        ),
        "nasnet_large": PaperFigures(
            params_m=88.9,
            gmacs=23.8,
            top1=82.7,
            top5=96.2,
            protocol="single crop (table 2)",
            note=TRAINED,
            deviations={"params_m": "88.75 M that are trained; 88.95 M with the running statistics of the norms"},
        ),
    },
)
def nasnet(
    image: Tensor,
    classes: Dim,
    *,
    cells: int,
    penultimate: int,
    stem: int,
    skip: bool,
    aux: float = 0.4,
    drop: float = 0.5,
    largest: Pool = largest,
    mean: Pool = mean,
) -> Tensor:
    """NASNet-A (`cells` @ `penultimate`): three stages of normal cells, reduction cells before and between (fig. 2).

    With `skip`, the second input of the first cell after a reduction is not the reduction's input, but the output of
    the cell before that.
    """
    filters = penultimate // 24
    before = batch_norm(conv(image, stem, 3, 2, padding=NONE, bias=False))
    with scope("stem.0"):
        x = reduction(before, before, filters // 4, largest, mean)
    with scope("stem.1"):
        before, x = x, reduction(x, fitted(before, x, filters // 2), filters // 2, largest, mean)
    for stage in range(3):
        maps = filters * 2**stage
        if stage:
            with scope(f"stage{stage + 1}.0"):
                y = reduction(x, fitted(before, x, maps), maps, largest, mean)
            before, x = before if skip else x, y
        for i in range(cells):
            with scope(f"stage{stage + 1}.{i + 1}"):
                before, x = x, normal(x, before, maps)
        if aux and stage == 1:
            with scope("aux"):
                auxiliary(head(x, classes), aux)
    return linear(dropout(global_avg_pool(relu(x)), drop), classes, name="fc")
