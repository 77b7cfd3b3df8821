"""Evaluation preprocessing as data: what happens to a decoded image before the network's first layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Interpolation = Literal["nearest", "bilinear", "bicubic"]
Order = Literal["RGB", "BGR"]


@dataclass(frozen=True)
class Preprocess:
    """From a decoded uint8 RGB image (H, W, 3) of any size to a float32 tensor (C, H, W).

    In this order: one channel by luma if `channels` is 1 (ITU-R 601, as Pillow's "L"); the shorter side
    resized to `resize` pixels with antialiasing (or both sides to an exact (height, width)); the centre
    `crop` (height, width) cut out; values divided by 255; `mean` subtracted and divided by `std`, by channel. Three
    channels go in as `order` says (networks that Caffe trained take blue first), and `mean` and `std` with them.

    Training, evaluation, prediction and the exported graph all run this one description.
    """

    channels: int
    crop: tuple[int, int]
    resize: int | tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Interpolation = "bilinear"
    order: Order = "RGB"

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
        )

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) that an image of this size has after the resize and before the crop."""
        if isinstance(self.resize, tuple):
            return self.resize
        short, long = min(height, width), max(height, width)
        longer = max(self.resize, int(self.resize * long / short))
        return (self.resize, longer) if height <= width else (longer, self.resize)
