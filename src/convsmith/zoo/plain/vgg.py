"""VGG: nothing but 3x3 convolutions, deeper and deeper."""

from __future__ import annotations

from collections.abc import Sequence

from convsmith.network.builder import (
    Tensor,
    adaptive_avg_pool,
    batch_norm,
    conv,
    dropout,
    linear,
    local_response_norm,
    max_pool,
    relu,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.network.init import Init
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

SIMONYAN_2014 = Paper(
    "Very deep convolutional networks for large-scale image recognition",
    "Simonyan, Zisserman",
    2014,
    "arXiv 1409.1556",
    "Stacks of 3x3 convolutions see as far as large ones, with fewer weights and more depth.",
    month=9,
)

# Table 1: kernels of each block's convolutions, by column.
A = ((3,), (3,), (3, 3), (3, 3), (3, 3))
B = ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3))
C = ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1))
D = ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
E = ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3))

DENSE_SCALE = "dense evaluation, test scale 256 or 384 (table 3)"
GAUSSIAN = Init("normal", 0.01)

DENSE_OF_THE_TIME = {
    "CS302": "two dense layers of 4,096 units, as the networks of the time had them (section 2.1)",
    "CS304": "of the time before global average pooling was usual; both hidden dense layers have dropout",
}
NO_NORM = "of the time before batch norm: networks deeper than A (11 layers) began with its weights (section 3.1)"
NORM_ADDED = "the norm was added to the paper's convolutions, which have biases; torchvision's weights hold them"
DEPARTURES = {
    "*": DENSE_OF_THE_TIME,
    "*_bn": {"CS401": NORM_ADDED},
    **{name: {"CS402": NO_NORM} for name in ("vgg13", "vgg16_c", "vgg16", "vgg19")},
}


@family(
    paper=SIMONYAN_2014,
    flagship="vgg19",
    departures=DEPARTURES,
    variants={
        "vgg11": {"columns": A},
        "vgg11_lrn": {"columns": A, "norm": "response"},
        "vgg13": {"columns": B},
        "vgg16_c": {"columns": C},
        "vgg16": {"columns": D},
        "vgg19": {"columns": E},
        "vgg11_bn": {"columns": A, "norm": "batch"},
        "vgg13_bn": {"columns": B, "norm": "batch"},
        "vgg16_bn": {"columns": D, "norm": "batch"},
        "vgg19_bn": {"columns": E, "norm": "batch"},
    },
    published={
        "vgg11": PaperFigures(params_m=133, top1=70.4, top5=89.6, protocol=DENSE_SCALE),
        "vgg11_lrn": PaperFigures(params_m=133, top1=70.3, top5=89.5, protocol=DENSE_SCALE),
        "vgg13": PaperFigures(params_m=133, top1=71.3, top5=90.1, protocol=DENSE_SCALE),
        "vgg16_c": PaperFigures(params_m=134, top1=72.7, top5=91.2, protocol=DENSE_SCALE),
        "vgg16": PaperFigures(
            params_m=138,
            top1=74.4,
            top5=91.9,
            protocol=DENSE_SCALE,
            note="553 MB of float32; Deep Compression prints 552 MB",
        ),
        "vgg19": PaperFigures(params_m=144, gmacs=19.6, top1=74.5, top5=92.0, protocol=DENSE_SCALE),
    },
)
def vgg(image: Tensor, classes: Dim, *, columns: Sequence[Sequence[int]], norm: str = "none") -> Tensor:
    """Five blocks of convolutions, 64 to 512 maps, each halved by max pooling; three dense layers (table 1)."""
    x = image
    for block, kernels in enumerate(columns):
        with scope(f"block{block + 1}"):
            for i, kernel in enumerate(kernels):
                x = conv(x, min(64 * 2**block, 512), kernel)
                if norm == "batch":
                    x = batch_norm(x)
                x = relu(x)
                if norm == "response" and block == 0 and i == 0:
                    x = local_response_norm(x)
            x = max_pool(x, 2)
    x = adaptive_avg_pool(x, 7)
    x = dropout(relu(linear(x, 4096, init=GAUSSIAN, name="fc6")))
    x = dropout(relu(linear(x, 4096, init=GAUSSIAN, name="fc7")))
    return linear(x, classes, init=GAUSSIAN, name="fc8")
