"""How an image is looked at in evaluation: which sizes, which crops of them, and how the answers are averaged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from convsmith import records
from convsmith.errors import UnknownNameError, UsageError
from convsmith.network.preprocess import Framing, Interpolation, Preprocess

Squares = Literal["none", "centre", "three"]
"""What crops are taken from: the resized image, its middle square, or the squares at its ends and in its middle."""

Average = Literal["probabilities", "logits"]
CORNERS = 5
"""Crops: the four corners and the centre."""


@dataclass(frozen=True)
class Protocol:
    """The views of an image that a network answers, and the mean that is taken of its answers.

    In this order: the image is resized to each of `sizes` (pixels of the shorter side, or of both where it is squashed)
    with `interpolation`; of that, `squares` are cut out; of each, `crops` of the network's input `crop` (height, width)
    are taken: 1 at the centre, 5 at the corners and the centre, or a square number on a grid from edge to edge; with
    `whole`, the square itself, resized to the crop, is one more; `mirrored` adds each again from right to left. The
    answer is the mean of the views' probabilities, or of their logits.

    Raises UsageError for a crop larger than a size, and for a number of crops that has no places.
    """

    name: str
    crop: tuple[int, int]
    sizes: tuple[int | tuple[int, int], ...]
    framing: Framing = "crop"
    interpolation: Interpolation = "bilinear"
    squares: Squares = "none"
    crops: int = 1
    whole: bool = False
    mirrored: bool = False
    average: Average = "probabilities"

    def __post_init__(self) -> None:
        for size in self.sizes:
            height, width = size if isinstance(size, tuple) else (size, size)
            if self.crop[0] > height or self.crop[1] > width:
                raise UsageError(
                    f"crops of {self.crop[0]}x{self.crop[1]} cannot be taken of images of {height}x{width}",
                    settings="resize",
                )
        if self.crops < 1 or (self.crops != CORNERS and math.isqrt(self.crops) ** 2 != self.crops):
            raise UsageError(
                f"must be 1 (the centre), 5 (the corners too) or a square number (a grid), not {self.crops}",
                settings="crops",
            )

    @property
    def views(self) -> int:
        """Of an image; 144 in GoogLeNet's protocol."""
        squares = 3 if self.squares == "three" else 1
        return len(self.sizes) * squares * (self.crops + self.whole) * (2 if self.mirrored else 1)

    @property
    def single(self) -> bool:
        """Whether there is one view of an image, at its centre."""
        return self.views == 1 and self.squares == "none"

    @classmethod
    def own(cls, preprocess: Preprocess) -> Self:
        """One view: the model's own preprocessing."""
        size = preprocess.resize
        return cls("own", preprocess.crop, (size,), preprocess.framing, preprocess.interpolation)

    def preprocess(self, own: Preprocess) -> Preprocess:
        """The model's preprocessing with the single view of this protocol."""
        if self.framing == "pad":
            return replace(own, resize=self.sizes[0], interpolation=self.interpolation)
        return replace(own, resize=self.sizes[0], interpolation=self.interpolation, pad=None)

    def to_json(self) -> dict[str, Any]:
        return {**records.to_json(self), "views": self.views}

    def __str__(self) -> str:
        sizes = ", ".join("x".join(map(str, size)) if isinstance(size, tuple) else str(size) for size in self.sizes)
        how = {"crop": "shorter side", "squash": "squashed to", "pad": "padded to"}[self.framing]
        squares = {
            "none": "",
            "centre": " of the middle square",
            "three": " of the squares at both ends and the middle",
        }
        places = {1: "the centre", CORNERS: "the corners and the centre"}.get(
            self.crops, f"a grid of {self.crops} places"
        )
        crop = f"{self.crop[0]}x{self.crop[1]} at {places}{squares[self.squares]}"
        whole = ", and the squares whole" if self.whole else ""
        text = f"{self.name}: {how} {sizes} ({self.interpolation}), {crop}{whole}"
        if self.mirrored:
            text += ", each mirrored too"
        return text if self.views == 1 else f"{text}; {self.views} views, mean of {self.average}"


def _of(crop: tuple[int, int], *ratios: float) -> tuple[int, ...]:
    return tuple(max(*crop, round(ratio * max(crop))) for ratio in ratios)


def _torchvision(crop: tuple[int, int]) -> Protocol:
    """torchvision's reference transforms: resize 256, centre crop 224, bilinear."""
    return Protocol("torchvision", crop, _of(crop, 256 / 224))


def _timm(crop: tuple[int, int]) -> Protocol:
    """timm's default: crop_pct 0.875, bicubic."""
    return Protocol("timm", crop, (max(*crop, math.floor(max(crop) / 0.875)),), interpolation="bicubic")


def _keras(crop: tuple[int, int]) -> Protocol:
    """Keras' `load_img(target_size=...)`: squashed to the input, nearest."""
    return Protocol("keras", crop, (crop,), framing="squash", interpolation="nearest")


def _caffe(crop: tuple[int, int]) -> Protocol:
    """Caffe's `oversample`: the image squashed to 256x256, ten crops of 227."""
    side = _of(crop, 256 / 227)[0]
    return Protocol("caffe-10-crop", crop, ((side, side),), framing="squash", crops=CORNERS, mirrored=True)


def _alexnet(crop: tuple[int, int]) -> Protocol:
    """Krizhevsky et al. 2012, sections 2 and 4.1: ten crops of 224 of the middle 256x256, mean of the softmax."""
    sizes = _of(crop, 256 / 224)
    return Protocol("alexnet", crop, sizes, squares="centre", crops=CORNERS, mirrored=True)


def _ten_crop(crop: tuple[int, int]) -> Protocol:
    """He et al. 2015, section 4.1, table 3: the shorter side 256, standard ten crops of 224."""
    return Protocol("resnet-10-crop", crop, _of(crop, 256 / 224), crops=CORNERS, mirrored=True)


def _googlenet(crop: tuple[int, int]) -> Protocol:
    """Szegedy et al. 2014, section 7: 4 sizes, 3 squares, 6 views of each, mirrored: 144, mean of the softmax."""
    sizes = _of(crop, 256 / 224, 288 / 224, 320 / 224, 352 / 224)
    return Protocol("googlenet-144", crop, sizes, squares="three", crops=CORNERS, whole=True, mirrored=True)


NAMED: dict[str, Callable[[tuple[int, int]], Protocol]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "keras": _keras,
    "caffe-10-crop": _caffe,
    "alexnet": _alexnet,
    "resnet-10-crop": _ten_crop,
    "googlenet-144": _googlenet,
}
"""The field's protocols, for an input of any size: sizes are in the proportion that the source has them."""


def protocol_named(name: str, preprocess: Preprocess) -> Protocol:
    """A protocol by name for a model's preprocessing; "own" is that itself. Raises UnknownNameError."""
    if name == "own":
        return Protocol.own(preprocess)
    if name not in NAMED:
        raise UnknownNameError("protocol", name, ("own", *NAMED))
    return NAMED[name](preprocess.crop)


def changed(
    protocol: Protocol,
    *,
    sizes: Sequence[int] = (),
    crops: int | None = None,
    mirrored: bool | None = None,
    interpolation: Interpolation | None = None,
    average: Average | None = None,
) -> Protocol:
    """A protocol in which what is given is different; called "custom" then. Raises as `Protocol` does."""
    given: dict[str, Any] = {"crops": crops, "mirrored": mirrored, "interpolation": interpolation, "average": average}
    if sizes:
        squashed = protocol.framing == "squash"
        given["sizes"] = tuple((size, size) if squashed else size for size in sizes)
    new = {name: value for name, value in given.items() if value is not None}
    if not new:
        return protocol
    if protocol.framing == "pad" and replace(protocol, **new).views > 1:
        raise UsageError("padded images are looked at whole; name a protocol that crops", settings="crops")
    return replace(protocol, name="custom" if protocol.name == "own" else f"{protocol.name}, changed", **new)
