"""Wide residual networks: fewer and wider layers, CIFAR's with dropout inside the residual."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from convsmith.network import dims
from convsmith.network.builder import Tensor, add, batch_norm, conv, dropout, global_avg_pool, linear, relu, scope
from convsmith.network.dims import Dim
from convsmith.zoo.blocks import Excite, unchanged
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family
from convsmith.zoo.residual.resnet import DEPTHS, Block, basic, bottleneck, resnet

ZAGORUYKO_2016 = Paper(
    "Wide residual networks",
    "Zagoruyko, Komodakis",
    2016,
    "arXiv 1605.07146",
    "Sixteen wide layers learn as well as a thousand thin ones, several times faster.",
    month=5,
)

SINGLE_CROP = "single crop (tables 7 and 8)"


def widened(x: Tensor, width: int, stride: int, *, factor: float) -> Tensor:
    """Two 3x3 convolutions, both wider."""
    return basic(x, int(factor * width), stride)


wide_bottleneck = partial(bottleneck, group_width=128)
"""The 3x3 convolution twice as wide, the block's ends as in ResNet-50."""


@family(
    paper=ZAGORUYKO_2016,
    flagship="wide_resnet50_2",
    variants={
        "wide_resnet18_1_5": {"blocks": DEPTHS[18], "block": partial(widened, factor=1.5)},
        "wide_resnet18_2": {"blocks": DEPTHS[18], "block": partial(widened, factor=2)},
        "wide_resnet18_3": {"blocks": DEPTHS[18], "block": partial(widened, factor=3)},
        "wide_resnet34_1_5": {"blocks": DEPTHS[34], "block": partial(widened, factor=1.5)},
        "wide_resnet34_2": {"blocks": DEPTHS[34], "block": partial(widened, factor=2)},
        "wide_resnet50_2": {"blocks": DEPTHS[50], "block": wide_bottleneck},
        "wide_resnet101_2": {"blocks": DEPTHS[101], "block": wide_bottleneck},
    },
    published={
        "wide_resnet18_1_5": PaperFigures(params_m=25.9, top1=72.94, top5=91.0, protocol=SINGLE_CROP),
        "wide_resnet18_2": PaperFigures(params_m=45.6, top1=74.42, top5=91.94, protocol=SINGLE_CROP),
        "wide_resnet18_3": PaperFigures(params_m=101.8, top1=75.94, top5=92.67, protocol=SINGLE_CROP),
        "wide_resnet34_1_5": PaperFigures(params_m=48.6, top1=75.5, top5=92.42, protocol=SINGLE_CROP),
        "wide_resnet34_2": PaperFigures(params_m=86.0, top1=76.61, top5=93.0, protocol=SINGLE_CROP),
        "wide_resnet50_2": PaperFigures(params_m=68.9, top1=78.1, top5=93.97, protocol=SINGLE_CROP),
        "wide_resnet101_2": PaperFigures(note="torchvision's; the paper stops at 50 layers"),
    },
)
def wide_resnet(image: Tensor, classes: Dim, *, blocks: Sequence[int], block: Block) -> Tensor:
    """For ImageNet: ResNet with wider blocks and the same stem (section 3)."""
    return resnet(image, classes, blocks=blocks, block=block)


def preactivated(x: Tensor, width: Dim, stride: int, *, drop: float, excite: Excite) -> Tensor:
    """Two 3x3 convolutions after norm and rectifier each, dropout before the second (fig. 1 d)."""
    activated = relu(batch_norm(x))
    y = relu(batch_norm(conv(activated, width, 3, stride, bias=False)))
    y = excite(conv(dropout(y, drop) if drop else y, width, 3, bias=False))
    if dims.equal(x.shape, y.shape):
        return add(y, x)
    with scope("downsample"):
        return add(y, conv(activated, width, 1, stride, bias=False))


# (depth, widening factor) -> million parameters (table 4), CIFAR-10 test error.
CIFAR = {
    (16, 4): (None, "5.02% (table 6)"),
    (16, 8): (11.0, "4.27% (table 5)"),
    (16, 10): (17.1, "4.56% (table 4)"),
    (22, 8): (17.2, "4.38% (table 4)"),
    (22, 10): (26.8, "4.44% (table 4)"),
    (28, 10): (36.5, "4.00%, with dropout of 0.3 3.89% (table 6)"),
    (28, 12): (52.5, "4.33% (table 4)"),
    (40, 1): (0.6, "6.85% (table 4)"),
    (40, 2): (2.2, "5.33% (table 4)"),
    (40, 4): (8.9, "4.53% (table 5)"),
    (40, 8): (35.7, "4.66% (table 4)"),
}


@family(
    paper=ZAGORUYKO_2016,
    variants={f"wrn_{depth}_{widen}": {"depth": depth, "widen": widen} for depth, widen in CIFAR},
    input=(3, 32, 32),
    classes=10,
    published={
        f"wrn_{depth}_{widen}": PaperFigures(params_m=params, note=f"CIFAR-10 test error {error}")
        for (depth, widen), (params, error) in CIFAR.items()
    },
)
def wide_resnet_cifar(
    image: Tensor, classes: Dim, *, depth: int, widen: Dim, drop: float = 0.0, excite: Excite = unchanged
) -> Tensor:
    """6n + 4 layers: a 3x3 convolution, three stages of n blocks at 16k, 32k, 64k maps (table 1)."""
    x = conv(image, 16, 3, bias=False)
    for stage in range(3):
        for i in range((depth - 4) // 6):
            with scope(f"layer{stage + 1}.{i}"):
                stride = 2 if i == 0 and stage else 1
                x = preactivated(x, 16 * 2**stage * widen, stride, drop=drop, excite=excite)
    return linear(global_avg_pool(relu(batch_norm(x, name="norm"))), classes, name="fc")
