"""Modules that cannot be read, and the line that each must bring. The places are lines of this file."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

SHAPE = (3, 16, 16)


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 5)

    def head(self, x):
        return self.fc(x.mean((2, 3)))


class Condition(Base):
    def forward(self, x):
        x = self.conv(x)
        if x.sum() > 0:  # place
            x = x + 1
        return self.head(x)


class Item(Base):
    def forward(self, x):
        n = int(x.max().item())  # place
        return self.head(self.conv(x)[:, : n + 1].expand(-1, 8, -1, -1))


class Numpy(Base):
    def forward(self, x):
        y = torch.from_numpy(self.conv(x).detach().numpy())  # place
        return self.head(y)


class Fourier(Base):
    def forward(self, x):
        y = torch.fft.rfft2(self.conv(x))  # place
        return self.head(y.abs())


class Sort(Base):
    def forward(self, x):
        return self.head(torch.sort(self.conv(x), dim=1).values)  # place


class BatchStatistics(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8, track_running_stats=False)

    def forward(self, x):
        return self.bn(self.conv(x)).mean((2, 3))  # place


class AcrossImages(Base):
    def forward(self, x):
        x = self.conv(x)
        return self.head(x - x.mean(0, keepdim=True))  # place


class Noisy(Base):
    def forward(self, x):
        return self.head(self.conv(x) + torch.rand(8, 1, 1))  # place


class Cumulative(Base):
    def forward(self, x):
        return self.head(torch.cumsum(self.conv(x), dim=2))  # place


class DynamicKernel(Base):
    def forward(self, x):
        y = self.conv(x)
        kernel = y.mean((0, 2, 3)).view(8, 1, 1, 1)  # place
        return self.head(F.conv2d(y, kernel, groups=8))


class ThreeDimensional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 4, 3)

    def forward(self, x):
        return self.conv(x.unsqueeze(1)).mean((2, 3, 4))  # place


class Classes(Base):
    def forward(self, x):
        return self.head(self.conv(x)).argmax(1)


class Loss(Base):
    def forward(self, x):
        return self.head(self.conv(x)).sum()


class Sequence(Base):
    def forward(self, x):
        return self.conv(x).flatten(2)


class Constant(Base):
    def forward(self, x):
        return torch.zeros(x.shape[0], 5)


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)

    def forward(self, x):
        return self.embedding(x).mean(1)  # place


class Nothing(Base):
    def forward(self, x):
        return None


class NoForward(Base):
    pass


class TwoInputs(Base):
    def forward(self, x, y):
        return self.head(self.conv(x + y))


class Identity(nn.Module):
    def forward(self, x):
        return x


class Meta(Base):
    def __init__(self) -> None:
        super().__init__()
        self.to("meta")

    def forward(self, x):
        return self.head(self.conv(x))


class Grey(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3))

    def forward(self, x):
        return self.stem(x).mean((2, 3))  # place


class Counting(Base):
    """Answers differently every time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.head(self.conv(x)) * self.calls


REFUSALS: dict[type[nn.Module] | Callable[[], nn.Module], str] = {
    Condition: r"depends on the values of the image, not only on its size; write the condition as arithmetic",
    Item: "what Item computes depends on the values of the image",
    Numpy: r"torch.export cannot follow Numpy: .*numpy.*; compute with torch tensors only",
    Fourier: r"cannot read torch's _fft_r2c",
    Sort: "cannot read torch's sort",
    BatchStatistics: r"\(bn\): cannot read batch norm without running statistics.*; set track_running_stats=True",
    AcrossImages: "cannot read a mean over the images of a batch",
    Noisy: "cannot read random numbers that are drawn in evaluation too",
    Cumulative: "cannot read torch's cumsum",
    DynamicKernel: "cannot read a mean over the images of a batch",
    ThreeDimensional: r"cannot read a convolution over 3 axes; convolutions are over height and width",
    Classes: "the output is torch.int64, not class scores; return the scores themselves",
    Loss: r"the output is \[\] for 2 images: not class scores",
    Sequence: r"the output is \[2, 8, 256\] for 2 images: not class scores",
    Constant: "the output does not depend on the image",
    Words: "Words cannot take images 3x16x16: .*; embedding takes integers: this is no network for images",
    Nothing: "Nothing returns no tensor",
    NoForward: r"NoForward has no forward\(\)",
    TwoInputs: r"TwoInputs cannot take images 3x16x16: .*missing 1 required positional argument: 'y'",
    Identity: r"the output is \[2, 3, 16, 16\]|returns its input as it is",
    Meta: "Meta is on the meta device: it has no weights",
    Grey: "Grey cannot take images 3x16x16: .*; its first convolution, stem.0, takes 1 channels",
    Counting: "Counting was read, but its outputs differ from the original's",
}
