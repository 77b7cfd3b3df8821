"""Residual networks: v1 as printed, v1.5 as everyone trains it, pre-activation v2, CIFAR's, and the plain baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convsmith.network import dims
from convsmith.network.builder import (
    Tensor,
    add,
    batch_norm,
    conv,
    conv_norm,
    conv_norm_act,
    global_avg_pool,
    linear,
    max_pool,
    pad,
    relu,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.zoo.blocks import Excite, unchanged
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

HE_2015 = Paper(
    "Deep residual learning for image recognition",
    "He, Zhang, Ren, Sun",
    2015,
    "arXiv 1512.03385",
    "Layers learn what to add to their input, so that depth no longer hurts.",
    month=12,
)
HE_2016 = Paper(
    "Identity mappings in deep residual networks",
    "He, Zhang, Ren, Sun",
    2016,
    "arXiv 1603.05027",
    "Norm and activation move before the convolutions: the shortcut is a clean identity.",
    month=3,
)

Block = Callable[[Tensor, int, int], Tensor]
DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each stage (table 1)."""
TEN_CROPS = "ten crops (table 3)"
OPTION_B = "projections where the shape changes (option B): 3.66 G; the paper's 3.6 G is with free shortcuts, 3.64 G"
CUT_OFF = "3.86 G exactly; the paper prints 3.8, truncated rather than rounded"
V1_5 = "the stride is in the 3x3 convolution, not in the first 1x1: 0.23 G multiply-adds more"


PLAIN_BASELINE = "built to show this: the plain baselines that residual networks are compared with (section 4)"
STRIDE_IN_1X1 = (
    "the stride is in a block's first 1x1 convolution, as table 1 has it; version 1.5 moves it to the 3x3 one"
)
DEPARTURES = {
    "plain34": {"CS403": PLAIN_BASELINE},
    **{name: {"CS103": STRIDE_IN_1X1} for name in ("resnet50", "resnet101", "resnet152")},
}


def shortcut(x: Tensor, like: Tensor, stride: int, kernel: int = 1) -> Tensor:
    """Identity, or a projection where the shape changes (option B)."""
    if dims.equal(x.shape, like.shape):
        return x
    with scope("downsample"):
        return conv_norm(x, like.channels, kernel, stride)


def basic(x: Tensor, width: int, stride: int, *, excite: Excite = unchanged) -> Tensor:
    """Two 3x3 convolutions (fig. 5 left)."""
    y = conv_norm_act(x, width, 3, stride)
    y = excite(conv_norm(y, width, 3))
    return relu(add(y, shortcut(x, y, stride)))


def bottleneck_v1(x: Tensor, width: int, stride: int, *, excite: Excite = unchanged) -> Tensor:
    """1x1 reduce, 3x3, 1x1 restore; the stride in the reduction (fig. 5 right, table 1)."""
    y = conv_norm_act(x, width, 1, stride)
    y = conv_norm_act(y, width, 3)
    y = excite(conv_norm(y, 4 * width, 1))
    return relu(add(y, shortcut(x, y, stride)))


def bottleneck(
    x: Tensor, width: int, stride: int, *, groups: int = 1, group_width: int = 64, excite: Excite = unchanged
) -> Tensor:
    """Version 1.5: the stride in the 3x3 convolution, which then sees every pixel.

    In the first stage, where `width` is 64, that convolution has `groups` times `group_width` maps.
    """
    inner = groups * (group_width * width // 64)
    y = conv_norm_act(x, inner, 1)
    y = conv_norm_act(y, inner, 3, stride, groups=groups)
    y = excite(conv_norm(y, 4 * width, 1))
    return relu(add(y, shortcut(x, y, stride)))


def plain(x: Tensor, width: int, stride: int) -> Tensor:
    """The same two convolutions without a shortcut (fig. 3 middle)."""
    return conv_norm_act(conv_norm_act(x, width, 3, stride), width, 3)


def stem(image: Tensor) -> Tensor:
    """7x7 convolution and 3x3 max pooling, each at stride 2."""
    return max_pool(conv_norm_act(image, 64, 7, 2), 3, 2, padding=(1, 1, 1, 1))


def stages(x: Tensor, blocks: Sequence[int], block: Block) -> Tensor:
    """Blocks at 64, 128, 256, 512 maps; each stage but the first begins at stride 2."""
    for stage, depth in enumerate(blocks):
        for i in range(depth):
            with scope(f"layer{stage + 1}.{i}"):
                x = block(x, 64 * 2**stage, 2 if i == 0 and stage else 1)
    return x


@family(
    paper=HE_2015,
    flagship="resnet152",
    departures=DEPARTURES,
    variants={
        "plain18": {"blocks": DEPTHS[18], "block": plain},
        "plain34": {"blocks": DEPTHS[34], "block": plain},
        "resnet18": {"blocks": DEPTHS[18], "block": basic},
        "resnet34": {"blocks": DEPTHS[34], "block": basic},
        "resnet50": {"blocks": DEPTHS[50], "block": bottleneck_v1},
        "resnet101": {"blocks": DEPTHS[101], "block": bottleneck_v1},
        "resnet152": {"blocks": DEPTHS[152], "block": bottleneck_v1},
        **{f"resnet{depth}_v1_5": {"blocks": DEPTHS[depth], "block": bottleneck} for depth in (50, 101, 152)},
    },
    published={
        "plain18": PaperFigures(gmacs=1.8, top1=72.06, protocol=TEN_CROPS),
        "plain34": PaperFigures(gmacs=3.6, top1=71.46, protocol=TEN_CROPS),
        "resnet18": PaperFigures(gmacs=1.8, top1=72.12, protocol=TEN_CROPS),
        "resnet34": PaperFigures(gmacs=3.6, top1=75.48, top5=92.54, protocol=TEN_CROPS, deviations={"gmacs": OPTION_B}),
        "resnet50": PaperFigures(gmacs=3.8, top1=77.15, top5=93.29, protocol=TEN_CROPS, deviations={"gmacs": CUT_OFF}),
        "resnet101": PaperFigures(gmacs=7.6, top1=78.25, top5=93.95, protocol=TEN_CROPS),
        "resnet152": PaperFigures(gmacs=11.3, top1=78.57, top5=94.29, protocol=TEN_CROPS),
        **{f"resnet{depth}_v1_5": PaperFigures(note=V1_5) for depth in (50, 101, 152)},
    },
)
def resnet(image: Tensor, classes: Dim, *, blocks: Sequence[int], block: Block) -> Tensor:
    """7x7 stem, four stages of blocks at 64, 128, 256, 512 maps, global average pooling (table 1)."""
    return linear(global_avg_pool(stages(stem(image), blocks, block)), classes, name="fc")


def preactivated(x: Tensor, width: int, stride: int, *, project: bool) -> Tensor:
    """Norm and activation before each convolution; a projection starts from the activated input (fig. 4 e)."""
    y = relu(batch_norm(x))
    if project:
        with scope("downsample"):
            x = conv(y, 4 * width, 1, stride, bias=False)
    y = relu(batch_norm(conv(y, width, 1, bias=False)))
    y = relu(batch_norm(conv(y, width, 3, stride, bias=False)))
    return add(conv(y, 4 * width, 1, bias=False), x)


@family(
    paper=HE_2016,
    flagship="resnet152_v2",
    variants={f"resnet{depth}_v2": {"blocks": DEPTHS[depth]} for depth in (50, 101, 152)},
    published={"resnet152_v2": PaperFigures(top1=78.9, top5=94.5, protocol="single crop at 320 (table 5)")},
)
def resnet_v2(image: Tensor, classes: Dim, *, blocks: Sequence[int]) -> Tensor:
    """Pre-activation bottlenecks; one more norm and activation before the pooling."""
    x = max_pool(conv(image, 64, 7, 2, bias=False), 3, 2, padding=(1, 1, 1, 1))
    for stage, depth in enumerate(blocks):
        for i in range(depth):
            with scope(f"layer{stage + 1}.{i}"):
                x = preactivated(x, 64 * 2**stage, 2 if i == 0 and stage else 1, project=i == 0)
    return linear(global_avg_pool(relu(batch_norm(x, name="norm"))), classes, name="fc")


def preactivated_keras(x: Tensor, width: int, stride: int, *, project: bool) -> Tensor:
    """Keras' block: biases around the residual sum, and a subsampled identity where it strides."""
    y = relu(batch_norm(x))
    if project:
        with scope("downsample"):
            x = conv(y, 4 * width, 1, stride)
    elif stride > 1:
        x = max_pool(x, 1, stride)
    y = relu(batch_norm(conv(y, width, 1, bias=False)))
    y = relu(batch_norm(conv(y, width, 3, stride, bias=False)))
    return add(conv(y, 4 * width, 1), x)


@family(
    paper=HE_2016,
    variants={f"resnet{depth}_v2_keras": {"blocks": DEPTHS[depth]} for depth in (50, 101, 152)},
)
def resnet_v2_keras(image: Tensor, classes: Dim, *, blocks: Sequence[int]) -> Tensor:
    """Version 2 as in keras.applications: each stage strides in its last block, the stem pads with zeros."""
    x = max_pool(pad(conv(image, 64, 7, 2), (1, 1, 1, 1)), 3, 2)
    for stage, depth in enumerate(blocks):
        for i in range(depth):
            with scope(f"layer{stage + 1}.{i}"):
                strided = i == depth - 1 and stage < len(blocks) - 1
                x = preactivated_keras(x, 64 * 2**stage, 2 if strided else 1, project=i == 0)
    return linear(global_avg_pool(relu(batch_norm(x, name="norm"))), classes, name="fc")


def padded_shortcut(x: Tensor, like: Tensor, stride: int) -> Tensor:
    """Every other pixel, and zero maps for the new channels: no parameters (option A)."""
    if dims.equal(x.shape, like.shape):
        return x
    extra = like.channels - x.channels
    return pad(max_pool(x, 1, stride) if stride > 1 else x, channels=(extra // 2, extra - extra // 2))


def cifar_basic(x: Tensor, width: int, stride: int) -> Tensor:
    y = conv_norm_act(x, width, 3, stride)
    y = conv_norm(y, width, 3)
    return relu(add(y, padded_shortcut(x, y, stride)))


CIFAR = {20: (0.27, 8.75), 32: (0.46, 7.51), 44: (0.66, 7.17), 56: (0.85, 6.97), 110: (1.7, 6.43), 1202: (19.4, 7.93)}
"""Depth -> million parameters, test error of the residual network (table 6)."""
PLAIN_DEPTHS = (20, 32, 44, 56)
"""Of the plain networks whose errors figure 6 (left) draws; the paper prints no figure for them but their size, which
is the residual network's, since option A adds no parameters (section 4.2)."""
DRAWN = "figure 6 (left) draws its training error on CIFAR-10, higher than that of the shallower ones; it prints none"


@family(
    paper=HE_2015,
    departures={"plain[345]*": {"CS111": PLAIN_BASELINE, "CS403": PLAIN_BASELINE}},
    variants={
        **{f"plain{depth}": {"depth": depth, "block": plain} for depth in PLAIN_DEPTHS},
        **{f"resnet{depth}": {"depth": depth} for depth in CIFAR},
    },
    input=(3, 32, 32),
    classes=10,
    published={
        **{f"plain{depth}": PaperFigures(params_m=CIFAR[depth][0], note=DRAWN) for depth in PLAIN_DEPTHS},
        **{
            f"resnet{depth}": PaperFigures(params_m=params, note=f"CIFAR-10 test error {error}% (table 6)")
            for depth, (params, error) in CIFAR.items()
        },
    },
)
def resnet_cifar(image: Tensor, classes: Dim, *, depth: int, block: Block = cifar_basic) -> Tensor:
    """6n + 2 layers: a 3x3 stem, three stages of n blocks at 16, 32, 64 maps (section 4.2)."""
    x = conv_norm_act(image, 16, 3)
    for stage in range(3):
        for i in range((depth - 2) // 6):
            with scope(f"layer{stage + 1}.{i}"):
                x = block(x, 16 * 2**stage, 2 if i == 0 and stage else 1)
    return linear(global_avg_pool(x), classes, name="fc")
