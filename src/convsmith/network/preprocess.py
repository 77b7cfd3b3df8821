"""Evaluation preprocessing as data: what happens to a decoded image before the network's first layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

Interpolation = Literal["nearest", "bilinear", "bicubic"]
Order = Literal["RGB", "BGR"]
Framing = Literal["crop", "squash", "pad"]
"""How a picture of any shape becomes one of the network's: its ends cut off, its sides stretched, or a border added."""

Colour = tuple[float, float, float]
"""Red, green and blue, from 0 to 1."""


@dataclass(frozen=True)
class Preprocess:
    """From a decoded uint8 RGB image (H, W, 3) of any size to a float32 tensor (C, H, W).

    In this order: one channel by luma if `channels` is 1 (ITU-R 601, as Pillow's "L"); the resize, with antialiasing;
    the centre `crop` (height, width) cut out; values divided by 255; `mean` subtracted and divided by `std`, by
    channel. Three channels go in as `order` says (networks that Caffe trained take blue first), and `mean` and `std`
    with them.

    The resize decides what of a picture is seen, its `framing`:

    - "crop": the shorter side becomes `resize` pixels, and the crop cuts off what is longer.
    - "squash": both sides become `resize`, an exact (height, width), whatever the picture's proportions.
    - "pad": with the colour `pad`, a picture is resized until it fits into `resize` (a side, or (height, width)), and
      stands in the middle of a ground of that colour. Of half a pixel, the smaller border is above and on the left.

    Training, evaluation, prediction and the exported graph all run this one description.
    """

    channels: int
    crop: tuple[int, int]
    resize: int | tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Interpolation = "bilinear"
    order: Order = "RGB"
    pad: Colour | None = None

    @property
    def framing(self) -> Framing:
        if self.pad is not None:
            return "pad"
        return "squash" if isinstance(self.resize, tuple) else "crop"

    def framed(self, framing: Framing) -> Self:
        """The same with another framing. A squashed or padded picture is seen whole; the ground is the mean colour."""
        if framing == self.framing:
            return self
        if framing == "crop":
            return replace(self, resize=max(self.crop), pad=None)
        return replace(self, resize=self.crop, pad=self._mean_colour() if framing == "pad" else None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        resize = data["resize"]
        return cls(
            channels=int(data["channels"]),
            crop=(int(data["crop"][0]), int(data["crop"][1])),
            resize=int(resize) if isinstance(resize, int) else (int(resize[0]), int(resize[1])),
            mean=tuple(float(v) for v in data["mean"]),
            std=tuple(float(v) for v in data["std"]),
            interpolation=data["interpolation"],
            order=data.get("order", "RGB"),
            pad=_colour(data.get("pad")),
        )

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) that an image of this size is resized to, before any border and the crop."""
        if self.pad is not None:
            box_height, box_width = self.box
            fitting = min(box_height, height * box_width // width), min(box_width, width * box_height // height)
            return max(1, fitting[0]), max(1, fitting[1])
        if isinstance(self.resize, tuple):
            return self.resize
        short, long = min(height, width), max(height, width)
        longer = max(self.resize, int(self.resize * long / short))
        return (self.resize, longer) if height <= width else (longer, self.resize)

    @property
    def box(self) -> tuple[int, int]:
        """`resize` as (height, width): what an image has at least after the resize, and exactly if it is padded."""
        return self.resize if isinstance(self.resize, tuple) else (self.resize, self.resize)

    def seen(self, height: int, width: int) -> float:
        """The share of the area of an image of this size that the crop leaves."""
        rows, columns = self.resized(height, width)
        return min(1.0, self.crop[0] / rows) * min(1.0, self.crop[1] / columns)

    def _mean_colour(self) -> Colour:
        mean = self.mean if len(self.mean) == 3 else (sum(self.mean) / len(self.mean),) * 3
        red, green, blue = mean if self.order == "RGB" else mean[::-1]
        return red, green, blue


def _colour(values: Any) -> Colour | None:
    if values is None:
        return None
    red, green, blue = values
    return float(red), float(green), float(blue)
