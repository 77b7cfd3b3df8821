"""Costs against what PyTorch's modules really hold and compute."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from convsmith import build, cost_of, create
from convsmith.cost import CONVENTION
from convsmith.errors import UsageError
from convsmith.network import INPUT, Network, Node, builder, ops
from convsmith.network.dims import Dim, Shape

CASES = {
    "lenet5": create("lenet5"),
    "resnet20": create("resnet20"),
    "resnet18 at 65x47": create("resnet18", classes=7, input=(1, 65, 47)),
    "mobilenet_v2": create("mobilenet_v2", width=0.35, input=(3, 64, 64)),
    "resnet50_v2": create("resnet50_v2", classes=10, input=(3, 64, 64)),
    "keras/MobileNet": create("keras/MobileNet:0.25", input=(3, 128, 128)),
}


def counted(net: Network) -> tuple[int, int]:
    """Multiply-adds, and output elements of the layers that do them, of one image through the built module."""
    module = build(net).eval()
    macs = activations = 0

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal macs, activations
        macs += output.numel() * layer.weight[0].numel()
        activations += output.numel()

    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        module(torch.zeros(1, *net.input))
    return macs, activations


@pytest.mark.parametrize("case", CASES)
def test_parameters_are_those_of_the_built_module(case):
    module, cost = build(CASES[case]), cost_of(CASES[case])
    assert cost.params == sum(parameter.numel() for parameter in module.parameters())
    running = [buffer for buffer in module.buffers() if buffer.dtype.is_floating_point]
    assert cost.buffers == sum(buffer.numel() for buffer in running)
    assert cost.weights_bytes() == 4 * (cost.params + cost.buffers)


@pytest.mark.parametrize("case", CASES)
def test_macs_and_activations_are_those_that_hooks_count(case):
    cost = cost_of(CASES[case])
    assert (cost.macs, cost.activations) == counted(CASES[case])


def test_flops_are_two_for_a_multiply_add_and_one_for_other_arithmetic():
    def family(x: builder.Tensor) -> builder.Tensor:
        x = builder.relu(builder.conv(x, 4, 3, bias=True))
        return builder.add(x, builder.batch_norm(x))

    cost = cost_of(builder.write("net", (2, 5, 5), family))
    assert cost.macs == 4 * 25 * 2 * 9
    bias, relu, add, norm = 100, 100, 100, 200
    assert cost.flops == 2 * cost.macs + bias + relu + add + norm


def test_training_only_layers_have_parameters_but_no_inference_cost():
    def family(x: builder.Tensor) -> builder.Tensor:
        builder.auxiliary(builder.linear(x, 5, name="head"), 0.3)
        return builder.linear(builder.dropout(x), 5, name="fc")

    cost = cost_of(builder.write("net", (2, 3, 3), family))
    assert cost.params == 2 * (18 * 5 + 5)
    assert cost.macs == 18 * 5
    assert [row.name for row in cost.layers if not row.inference] == ["flatten1", "head", "dropout1"]


def test_shared_parameters_count_once_and_their_arithmetic_twice():
    def family(x: builder.Tensor) -> builder.Tensor:
        first = builder.conv(x, 3, 3)
        return builder.again(first, first)

    net = builder.write("shared", (3, 8, 8), family)
    assert cost_of(net).params == 3 * 3 * 9 + 3
    assert cost_of(net).macs == 2 * 64 * 3 * 27


def test_an_op_without_a_rule_is_an_error():
    class Mystery(ops.Op):
        kind: ClassVar[str] = "mystery"

        def shape(self, *inputs: Shape) -> Shape:
            return inputs[0]

    net = Network("net", (3, 4, 4), (Node("m", Mystery(), (INPUT,)),), "m")
    with pytest.raises(UsageError, match="Mystery has no rule"):
        cost_of(net)


FIGURES = ("params", "buffers", "macs", "flops", "activations")


def agree(many: object, single: list[object], shape: tuple[int, ...]) -> bool:
    return np.broadcast_to(np.asarray(many), shape).tolist() == single


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_array_widths_and_sizes_give_each_candidates_figures(name):
    widths, sizes = np.array([0.35, 0.5, 0.75, 1.0, 1.4]), np.array([96, 128, 161, 192, 224])
    many = cost_of(create(name, width=widths, input=(3, sizes, sizes)))
    single = [
        cost_of(create(name, width=float(width), input=(3, int(size), int(size))))
        for width, size in zip(widths, sizes, strict=True)
    ]
    for figure in FIGURES:
        assert agree(getattr(many, figure), [getattr(cost, figure) for cost in single], widths.shape), figure
    assert agree(many.inference_bytes(), [cost.inference_bytes() for cost in single], widths.shape)
    assert agree(many.training_bytes(8, 2), [cost.training_bytes(8, 2) for cost in single], widths.shape)


def test_widths_at_which_a_shortcut_appears_are_not_costed_in_one_pass():
    """At width 0.25 MobileNet-V2's first block has as many maps out as in, and so a shortcut."""
    with pytest.raises(UsageError, match="cost them apart"):
        create("mobilenet_v2", width=np.array([0.25, 1.0]))


@pytest.mark.parametrize("name", ["resnet18", "resnet50_v2_keras", "keras/MobileNet", "vgg11_bn"])
def test_array_resolutions_give_each_candidates_figures(name):
    sizes = np.arange(64, 260, 21)

    def with_input(side: Dim) -> Network:
        return create(name, input=(3, side, side))

    many, single = cost_of(with_input(sizes)), [cost_of(with_input(int(size))) for size in sizes]
    for figure in FIGURES:
        assert agree(getattr(many, figure), [getattr(cost, figure) for cost in single], sizes.shape), figure
    assert agree(many.inference_bytes(), [cost.inference_bytes() for cost in single], sizes.shape)


def test_json_states_its_convention_and_adds_up():
    data = cost_of(create("resnet20")).to_json()
    assert data["convention"] == CONVENTION
    for figure in ("params", "macs", "flops"):
        assert data[figure] == sum(row[figure] for row in data["layers"] if row["inference"])
