"""AlexNet: the network that won ILSVRC 2012, and its single-tower successor."""

from __future__ import annotations

from convsmith.network.builder import (
    Tensor,
    adaptive_avg_pool,
    conv,
    dropout,
    linear,
    local_response_norm,
    max_pool,
    relu,
)
from convsmith.network.dims import Dim
from convsmith.network.init import LECUN, ONES, Init
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

KRIZHEVSKY_2012 = Paper(
    "ImageNet classification with deep convolutional neural networks",
    "Krizhevsky, Sutskever, Hinton",
    2012,
    "NIPS 25",
    "Rectifiers, dropout and two GPUs made a deep network win ImageNet by ten points.",
    month=12,
)
KRIZHEVSKY_2014 = Paper(
    "One weird trick for parallelizing convolutional neural networks",
    "Krizhevsky",
    2014,
    "arXiv 1404.5997",
    "One tower, split over GPUs by data in convolutions and by model in dense layers.",
    month=4,
)

GAUSSIAN = Init("normal", 0.01)  # 2012, section 5: zero mean, deviation 0.01; biases 1 in conv 2, 4, 5 and hidden dense


DENSE_TIMES = (
    "of the time before global average pooling (Lin et al. 2013); both hidden layers have dropout, without which the "
    "network overfits (section 4.2 of the paper of 2012)"
)
NARROWER = (
    "the width was set by two GPUs of 3 GB; five convolutions, of which the last three, unpooled, narrow to what the "
    "dense layers take"
)


@family(
    paper=KRIZHEVSKY_2012,
    flagship="alexnet",
    departures={"*": {"CS201": NARROWER, "CS304": DENSE_TIMES}},
    variants={"alexnet": {}},
    input=(3, 227, 227),
    published={
        "alexnet": PaperFigures(
            params_m=60,
            top1=59.3,
            top5=81.8,
            protocol="ten crops, one network",
            deviations={"params_m": "the paper says 60 million for 60.97 million: truncated rather than rounded"},
            note="the paper prints an input of 224, its 55x55 maps need 227; it prints 253,440 units in layer 1, "
            "its 55x55x96 are 290,400",
        )
    },
)
def alexnet(image: Tensor, classes: Dim) -> Tensor:
    """Two towers as grouped convolutions, response normalisation, overlapping pooling (figure 2)."""
    x = relu(conv(image, 96, 11, 4, padding=(0, 0, 0, 0), init=GAUSSIAN, name="conv1"))
    x = max_pool(local_response_norm(x), 3, 2)
    x = relu(conv(x, 256, 5, groups=2, init=GAUSSIAN, bias=ONES, name="conv2"))
    x = max_pool(local_response_norm(x), 3, 2)
    x = relu(conv(x, 384, 3, init=GAUSSIAN, name="conv3"))
    x = relu(conv(x, 384, 3, groups=2, init=GAUSSIAN, bias=ONES, name="conv4"))
    x = relu(conv(x, 256, 3, groups=2, init=GAUSSIAN, bias=ONES, name="conv5"))
    x = max_pool(x, 3, 2)
    x = dropout(relu(linear(x, 4096, init=GAUSSIAN, bias=ONES, name="fc6")))
    x = dropout(relu(linear(x, 4096, init=GAUSSIAN, bias=ONES, name="fc7")))
    return linear(x, classes, init=GAUSSIAN, name="fc8")


@family(
    paper=KRIZHEVSKY_2014,
    flagship="alexnet_2014",
    departures={"*": {"CS201": NARROWER, "CS304": DENSE_TIMES}},
    variants={"alexnet_2014": {}},
    published={"alexnet_2014": PaperFigures(note="what other libraries call AlexNet; they have 256 maps in conv4")},
)
def alexnet_2014(image: Tensor, classes: Dim) -> Tensor:
    """One tower, no normalisation: 64-192-384-256-256 maps."""
    x = image
    for channels, kernel, stride, pooled in (
        (64, 11, 4, True),
        (192, 5, 1, True),
        (384, 3, 1, False),
        (256, 3, 1, False),
        (256, 3, 1, True),
    ):
        padding = (2, 2, 2, 2) if kernel == 11 else None
        x = relu(conv(x, channels, kernel, stride, padding=padding, init=LECUN))
        x = max_pool(x, 3, 2) if pooled else x
    x = adaptive_avg_pool(x, 6)
    x = relu(linear(dropout(x), 4096, name="fc6"))
    x = relu(linear(dropout(x), 4096, name="fc7"))
    return linear(x, classes, name="fc8")
