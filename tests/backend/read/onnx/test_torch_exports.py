"""Modules in many styles, exported by PyTorch's own exporter in several opsets, and read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from onnx_graphs import assert_same
from torch import Tensor, nn
from torch.nn import functional as F

from convsmith.backend.read.onnx import read_onnx

OPSETS = (9, 13, 17)


class Lambda(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.function(x)


def head(channels: int = 8) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


def network(function: Callable[[Tensor], Tensor], *layers: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), Lambda(function, *layers), head()
    )


class Gate(nn.Module):
    """Squeeze-and-excitation with dense layers, as its paper's code has it."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(8, 4), nn.Linear(4, 8)

    def forward(self, x: Tensor) -> Tensor:
        n, c, _, _ = x.shape
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        return x * weights.view(n, c, 1, 1)


class ChannelAttention(nn.Module):
    """A convolution along the channels (ECA)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2)
        return x * torch.sigmoid(self.conv(y).transpose(-1, -2).unsqueeze(-1))


class SpatialAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        maps = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * self.conv(maps).sigmoid()


class ConvNeXt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.expand, self.project = nn.Linear(8, 32), nn.Linear(32, 8)
        self.gamma = nn.Parameter(torch.full((8, 1, 1), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.gamma * self.project(F.gelu(self.expand(y))).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Attention over positions, by products of matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(8, 8, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).flatten(2) for layer in (self.q, self.k, self.v))
        weights = torch.softmax(q.transpose(1, 2) @ k / 8**0.5, -1)
        return (v @ weights.transpose(1, 2)).view(-1, 8, 8, 8) + x


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.relu(self.conv(x)))


class Generalised(nn.Module):
    """Generalised-mean pooling with a trained exponent."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([3.0]))

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x.clamp(min=1e-6).pow(self.p), 2).pow(1 / self.p)


def shuffle(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def halves(x: Tensor) -> Tensor:
    first, second = x.chunk(2, 1)
    return torch.cat([second, F.relu(first)], 1)


def log_softmax_head() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), head(), nn.LogSoftmax(1))


MODULES: dict[str, Callable[[], nn.Module]] = {
    **{
        type(act()).__name__.lower(): lambda act=act: network(act())  # type: ignore[misc]
        for act in (
            nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.Hardsigmoid, nn.Mish, nn.ELU, nn.SELU, nn.CELU,
            nn.LeakyReLU, nn.Softplus, nn.Softsign, nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Tanhshrink, nn.Hardtanh,
        )
    },
    "gelu by tanh": lambda: network(nn.GELU("tanh")),
    "prelu": lambda: network(F.relu, nn.PReLU(8)),
    "one prelu": lambda: network(F.relu, nn.PReLU()),
    "group norm": lambda: network(F.relu, nn.GroupNorm(4, 8)),
    "instance norm": lambda: network(F.relu, nn.InstanceNorm2d(8, affine=True)),
    "bare instance norm": lambda: network(F.relu, nn.InstanceNorm2d(8)),
    "local response norm": lambda: network(F.relu, nn.LocalResponseNorm(3, 0.5)),
    "even local response norm": lambda: network(F.relu, nn.LocalResponseNorm(4, 0.5)),
    "layer norm of a map": lambda: network(F.relu, nn.LayerNorm([8, 8, 8])),
    "norm before convolution": lambda: network(F.relu, nn.ReLU(), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3)),
    "max pool": lambda: network(F.relu, nn.MaxPool2d(3, 2, 1)),
    "ceil max pool": lambda: network(F.relu, nn.MaxPool2d(3, 2, ceil_mode=True)),
    "average pool": lambda: network(F.relu, nn.AvgPool2d(3, 2, 1)),
    "average pool without padding": lambda: network(F.relu, nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "adaptive pool": lambda: network(F.relu, nn.AdaptiveAvgPool2d(4)),
    "adaptive max pool": lambda: network(F.relu, nn.AdaptiveMaxPool2d(1)),
    "transposed convolution": lambda: network(F.relu, nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1, groups=2)),
    "dilated convolution": lambda: network(F.relu, nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)),
    "nearest": lambda: network(lambda x: F.interpolate(x, scale_factor=2.0)),
    "to a size": lambda: network(lambda x: F.interpolate(x, size=(12, 12))),
    "shuffle": lambda: network(shuffle),
    "pixel shuffle": lambda: nn.Sequential(nn.Conv2d(3, 32, 3), nn.PixelShuffle(2), head()),
    "halves": lambda: network(halves),
    "slices": lambda: network(lambda x: torch.cat([x[:, 2:6, 1:, ::2], x[:, ::2, :-1, 1::2]], 1)),
    "padded": lambda: network(lambda x: F.pad(x, (1, 0, 2, 1))),
    "mirrored": lambda: network(lambda x: F.pad(x, (1, 1, 2, 2), mode="reflect")),
    "numbers": lambda: network(lambda x: (1 - x) * 0.5 + x / 3 - 2),
    "power": lambda: network(lambda x: x**2 + x.abs().sqrt()),
    "mean over space": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), Lambda(lambda x: x.mean([2, 3])), nn.Linear(8, 5)),
    "view": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), Lambda(lambda x: x.view(x.size(0), -1)), nn.Linear(288, 5)),
    "unit vectors": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), head(), Lambda(lambda x: F.normalize(x) * 10)),
    "log softmax": log_softmax_head,
    "softmax": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), head(), nn.Softmax(1)),
    "fully convolutional": lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1)),
    "gate": lambda: network(F.relu, Gate()),
    "channel attention": lambda: network(F.relu, ChannelAttention()),
    "spatial attention": lambda: network(F.relu, SpatialAttention()),
    "convnext": lambda: network(F.relu, ConvNeXt()),
    "attention": lambda: network(F.relu, Attention()),
    "shared": lambda: network(F.relu, Shared()),
    "generalised mean": lambda: network(F.relu, Generalised()),
    "dropout": lambda: network(F.relu, nn.Dropout2d(), nn.Dropout()),
}  # fmt: skip


def export(module: nn.Module, folder: Path, opset: int, dynamic: bool = True) -> Path:
    path = folder / "model.onnx"
    torch.manual_seed(0)
    for tensor in module.state_dict().values():
        if tensor.ndim == 1 and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (torch.zeros(1, 3, 8, 8),), path, dynamo=False, opset_version=opset,
            input_names=["image"], output_names=["logits"], dynamic_axes=axes,
        )  # fmt: skip
    return path


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", MODULES)
def test_a_module_comes_back_through_onnx(name: str, opset: int, tmp_path: Path) -> None:
    try:
        path = export(MODULES[name](), tmp_path, opset)
    except (torch.onnx.errors.OnnxExporterError, TypeError) as error:
        pytest.skip(f"PyTorch does not export it: {error}")
    read = read_onnx(path)
    if "softmax" not in name:
        assert_same(path, read)


@pytest.mark.parametrize("name", ["view", "gate", "shuffle", "attention", "local response norm"])
def test_a_fixed_batch_is_read(name: str, tmp_path: Path) -> None:
    path = export(MODULES[name](), tmp_path, 17, dynamic=False)
    assert_same(path, read_onnx(path), batch=1)


def kinds(name: str, folder: Path, opset: int = 17) -> list[str]:
    return [node.op.kind for node in read_onnx(export(MODULES[name](), folder, opset)).network]


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("silu", ["activation"]),
        ("gelu", ["activation"]),
        ("hardswish", ["activation"]),
        ("mish", ["activation"]),
        ("group norm", ["group_norm", "activation"]),
        ("local response norm", ["local_response_norm", "activation"]),
        ("shuffle", ["channel_shuffle"]),
        ("padded", ["pad"]),
        ("convnext", [
            "conv", "layer_norm", "conv", "activation", "conv", "constant", "multiply", "add", "activation",
        ]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("opset", OPSETS)
def test_what_exporters_write_out_is_one_layer_again(name: str, layers: list[str], opset: int, tmp_path: Path) -> None:
    found = kinds(name, tmp_path, opset)
    assert found[:1] == ["conv"]
    assert sorted(found[1:-3]) == sorted(layers)
    assert found[-3:] == ["adaptive_avg_pool", "flatten", "linear"]


def test_transposes_of_channels_cancel(tmp_path: Path) -> None:
    assert "permute" not in kinds("convnext", tmp_path)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.relu(self.bn1(self.conv1(x))) + x)


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.layer1 = nn.Sequential(Residual(), Residual())
        self.act = nn.SiLU()
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.act(self.layer1(self.stem(x))).mean((2, 3)))


def test_names_are_the_modules_own(tmp_path: Path) -> None:
    names = [node.name for node in read_onnx(export(Named(), tmp_path, 17)).network]
    assert names == [
        "stem",
        "layer1.0.conv1", "layer1.0.relu", "layer1.0.add", "layer1.0.relu_1",
        "layer1.1.conv1", "layer1.1.relu", "layer1.1.add", "layer1.1.relu_1",
        "act", "mean", "fc",
    ]  # fmt: skip


def test_norm_folded_into_a_convolution_is_read_as_it_is(tmp_path: Path) -> None:
    read = read_onnx(export(Named(), tmp_path, 17))
    assert not [node for node in read.network if node.op.kind == "batch_norm"]
    assert "layer1.0.conv1.bias" in read.weights


def test_shared_layers_are_shared(tmp_path: Path) -> None:
    net = read_onnx(export(MODULES["shared"](), tmp_path, 17)).network
    assert [node.shares is not None for node in net if node.op.kind == "conv"] == [False, False, True]
