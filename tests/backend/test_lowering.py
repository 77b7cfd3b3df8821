"""What lowered ops compute, where torch has no layer that is the op itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from runtime import randomised, single
from torch import Tensor, nn
from torch.nn import functional as F

import convsmith
from convsmith.network import builder as b, ops
from convsmith.network.init import Init

State = dict[str, Tensor]


def layer_norm(x: Tensor, state: State) -> Tensor:
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
    weight, bias = (state[name][:, None, None] for name in ("layer.weight", "layer.bias"))
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def transposed(x: Tensor, state: State) -> Tensor:
    whole = F.conv_transpose2d(x, state["layer.weight"], state["layer.bias"], (2, 3), 0, (1, 0), 2, (1, 2))
    return whole[:, :, 1:, 2:-1]


CASES: dict[str, tuple[ops.Op, Callable[[Tensor, State], Tensor]]] = {
    "layer norm over channels": (ops.LayerNorm(), layer_norm),
    "rms norm over channels": (
        ops.RMSNorm(eps=1e-3),
        lambda x, state: x / (x.square().mean(1, keepdim=True) + 1e-3).sqrt() * state["layer.weight"][:, None, None],
    ),
    "l2 norm": (ops.L2Norm((1, 2)), lambda x, _: F.normalize(x, dim=(2, 3))),  # type: ignore[arg-type]
    "group norm with a weight only": (
        ops.GroupNorm(2, bias=False),
        lambda x, state: F.group_norm(x, 2, state["layer.weight"]),
    ),
    "transposed convolution cut unevenly": (
        ops.ConvTranspose(6, (3, 2), (2, 3), padding=(1, 0, 2, 1), output_padding=(1, 0), dilation=(1, 2), groups=2),
        transposed,
    ),
    "padded power-average pooling": (
        ops.LpPool((3, 3), (2, 2), (1, 0, 0, 1)),
        lambda x, _: F.lp_pool2d(F.pad(x, (0, 1, 1, 0)), 2.0, 3, 2),
    ),
    "scale and shift": (ops.Scale(-2.0, 1.0), lambda x, _: 1 - 2 * x),
    "clip from one side": (ops.Clip(low=0.1), lambda x, _: x.clamp(min=0.1)),
    "square": (ops.Activation("square"), lambda x, _: x * x),
    "gelu by tanh": (ops.Activation("gelu_tanh"), lambda x, _: F.gelu(x, approximate="tanh")),
    "expansion": (ops.Expand((4, 6, 7)), lambda x, _: x),
    "slice with a step": (ops.Slice(1, 6, axis=1, step=2), lambda x, _: x[:, :, 1:6:2]),
    "circular padding": (ops.Pad((1, 0, 0, 2), mode="circular"), lambda x, _: F.pad(x, (0, 2, 1, 0), mode="circular")),
    "padding with a number": (ops.Pad((1, 0, 0, 2), value=3.0), lambda x, _: F.pad(x, (0, 2, 1, 0), value=3.0)),
    "aligned corners": (
        ops.Upsample((2, 3), "bicubic", align_corners=True),
        lambda x, _: F.interpolate(x, scale_factor=(2, 3), mode="bicubic", align_corners=True),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_op_computes_what_its_words_say(case: str) -> None:
    op, function = CASES[case]
    module = randomised(single(op, (4, 6, 7)))
    x = torch.randn(2, 4, 6, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(module(x), function(x, module.state_dict()), rtol=1e-4, atol=1e-5)


def test_norms_are_torchs_own_layers_where_torch_has_them() -> None:
    """So that what looks for batch norms by their class finds those without parameters, too."""
    net = b.write("norms", (4, 6, 7), lambda x: b.apply(ops.BatchNorm(scale=False, bias=False), x, name="bn"))
    assert type(convsmith.build(net).get_submodule("bn")) is nn.BatchNorm2d


def gated(x: b.Tensor) -> b.Tensor:
    """A constant that is added, one that scales, and one that stands beside the map."""
    y = b.add(x, b.constant(x, (1, 6, 7), init=Init("normal", 1.0), name="place"))
    y = b.layer_scale(y, 0.5, name="gamma")
    return b.concat(b.constant(x, (2, 6, 7), name="beside"), y)


def test_constants_are_repeated_for_every_image_and_trained() -> None:
    module = convsmith.build(b.write("gated", (4, 6, 7), gated))
    x = torch.randn(3, 4, 6, 7)
    y = module(x)
    state = module.state_dict()
    assert torch.equal(y[:, 2:], (x + state["place.value"]) * state["gamma.value"])
    assert torch.equal(y[:, :2], torch.zeros(3, 2, 6, 7))
    y.sum().backward()
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    assert gradients.keys() == {"place.value", "gamma.value", "beside.value"}
    assert gradients["gamma.value"] is not None
    torch.testing.assert_close(gradients["gamma.value"][:, 0, 0], (x + state["place.value"]).sum((0, 2, 3)))


def test_a_constant_that_is_not_trained_is_a_buffer() -> None:
    def family(x: b.Tensor) -> b.Tensor:
        fixed = x.builder.add("constant", ops.Constant((4, 1, 1), trainable=False), (), "fixed", None)
        return b.add(x, fixed)

    net = b.write("fixed", (4, 6, 7), family)
    module = convsmith.build(net)
    assert not list(module.parameters())
    assert [name for name, _ in module.named_buffers()] == ["fixed.value"]
    assert convsmith.cost_of(net).buffers == 4


def test_networks_of_constants_and_methods_trace_copy_and_export() -> None:
    def family(x: b.Tensor) -> b.Tensor:
        y = gated(x)
        gate = b.apply(ops.Expand((6, 6, 7)), b.global_avg_pool(y))
        return b.linear(b.multiply(y, gate), 3)

    module = convsmith.build(b.write("gated", (4, 6, 7), family)).eval()
    x = torch.randn(2, 4, 6, 7)
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(module, (x,), dynamic_shapes={"x": {0: batch}}).module()
    more = torch.randn(5, 4, 6, 7)
    torch.testing.assert_close(exported(more), module(more))


@pytest.mark.parametrize("shape", [(8,), (8, 5), (8, 5, 6)])
def test_dropout_of_channels_drops_whole_channels(shape: tuple[int, ...]) -> None:
    module = convsmith.build(single(ops.Dropout(0.5, "channel"), shape)).train()
    torch.manual_seed(0)
    y = module(torch.ones(16, *shape)).flatten(2) if len(shape) > 1 else module(torch.ones(16, *shape))[..., None]
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert bool((y == y[..., :1]).all())


@pytest.mark.parametrize("shape", [(8,), (8, 5, 6)])
def test_stochastic_depth_drops_whole_images_of_any_shape(shape: tuple[int, ...]) -> None:
    module = convsmith.build(single(ops.StochasticDepth(0.5), shape)).train()
    torch.manual_seed(0)
    y = module(torch.ones(16, *shape)).flatten(1)
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert bool((y == y[:, :1]).all())
