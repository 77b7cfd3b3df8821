"""Classifiers in other people's styles, each small: what `read` must be able to read.

Every class takes no arguments; `shape` is the image that it takes, (3, 32, 32) unless it says otherwise.
"""

from __future__ import annotations

import math
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import Tensor, nn

CLASSES = 10


def sequential() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, stride=2, bias=False), nn.GroupNorm(4, 12), nn.LeakyReLU(0.1), nn.Dropout2d(0.1),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(48, CLASSES),
    )  # fmt: skip


def named_sequential() -> nn.Module:
    stem = nn.Sequential(
        OrderedDict(conv=nn.Conv2d(3, 8, 5, 2, 2), norm=nn.InstanceNorm2d(8, affine=True), act=nn.ELU())
    )
    head = nn.Sequential(
        OrderedDict(pool=nn.AvgPool2d(4, ceil_mode=True), flat=nn.Flatten(1), fc=nn.LazyLinear(CLASSES))
    )
    model = nn.Sequential(OrderedDict(stem=stem, head=head))
    model(torch.zeros(1, 3, 32, 32))
    return model


class Functional(nn.Module):
    """LeNet as PyTorch's tutorial writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.dropout(x, 0.3, training=self.training)
        x = F.relu(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=1)

    def num_flat_features(self, x):
        size = x.size()[1:]
        num_features = 1
        for s in size:
            num_features *= s
        return num_features


class BareParameters(nn.Module):
    """No layers at all: parameters and functions."""

    def __init__(self) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(8, 3, 3, 3) * 0.1)
        self.b1 = nn.Parameter(torch.randn(8))
        self.gain = nn.Parameter(torch.rand(8))
        self.bias = nn.Parameter(torch.rand(1, 8, 1, 1))
        self.temperature = nn.Parameter(torch.tensor(1.5))
        self.out = nn.Parameter(torch.randn(8, CLASSES))

    def forward(self, x):
        x = F.conv2d(x, self.w1, self.b1, stride=2, padding=(1, 1))
        x = torch.tanh(x) * self.gain[:, None, None] + self.bias
        x = x.mean([2, 3])
        return x @ self.out / self.temperature


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class NestedResNet(nn.Module):
    """Stages in loops over ModuleList, a residual stream that is added to in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.stages = nn.ModuleList(
            nn.ModuleList([BasicBlock(c, d, s), BasicBlock(d, d, 1)]) for c, d, s in ((8, 8, 1), (8, 16, 2))
        )
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return self.head(F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0])


class SharedLayers(nn.Module):
    """One convolution applied three times, one activation everywhere, two heads tied."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Conv2d(8, 8, 3, padding=1)
        self.act = nn.SiLU()
        self.head1, self.head2 = nn.Linear(8, CLASSES, bias=False), nn.Linear(8, CLASSES, bias=False)
        self.head2.weight = self.head1.weight

    def forward(self, x):
        x = self.act(self.stem(x))
        for _ in range(3):
            x = self.act(self.body(x)) + x
        a, b = torch.amax(x, dim=(2, 3)), torch.mean(x, dim=(2, 3))
        return self.head1(a) + self.head2(b)


class SqueezeExcite(nn.Module):
    """Gates by Linear, with view and expand_as, as the original repository has them."""

    def __init__(self, channels, reduction=4):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False), nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels, bias=False), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)


class CBAM(nn.Module):
    """Channel gate from mean and max, then a gate for positions from both over the channels (Woo et al. 2018)."""

    def __init__(self, channels):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1), nn.ReLU(), nn.Conv2d(channels // 4, channels, 1)
        )
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        gate = self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))
        x = x * torch.sigmoid(gate)
        mean, (largest, _) = torch.mean(x, 1, keepdim=True), torch.max(x, dim=1, keepdim=True)
        return x * torch.sigmoid(self.conv(torch.cat([mean, largest], dim=1)))


class ECA(nn.Module):
    """A one-dimensional convolution over the channels (Wang et al. 2020)."""

    def __init__(self, k=3):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv1d(1, 1, kernel_size=k, padding=(k - 1) // 2, bias=False)

    def forward(self, x):
        y = self.avg_pool(x)
        y = self.conv(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * y.sigmoid().expand_as(x)


class CoordinateAttention(nn.Module):
    """Gates for rows and for columns (Hou et al. 2021)."""

    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, 4, 1), nn.BatchNorm2d(4)
        self.conv_h, self.conv_w = nn.Conv2d(4, channels, 1), nn.Conv2d(4, channels, 1)
        self.pool_h, self.pool_w = nn.AdaptiveAvgPool2d((None, 1)), nn.AdaptiveAvgPool2d((1, None))

    def forward(self, x):
        _, _, h, w = x.size()
        y = torch.cat([self.pool_h(x), self.pool_w(x).permute(0, 1, 3, 2)], dim=2)
        y = F.hardswish(self.bn1(self.conv1(y)))
        y_h, y_w = torch.split(y, [h, w], dim=2)
        return x * self.conv_h(y_h).sigmoid() * self.conv_w(y_w.permute(0, 1, 3, 2)).sigmoid()


class Gates(nn.Module):
    def __init__(self, gate: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.gate = gate()
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x):
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.gate(self.conv(x)), (1, 1)), 1))


def channel_shuffle(x, groups):
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batch, -1, height, width)


class Shuffle(nn.Module):
    """ShuffleNet V2's block, split by chunk and shuffled by view and transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.branch = nn.Sequential(
            nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Conv2d(8, 8, 1), nn.ReLU()
        )
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x):
        x1, x2 = self.stem(x).chunk(2, dim=1)
        x = channel_shuffle(torch.cat((x1, self.branch(x2)), dim=1), 2)
        x = channel_shuffle(x, 4)
        return self.fc(x.mean(3).mean(2))


class RepVGG(nn.Module):
    """Three branches that are added; the identity is a batch norm (Ding et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.rbr_identity = nn.BatchNorm2d(3)
        self.rbr_dense = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3))
        self.rbr_1x1 = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3))
        self.fc = nn.Linear(3, CLASSES)

    def forward(self, x):
        x = F.relu(self.rbr_dense(x) + self.rbr_1x1(x) + self.rbr_identity(x))
        return self.fc(x.mean((-2, -1)))


class OnlineReparameterised(nn.Module):
    """One convolution whose kernel is put together from branches in every forward."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.point = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 1)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        scale = (self.bn.weight / (self.bn.running_var + self.bn.eps).sqrt()).reshape(-1, 1, 1, 1)
        kernel = (self.dense.weight + F.pad(self.point.weight, [1, 1, 1, 1])) * scale
        bias = self.bn.bias - self.bn.running_mean * scale.flatten() + self.dense.bias
        return self.fc(F.relu(F.conv2d(x, kernel, bias, padding=1)).sum(dim=(2, 3)) / 100)


class LayerNorm(nn.Module):
    """ConvNeXt's own layer norm: over the last axis, or by hand over the channels of (N, C, H, W)."""

    def __init__(self, channels, eps=1e-6, data_format="channels_last"):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(channels)), nn.Parameter(torch.rand(channels))
        self.eps, self.data_format = eps, data_format

    def forward(self, x):
        if self.data_format == "channels_last":
            return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


def drop_path(x, drop_prob: float = 0.0, training: bool = False):
    if drop_prob == 0.0 or not training:
        return x
    keep = 1 - drop_prob
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
    return x * mask.div_(keep)


class DropPath(nn.Module):
    """timm's."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop_path(x, self.drop_prob, self.training)


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = LayerNorm(dim)
        self.pwconv1, self.act, self.pwconv2 = nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(0.1 * torch.rand(dim))
        self.drop_path = DropPath(0.2)

    def forward(self, x):
        shortcut = x
        x = self.dwconv(x).permute(0, 2, 3, 1)
        x = self.pwconv2(self.act(self.pwconv1(self.norm(x))))
        x = (self.gamma * x).permute(0, 3, 1, 2)
        return shortcut + self.drop_path(x)


class ConvNeXt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.downsample = nn.Sequential(nn.Conv2d(3, 8, 4, 4), LayerNorm(8, data_format="channels_first"))
        self.blocks = nn.Sequential(ConvNeXtBlock(8), ConvNeXtBlock(8))
        self.norm, self.head = nn.LayerNorm(8, eps=1e-6), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.blocks(self.downsample(x))
        return self.head(self.norm(x.mean([-2, -1])))


class DenseLayer(nn.Sequential):
    def __init__(self, inputs, growth):
        super().__init__()
        self.add_module("norm1", nn.BatchNorm2d(inputs))
        self.add_module("relu1", nn.ReLU(inplace=True))
        self.add_module("conv1", nn.Conv2d(inputs, growth, kernel_size=3, padding=1, bias=False))

    def forward(self, x):
        return torch.cat([x, super().forward(x)], 1)


class DenseNet(nn.Module):
    """A subclass of Sequential that concatenates; the list of features grows."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), DenseLayer(8, 4), DenseLayer(12, 4))
        self.transition = nn.Conv2d(16, 8, 1)
        self.convs = nn.ModuleList(nn.Conv2d(8 + 4 * i, 4, 1) for i in range(3))
        self.classifier = nn.Linear(20, CLASSES)

    def forward(self, x):
        features = [F.avg_pool2d(self.transition(self.features(x)), 2, 2)]
        for conv in self.convs:
            features.append(conv(torch.cat(features, 1)))
        out = F.relu(torch.cat(features, dim=1), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(out, (1, 1)).view(out.size(0), -1))


class Inception(nn.Module):
    """Four branches, asymmetric kernels, pooling that counts no padding."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 1)
        self.three = nn.Sequential(nn.Conv2d(3, 4, (1, 3), padding=(0, 1)), nn.Conv2d(4, 4, (3, 1), padding=(1, 0)))
        self.five = nn.Conv2d(3, 4, 3, padding=2, dilation=2)
        self.pool = nn.Conv2d(3, 4, 1)
        self.fc = nn.Linear(16 * 16, CLASSES)

    def forward(self, x):
        pooled = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)
        outputs = [self.one(x), self.three(x), self.five(x), self.pool(pooled)]
        x = F.max_pool2d(torch.cat(outputs, 1), 9, 7, padding=1, ceil_mode=False)
        return self.fc(x.flatten(start_dim=1))


class Ghost(nn.Module):
    """Cheap maps beside costly ones, cut to the width by a slice (Han et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.primary = nn.Sequential(nn.Conv2d(3, 7, 1, bias=False), nn.BatchNorm2d(7), nn.ReLU())
        self.cheap = nn.Sequential(nn.Conv2d(7, 7, 3, 1, 1, groups=7, bias=False), nn.BatchNorm2d(7), nn.ReLU())
        self.classifier = nn.Conv2d(13, CLASSES, 1)

    def forward(self, x):
        x1 = self.primary(x)
        x2 = self.cheap(x1)
        out = torch.cat([x1, x2], dim=1)[:, :13, :, :]
        return torch.squeeze(torch.squeeze(self.classifier(F.adaptive_avg_pool2d(out, 1)), -1), -1)


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        hidden = inputs * expand
        self.use_res_connect = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden), nn.Hardswish(),
            nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


def mobilenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), InvertedResidual(8, 8, 1, 2), InvertedResidual(8, 12, 2, 3), nn.Hardsigmoid(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(12, CLASSES), nn.Softmax(dim=-1),
    )  # fmt: skip


class UNetClassifier(nn.Module):
    """Down, up by a transposed convolution and by interpolation, joined, pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.fuse = nn.Conv2d(16 + 16, 8, 1)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        up = F.interpolate(b, size=a.shape[2:], mode="bilinear", align_corners=False)
        y = self.fuse(torch.cat([a, self.up(b), up], 1))
        y = F.interpolate(y, scale_factor=0.5, mode="nearest")
        return self.fc(y.mean(dim=[2, 3]))


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def lambdas() -> nn.Module:
    """fast.ai's style."""
    return nn.Sequential(
        Lambda(lambda x: x.view(-1, 3, 32, 32) * 2 - 1),
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(),
        Lambda(lambda x: F.avg_pool2d(x, x.shape[-1])),
        Lambda(lambda x: x.view(x.size(0), -1)),
        nn.Linear(8, CLASSES), Lambda(partial(torch.mul, other=0.5)),
    )  # fmt: skip


def parametrised() -> nn.Module:
    """Weight norm old and new, spectral norm: weights that are computed from parameters."""
    from torch.nn.utils import parametrizations, weight_norm

    return nn.Sequential(
        weight_norm(nn.Conv2d(3, 8, 3)), nn.Softplus(), parametrizations.weight_norm(nn.Conv2d(8, 8, 3)), nn.PReLU(8),
        parametrizations.spectral_norm(nn.Conv2d(8, 8, 3)), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, CLASSES),
    )  # fmt: skip


class WeightStandardized(nn.Conv2d):
    """Big Transfer's convolution: standardised in every forward, padded as TensorFlow does."""

    def forward(self, x):
        variance, mean = torch.var_mean(self.weight, dim=[1, 2, 3], keepdim=True, unbiased=False)
        weight = (self.weight - mean) / torch.sqrt(variance + 1e-10)
        x = F.pad(x, [0, 1, 0, 1])
        return F.conv2d(x, weight, self.bias, self.stride, 0, self.dilation, self.groups)


def weight_standardized() -> nn.Module:
    return nn.Sequential(
        WeightStandardized(3, 8, 3, 2),
        nn.GroupNorm(2, 8),
        nn.CELU(),
        nn.LPPool2d(2, 3),
        nn.Flatten(),
        nn.Linear(200, CLASSES),
    )


class Normalised(nn.Module):
    """Pixels come as 0 to 255; the module has its own mean and deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)
        self.net = Functional()

    def forward(self, x):
        return self.net((x.float() / 255.0 - self.mean) / self.std)


class GeM(nn.Module):
    """Generalised-mean pooling with a trained exponent."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.ones(1) * 3)
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.conv(x)
        x = F.avg_pool2d(x.clamp(min=1e-6).pow(self.p), (x.size(-2), x.size(-1))).pow(1.0 / self.p)
        return self.fc(F.normalize(x.flatten(1), dim=1))


class TupleOutput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc, self.aux = nn.Conv2d(3, 8, 3), nn.Linear(8, CLASSES), nn.Linear(8, 4)

    def forward(self, x):
        features = self.conv(x).mean((2, 3))
        return self.fc(features), self.aux(features)


class DictOutput(TupleOutput):
    def forward(self, x):
        features = self.conv(x).mean((2, 3))
        return {"features": features, "logits": self.fc(features)}


@dataclass
class Result:
    hidden: Tensor
    logits: Tensor


class DataclassOutput(TupleOutput):
    def forward(self, x):
        features = self.conv(x).mean((2, 3))
        return Result(features, self.fc(features))


Outputs = namedtuple("Outputs", ["logits", "aux_logits"])


class AuxiliaryHead(nn.Module):
    """GoogLeNet as torchvision writes it: a second output in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.aux = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.7), nn.Linear(32, CLASSES))
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.conv1(x)
        aux = self.aux(x) if self.training else None
        x = self.fc(self.bn(self.conv2(x)).mean((2, 3)))
        return Outputs(x, aux) if self.training else x


class InPlace(nn.Module):
    """Writes into slices: half of the channels are shifted, as temporal shift has it, and some set to nought."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.conv(x)
        out = torch.zeros_like(x)
        out[:, :4, 1:] = x[:, :4, :-1]
        out[:, 4:] = x[:, 4:]
        out[:, 7] = 0
        out += 1
        out.relu_()
        return self.fc(out.mean((2, 3)))


class OptionA(nn.Module):
    """The shortcut without parameters: every second pixel, more channels of zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 9, 3, 2, 1)
        self.shortcut = Lambda(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 3, 3), "constant", 0))
        self.fc = nn.Linear(9, CLASSES)

    def forward(self, x):
        zeros = torch.zeros(x.size(0), 6, x.size(2) // 2, x.size(3) // 2)
        y = self.conv(x) + self.shortcut(x) + torch.cat([F.avg_pool2d(x, 2), zeros], 1)
        return self.fc(y.amax(dim=(2, 3)))


class NonLocal(nn.Module):
    """Embedded Gaussian: attention between all positions (Wang et al. 2018)."""

    def __init__(self, channels):
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv2d(channels, 4, 1) for _ in range(3))
        self.out = nn.Conv2d(4, channels, 1)

    def forward(self, x):
        n, _, h, w = x.shape
        g = self.g(x).view(n, 4, -1).permute(0, 2, 1)
        theta = self.theta(x).view(n, 4, -1).permute(0, 2, 1)
        phi = F.max_pool2d(self.phi(x), 1).view(n, 4, -1)
        attention = F.softmax(torch.matmul(theta, phi) / math.sqrt(4), dim=-1)
        y = torch.matmul(attention, g).permute(0, 2, 1).contiguous().view(n, 4, h, w)
        return x + self.out(y)


class SelectiveKernel(nn.Module):
    """Branches stacked along an axis of their own and weighed by a softmax over it (Li et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 8, 3, padding=1 + i, dilation=1 + i) for i in range(2))
        self.fc, self.fcs = nn.Linear(8, 4), nn.ModuleList(nn.Linear(4, 8) for _ in range(2))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        features = torch.stack([conv(x) for conv in self.convs], dim=1)
        s = self.fc(features.sum(1).mean(-1).mean(-1))
        weights = torch.stack([fc(s) for fc in self.fcs], dim=1).softmax(dim=1)
        return self.head((features * weights.unsqueeze(-1).unsqueeze(-1)).sum(dim=1).mean((2, 3)))


class SplitAttention(nn.Module):
    """ResNeSt: radix groups seen as an axis, by view and sum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 16, 3, padding=1, groups=2)
        self.stem, self.fc1, self.fc2 = nn.Conv2d(3, 4, 1), nn.Conv2d(8, 4, 1, groups=1), nn.Conv2d(4, 16, 1)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = F.relu(self.conv(self.stem(x)))
        b = x.shape[0]
        splits = x.reshape((b, 2, 8) + tuple(x.shape[2:]))
        gap = splits.sum(dim=1).mean((2, 3), keepdim=True)
        atten = self.fc2(F.relu(self.fc1(gap))).view(b, 1, 2, -1).transpose(1, 2)
        atten = F.softmax(atten, dim=1).reshape(b, -1, 1, 1)
        out = (splits * atten.reshape((b, 2, 8, 1, 1))).sum(dim=1)
        return self.head(out.mean((2, 3)))


class SpaceToDepth(nn.Module):
    """TResNet's stem by view and permute, YOLO's focus by slices, a pixel shuffle in between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(48, 8, 1), nn.Linear(8, CLASSES)

    def forward(self, x):
        n, c, h, w = x.size()
        x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).contiguous().view(n, c * 4, h // 2, w // 2)
        x = torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)
        x = F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2)
        return self.fc(self.conv(x).mean((2, 3)))


class Maxout(nn.Module):
    """Network in network with maxout over pairs of channels, and gated linear units."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 16, 3), nn.Conv2d(8, 16, 1), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.conv1(x)
        x = torch.maximum(x[:, :8], x[:, 8:])
        x = F.glu(self.conv2(x), dim=1)
        x = x * torch.tanh(F.softplus(x)) + F.hardtanh(x, -2.0, 2.0) + F.mish(x) - x.abs().sqrt()
        return self.fc(x.mean((2, 3)))


class Counter(nn.Module):
    """Asks a buffer for its number: torch.export takes it for data, torch.fx sees what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.tensor(7))
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, CLASSES)
        self.drop = DropPath(0.25)

    def forward(self, x):
        x = self.conv(x)
        if self.steps.item() > 5:
            x = x + self.drop(x * 0.5)
        return self.fc(x.mean((2, 3)))


class Einsum(nn.Module):
    """Attention between positions by einsum, a classifier by einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, 4)
        self.weight = nn.Parameter(torch.randn(8, CLASSES))

    def forward(self, x):
        x = self.conv(x)
        attention = torch.einsum("bchw,bcij->bhwij", x, x).flatten(3).softmax(-1)
        y = torch.einsum("bhwk,bck->bchw", attention, x.flatten(2))
        return torch.einsum("bc,cd->bd", y.mean((2, 3)), self.weight)


class WindowAttention(nn.Module):
    """Swin's block: a shift, windows that join the batch, a bias looked up in a table, patches merged."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm, self.qkv = nn.Conv2d(3, 16, 4, 4), nn.LayerNorm(16), nn.Linear(16, 48)
        self.table = nn.Parameter(torch.randn(49, 4) * 0.1)
        grid = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        relative = (grid[:, :, None] - grid[:, None, :]).permute(1, 2, 0) + 3
        self.register_buffer("index", relative[..., 0] * 7 + relative[..., 1])
        self.merge, self.head = nn.Linear(64, 16, bias=False), nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        b, h, w, c = x.shape
        y = torch.roll(self.norm(x), (-2, -2), (1, 2))
        y = y.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 16, c)
        q, k, v = self.qkv(y).reshape(-1, 16, 3, 4, c // 4).permute(2, 0, 3, 1, 4)
        bias = self.table[self.index.view(-1)].view(16, 16, -1).permute(2, 0, 1).contiguous()
        attention = (q * (c // 4) ** -0.5) @ k.transpose(-2, -1) + bias.unsqueeze(0)
        y = (attention.softmax(-1) @ v).transpose(1, 2).reshape(-1, 16, c)
        y = y.view(b, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(b, h, w, c)
        x = x + torch.roll(y, (2, 2), (1, 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.head(self.merge(x).flatten(1, 2).mean(1))


class ClassToken(nn.Module):
    """ViT with a class token, attention as torch's one function."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 16, 8, 8), nn.LayerNorm(16)
        self.cls_token, self.pos = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.qkv, self.proj, self.head = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, 3, 4, c // 4).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))
        return self.head(x[:, 0])


class Pyramid(nn.Module):
    """Spatial pyramid pooling, blurred pooling by a buffer, coordinates as channels, statistics of second order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(5, 8, 3), nn.Linear(8 * 5 + 64 + 8, CLASSES)
        kernel = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("blur", (kernel[:, None] * kernel / 16).expand(8, 1, 3, 3))

    def forward(self, x):
        b, _, h, w = x.shape
        grid = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
        x = self.conv(torch.cat([x, torch.stack(grid).expand(b, -1, -1, -1)], 1))
        x = F.conv2d(F.pad(x, [1] * 4, mode="reflect"), self.blur, stride=2, groups=x.shape[1])
        pools = [F.adaptive_max_pool2d(x, k).view(b, -1) for k in (1, 2)]
        y = x.view(b, 8, -1)
        y = torch.bmm(y, y.transpose(1, 2)).view(b, 64) / y.shape[2]
        y = torch.sign(y) * torch.sqrt(torch.abs(y) + 1e-5)
        return self.fc(torch.cat([*pools, F.normalize(y), x.std((2, 3))], 1))


class SwishFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)


class Odd(nn.Module):
    """An autograd function, gradient checkpoints, a ModuleDict, a cache that the first call fills, grey as three."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleDict({"x": nn.Conv2d(3, 8, 3), "y": nn.Conv2d(3, 8, 3)})
        self.block, self.fc = nn.Sequential(nn.Conv2d(8, 8, 3), nn.RReLU()), nn.Linear(8, CLASSES)
        self.cache = None

    def forward(self, x, mask=None, *, scale: float = 2.0):
        if self.cache is None:
            self.cache = torch.full((1, 8, 1, 1), 0.5)
        x = x.mean(1, keepdim=True).repeat(1, 3, 1, 1)
        x = SwishFunction.apply(sum(conv(x) for conv in self.convs.values()) * self.cache)
        x = torch.utils.checkpoint.checkpoint(self.block, x, use_reentrant=False)
        return self.fc(x.mean((2, 3))).mul(scale)


class Masks(nn.Module):
    """Activations by hand: torch.where, comparisons as numbers, masked_fill; a power with a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.conv(x)
        leaky = torch.where(x > 0, x, 0.1 * x)
        cut = x * (x >= -0.3).float() + x.masked_fill(x < 0.2, 0.5)
        return self.fc((leaky + cut + 2 / (1 + torch.exp(-x)) + x.abs() ** 1.5 + 0.5**2).mean((2, 3)))


class ViTLike(nn.Module):
    """Patches as tokens with a position each, attention by torch's own module, the mean of all tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 8, 8)
        self.pos_embed = nn.Parameter(torch.randn(1, 16, 16) * 0.02)
        self.norm1, self.attn = nn.LayerNorm(16), nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm2, self.mlp = nn.LayerNorm(16), nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.pos_embed
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        x = x + self.mlp(self.norm2(x))
        return self.head(x.mean(dim=1))


class Mixer(nn.Module):
    """MLP-Mixer: one dense layer over positions, one over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 12, 8, 8), nn.LayerNorm(12)
        self.tokens, self.channels = nn.Linear(16, 16), nn.Linear(12, 12)
        self.head = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norm(x).transpose(1, 2)).transpose(1, 2)
        x = x + F.gelu(self.channels(x), approximate="tanh")
        return self.head(x.mean(1))


class SequenceNet(nn.Module):
    """Rows as a sequence: one-dimensional convolutions, norm and pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv1d(96, 16, 3, padding=1), nn.BatchNorm1d(16), nn.Linear(16, CLASSES)
        self.bn2 = nn.BatchNorm1d(16, affine=False)

    def forward(self, x):
        x = x.permute(0, 1, 3, 2).reshape(x.shape[0], 96, 32)
        x = F.max_pool1d(F.relu(self.bn(self.conv(x))), 2)
        return self.fc(self.bn2(F.adaptive_avg_pool1d(x, 1).squeeze(2)))


class ReflectPadding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(2)
        self.conv = nn.Conv2d(3, 8, 5, padding=1, padding_mode="replicate")
        self.up = nn.Upsample(scale_factor=2, mode="bicubic")
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.fc(self.up(self.conv(self.pad(x))).mean((2, 3)))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "sequential": sequential,
    "named_sequential": named_sequential,
    "functional": Functional,
    "bare_parameters": BareParameters,
    "nested_resnet": NestedResNet,
    "shared_layers": SharedLayers,
    "squeeze_excite": lambda: Gates(lambda: SqueezeExcite(16)),
    "cbam": lambda: Gates(lambda: CBAM(16)),
    "eca": lambda: Gates(ECA),
    "coordinate_attention": lambda: Gates(lambda: CoordinateAttention(16)),
    "shuffle": Shuffle,
    "rep_vgg": RepVGG,
    "online_reparameterised": OnlineReparameterised,
    "convnext": ConvNeXt,
    "densenet": DenseNet,
    "inception": Inception,
    "ghost": Ghost,
    "mobilenet": mobilenet,
    "unet_classifier": UNetClassifier,
    "lambdas": lambdas,
    "parametrised": parametrised,
    "weight_standardized": weight_standardized,
    "normalised": Normalised,
    "gem": GeM,
    "tuple_output": TupleOutput,
    "dict_output": DictOutput,
    "dataclass_output": DataclassOutput,
    "auxiliary_head": AuxiliaryHead,
    "in_place": InPlace,
    "option_a": OptionA,
    "non_local": lambda: Gates(lambda: NonLocal(16)),
    "selective_kernel": SelectiveKernel,
    "split_attention": SplitAttention,
    "space_to_depth": SpaceToDepth,
    "maxout": Maxout,
    "counter": Counter,
    "einsum": Einsum,
    "window_attention": WindowAttention,
    "class_token": ClassToken,
    "pyramid": Pyramid,
    "odd": Odd,
    "masks": Masks,
    "vit_like": ViTLike,
    "mixer": Mixer,
    "sequence": SequenceNet,
    "reflect_padding": ReflectPadding,
}
