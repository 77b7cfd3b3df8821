"""Modules that torch itself has wrapped or made: the original's names, or the line that says what to give instead."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import convsmith
from convsmith.backend.read import read
from convsmith.errors import ReadError
from convsmith.network import builder as b

SHAPE = (3, 16, 16)


def classifier() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


KEYS = {"0.weight", "0.bias", "4.weight", "4.bias"}


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile, torch.fx.symbolic_trace])
def test_a_wrapped_module_has_the_originals_names(wrap) -> None:
    assert read(wrap(classifier()), SHAPE).weights.keys() == KEYS


def test_an_exported_program_for_any_batch_is_read() -> None:
    batch = torch.export.Dim("batch")
    program = torch.export.export(classifier(), (torch.rand(4, *SHAPE),), dynamic_shapes=({0: batch},))
    assert read(program.module(), SHAPE).weights.keys() == KEYS


def test_a_torchscript_module_is_refused() -> None:
    with pytest.raises(ReadError, match="is a TorchScript module; give the module that it was made from"):
        read(torch.jit.trace(classifier(), torch.rand(1, *SHAPE)), SHAPE)


def test_lazy_layers_need_one_call() -> None:
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(5))
    with pytest.raises(ReadError, match="has lazy layers that have no weights yet; call it once on images"):
        read(lazy, SHAPE)
    lazy(torch.rand(1, *SHAPE))
    assert read(lazy, SHAPE).network.classes == 5


class Autocast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = classifier()

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.net(x).float()


def test_code_under_autocast_is_read_in_float32_and_it_says_so() -> None:
    found = read(Autocast(), SHAPE)
    assert [node.op.kind for node in found.network] == [
        "conv", "activation", "adaptive_avg_pool", "flatten", "linear",
    ]  # fmt: skip
    assert "read in float32" in found.notes[0]


def test_hooks_are_part_of_a_module() -> None:
    hooked = classifier()
    hooked[1].register_forward_hook(lambda module, inputs, output: output * 3)
    assert any(getattr(node.op, "factor", 0) == 3 for node in read(hooked, SHAPE).network)


def test_our_own_module_is_left_with_the_graph_of_its_mode() -> None:
    def family(x: b.Tensor) -> b.Tensor:
        x = b.conv(x, 4, 3)
        b.auxiliary(b.linear(x, 5, name="head"), 0.3)
        return b.linear(b.relu(x), 5)

    built = convsmith.build(b.write("net", SHAPE, family))
    images = torch.rand(2, *SHAPE)
    assert len(read(built, SHAPE).network.auxiliary) == 1
    assert len(built(images)) == 2
    built.eval()
    read(built, SHAPE)
    assert isinstance(built(images), torch.Tensor)
