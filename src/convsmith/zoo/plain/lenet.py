"""LeNet: the convolutional networks that read digits."""

from __future__ import annotations

from convsmith.network.builder import (
    Tensor,
    activation,
    affine,
    avg_pool,
    conv,
    flatten,
    linear,
    max_pool,
    radial_basis,
    relu,
    table_conv,
)
from convsmith.network.dims import Dim
from convsmith.network.init import GLOROT, HE_FAN_IN
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

LECUN_1998 = Paper(
    "Gradient-based learning applied to document recognition",
    "LeCun, Bottou, Bengio, Haffner",
    1998,
    "Proc. IEEE 86(11), 2278-2324",
    "Shared local weights and subsampling, trained end to end by gradients, read digits without hand-made features.",
    month=11,
)
HAN_2016 = Paper(
    "Deep Compression",
    "Han, Mao, Dally",
    2016,
    "arXiv 1510.00149",
    "Pruning, shared weights and Huffman coding together make networks 35 to 49 times smaller.",
    month=5,
)

WIDTHS_1998 = "120 and 84 units are the paper's; 84 is a bitmap of 7x12, the code of a character (section II.B)"
DENSE_1998 = "of the time before global average pooling; 60,000 digits suffice for so few parameters"
CAFFE_WIDTHS = "20, 50 and 500 are Caffe's; on digits of 28x28 no layer is large enough for it to matter"

# Table I of the paper: which of S2's six maps each of C3's sixteen maps sees.
C3_TABLE = (
    *(tuple(sorted((i + j) % 6 for j in range(3))) for i in range(6)),
    *(tuple(sorted((i + j) % 6 for j in range(4))) for i in range(6)),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)


@family(
    paper=LECUN_1998,
    variants={"lenet5": {}},
    departures={"*": {"CS202": WIDTHS_1998, "CS302": WIDTHS_1998, "CS304": DENSE_1998}},
    input=(1, 32, 32),
    classes=10,
    published={"lenet5": PaperFigures(note="rectifiers and max pooling, as it is taught today; 99.3% on MNIST")},
)
def lenet5(image: Tensor, classes: Dim) -> Tensor:
    """LeNet-5 as it is taught: two 5x5 convolutions, each pooled, and three dense layers."""
    x = max_pool(relu(conv(image, 6, 5, padding=(0, 0, 0, 0), init=HE_FAN_IN)), 2)
    x = max_pool(relu(conv(x, 16, 5, padding=(0, 0, 0, 0), init=HE_FAN_IN)), 2)
    x = relu(linear(x, 120, init=HE_FAN_IN))
    x = relu(linear(x, 84, init=HE_FAN_IN))
    return linear(x, classes)


@family(
    paper=LECUN_1998,
    flagship="lenet5_1998",
    variants={"lenet5_1998": {}},
    departures={"*": {"CS202": WIDTHS_1998}},
    input=(1, 32, 32),
    classes=10,
    published={
        "lenet5_1998": PaperFigures(
            note="S2 and S4 average where the paper sums: the trainable coefficient takes up the factor 4; "
            "the output codes are random signs, one of the two choices that section II.B names"
        )
    },
)
def lenet5_1998(image: Tensor, classes: Dim) -> Tensor:
    """The original, with the paper's names for its layers (section II.B, figure 2)."""
    x = squash(conv(image, 6, 5, padding=(0, 0, 0, 0), init=GLOROT, name="C1"))
    x = squash(affine(avg_pool(x, 2), name="S2"))
    x = squash(table_conv(x, C3_TABLE, 5, init=GLOROT, name="C3"))
    x = squash(affine(avg_pool(x, 2), name="S4"))
    x = squash(conv(x, 120, 5, padding=(0, 0, 0, 0), init=GLOROT, name="C5"))
    x = squash(linear(flatten(x), 84, init=GLOROT, name="F6"))
    return radial_basis(x, classes, name="output")


def squash(x: Tensor) -> Tensor:
    return activation(x, "scaled_tanh")


@family(
    paper=HAN_2016,
    flagship="lenet5_caffe",
    variants={"lenet5_caffe": {}},
    departures={
        "*": {
            "CS202": CAFFE_WIDTHS,
            "CS304": DENSE_1998,
            "CS504": "Caffe's example has none there: max pooling is all that bends its convolutions' output",
        }
    },
    input=(1, 28, 28),
    classes=10,
    published={"lenet5_caffe": PaperFigures(params_m=0.431, note="Deep Compression, table 1 calls it LeNet-5")},
)
def lenet5_caffe(image: Tensor, classes: Dim) -> Tensor:
    """Caffe's LeNet, 20-50-500: no activation between convolution and pooling."""
    x = max_pool(conv(image, 20, 5, padding=(0, 0, 0, 0), init=GLOROT), 2)
    x = max_pool(conv(x, 50, 5, padding=(0, 0, 0, 0), init=GLOROT), 2)
    x = relu(linear(x, 500, init=GLOROT))
    return linear(x, classes, init=GLOROT)


@family(
    paper=HAN_2016,
    variants={"lenet_300_100": {}},
    departures={
        "*": {
            "CS202": "its name says its widths, 300 and 100 (LeCun et al. 1998, section III.C)",
            "CS302": "its name says its widths, 300 and 100 (LeCun et al. 1998, section III.C)",
            "CS304": "it has dense layers only: what convolutions are compared with",
        }
    },
    input=(1, 28, 28),
    classes=10,
    published={"lenet_300_100": PaperFigures(params_m=0.267)},
)
def lenet_300_100(image: Tensor, classes: Dim) -> Tensor:
    """Two hidden dense layers, of 300 and 100: no convolution at all."""
    x = relu(linear(image, 300, init=HE_FAN_IN))
    x = relu(linear(x, 100, init=HE_FAN_IN))
    return linear(x, classes)
