"""U-Net: channels that grow on the way down and shrink again on the way up, one class score for each pixel."""

from __future__ import annotations

from convsmith.network import dims
from convsmith.network.builder import Tensor, concat, conv, conv_transpose, dropout, max_pool, pad, relu, scope
from convsmith.network.dims import Dim
from convsmith.network.init import HE_FAN_IN
from convsmith.network.ops.window import NONE, Padding
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

RONNEBERGER_2015 = Paper(
    "U-Net: convolutional networks for biomedical image segmentation",
    "Ronneberger, Fischer, Brox",
    2015,
    "arXiv 1505.04597",
    "A decoder as deep as the encoder, joined to it level by level, segments images after training on a few.",
    month=5,
)

DEPTH = 4


def double(x: Tensor, maps: Dim, padding: Padding | None) -> Tensor:
    """Two 3x3 convolutions with rectifiers."""
    for _ in range(2):
        x = relu(conv(x, maps, 3, padding=padding, init=HE_FAN_IN))
    return x


def crop(x: Tensor, like: Tensor) -> Tensor:
    """The centre of a map, as large as the other, whose border valid convolutions have removed."""
    if dims.equal(x.shape[1:], like.shape[1:]):
        return x
    height, width = (a - b for a, b in zip(x.shape[1:], like.shape[1:], strict=True))
    return pad(x, (-(height // 2), height // 2 - height, -(width // 2), width // 2 - width))


@family(
    paper=RONNEBERGER_2015,
    flagship="unet",
    variants={"unet": {}, "unet_padded": {"padding": None}},
    input=(1, 572, 572),
    inputs={"unet_padded": (1, 512, 512)},
    classes=2,
    published={
        "unet": PaperFigures(note="valid convolutions and cropping: 572x572 give scores of 388x388; 23 convolutions"),
        "unet_padded": PaperFigures(
            note="as it is used today: zero padding, so that scores are as large as an input whose sides are multiples "
            "of 16; otherwise the last odd row and column are cut away"
        ),
    },
)
def unet(image: Tensor, classes: Dim, *, maps: int = 64, padding: Padding | None = NONE) -> Tensor:
    """Four levels down, four up, scores (classes, H, W) (fig. 1). `padding` None keeps each convolution's size."""
    x, levels = image, []
    for level in range(DEPTH + 1):
        with scope(f"down.{level}"):
            x = double(max_pool(x, 2) if level else x, maps * 2**level, padding)
            x = dropout(x) if level >= DEPTH - 1 else x  # section 3.1: at the end of the contracting path
        levels.append(x)
    for level in reversed(range(DEPTH)):
        with scope(f"up.{level}"):
            x = conv_transpose(x, maps * 2**level, 2, 2)
            x = double(concat(crop(levels[level], x), x), maps * 2**level, padding)
    return conv(x, classes, 1, init=HE_FAN_IN, name="scores")
