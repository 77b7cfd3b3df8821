"""DenseNet: every layer sees the maps of all layers before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convsmith.network.builder import (
    Tensor,
    avg_pool,
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
from convsmith.zoo.inception.towers import AROUND
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

HUANG_2016 = Paper(
    "Densely connected convolutional networks",
    "Huang, Liu, van der Maaten, Weinberger",
    2016,
    "arXiv 1608.06993",
    "Layers add a few maps to a common store instead of replacing it, so that features are reused.",
    month=8,
)

Layer = Callable[[Tensor, Dim], Tensor]
Stem = Callable[[Tensor, Dim], Tensor]


def norm_act_conv(x: Tensor, maps: Dim, kernel: int) -> Tensor:
    """Norm, rectifier, convolution: the paper's composite function H."""
    return conv(relu(batch_norm(x)), maps, kernel, bias=False)


def plain(x: Tensor, growth: Dim) -> Tensor:
    """3x3 straight from all the maps."""
    return norm_act_conv(x, growth, 3)


def bottleneck(x: Tensor, growth: Dim) -> Tensor:
    """1x1 to four times the growth, then 3x3 (DenseNet-B)."""
    return norm_act_conv(norm_act_conv(x, 4 * growth, 1), growth, 3)


def compressed(channels: Dim, theta: float) -> Dim:
    """The number of maps that a transition keeps (DenseNet-C)."""
    kept = theta * channels // 1
    return int(kept) if isinstance(kept, float) else kept.astype(int)


def stages(x: Tensor, blocks: Sequence[int], growth: Dim, layer: Layer, theta: float) -> Tensor:
    """Dense blocks; between them 1x1 convolutions and 2x2 average pooling (fig. 2)."""
    for stage, depth in enumerate(blocks, start=1):
        for i in range(depth):
            with scope(f"stage{stage}.{i}"):
                x = concat(x, layer(x, growth))
        if stage < len(blocks):
            with scope(f"transition{stage}"):
                x = avg_pool(norm_act_conv(x, compressed(x.channels, theta), 1), 2)
    return relu(batch_norm(x, name="norm"))


def wide_stem(x: Tensor, maps: Dim) -> Tensor:
    """One 7x7 convolution (table 1)."""
    return conv_norm_act(x, maps, 7, 2)


def deep_stem(x: Tensor, maps: Dim) -> Tensor:
    """Three 3x3 convolutions (timm's variants d)."""
    x = conv_norm_act(conv_norm_act(x, maps // 2, 3, 2), maps // 2, 3)
    return conv_norm_act(x, maps, 3)


@family(
    paper=HUANG_2016,
    flagship="densenet264",
    variants={
        "densenet121": {"blocks": (6, 12, 24, 16)},
        "densenet169": {"blocks": (6, 12, 32, 32)},
        "densenet201": {"blocks": (6, 12, 48, 32)},
        "densenet264": {"blocks": (6, 12, 64, 48)},
        "densenet161": {"blocks": (6, 12, 36, 24), "growth": 48},
    },
    published={
        "densenet121": PaperFigures(top1=74.98, top5=92.29, protocol="single crop (table 3)"),
        "densenet169": PaperFigures(top1=76.20, top5=93.15, protocol="single crop (table 3)"),
        "densenet201": PaperFigures(top1=77.42, top5=93.66, protocol="single crop (table 3)"),
        "densenet264": PaperFigures(
            top1=77.85,
            top5=93.88,
            protocol="single crop (table 3)",
            note="table 1's blocks (6, 12, 64, 48) have 265 layers, counted as for the others",
        ),
        "densenet161": PaperFigures(top1=77.8, protocol="single crop", note="figures of the authors' repository"),
    },
)
def densenet(
    image: Tensor,
    classes: Dim,
    *,
    blocks: Sequence[int],
    growth: Dim = 32,
    layer: Layer = bottleneck,
    theta: float = 0.5,
    stem: Stem = wide_stem,
) -> Tensor:
    """DenseNet-BC for ImageNet: a stem of twice the growth, four dense blocks (table 1)."""
    x = max_pool(stem(image, 2 * growth), 3, 2, padding=AROUND)
    return linear(global_avg_pool(stages(x, blocks, growth, layer, theta)), classes, name="fc")


# Table 2: depth, kind, growth, parameters in millions, CIFAR-10 test error in percent with augmentation.
TABLE_2 = (
    (40, "", 12, 1.0, 5.24),
    (100, "", 12, 7.0, 4.10),
    (100, "", 24, 27.2, 3.74),
    (100, "bc", 12, 0.8, 4.51),
    (250, "bc", 24, 15.3, 3.62),
    (190, "bc", 40, 25.6, 3.46),
)
KINDS: dict[str, tuple[Layer, float]] = {
    "": (plain, 1.0),
    "b": (bottleneck, 1.0),
    "c": (plain, 0.5),
    "bc": (bottleneck, 0.5),
}


def cifar_name(depth: int, kind: str, growth: int) -> str:
    return f"densenet{depth}{kind and '_' + kind}_k{growth}"


@family(
    paper=HUANG_2016,
    departures={
        pattern: {"CS202": "widths follow from the growth rate and the compression (sections 3 and 4.2)"}
        for pattern in ("*_bc_*", "*_c_*")
    },
    variants={
        cifar_name(depth, kind, growth): {
            "depth": depth,
            "growth": growth,
            "layer": KINDS[kind][0],
            "theta": KINDS[kind][1],
        }
        for depth, kind, growth in (*(row[:3] for row in TABLE_2), (100, "b", 12), (100, "c", 12))
    },
    input=(3, 32, 32),
    classes=10,
    published={
        cifar_name(depth, kind, growth): PaperFigures(params_m=params, note=f"CIFAR-10 test error {error}% (table 2)")
        for depth, kind, growth, params, error in TABLE_2
    },
)
def densenet_cifar(
    image: Tensor, classes: Dim, *, depth: int, growth: Dim, layer: Layer = plain, theta: float = 1.0
) -> Tensor:
    """Three dense blocks of equal depth after one 3x3 convolution (section 3, implementation details)."""
    convolutions = 2 if layer is bottleneck else 1
    blocks = ((depth - 4) // (3 * convolutions),) * 3
    x = conv(image, 2 * growth if layer is bottleneck and theta < 1 else 16, 3, bias=False)
    return linear(global_avg_pool(stages(x, blocks, growth, layer, theta)), classes, name="fc")
