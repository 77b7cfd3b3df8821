"""Modules in other people's styles: read, built again, they give the same logits under the same names."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch
from modules import CLASSES, MODULES
from torch import nn

import convsmith
from convsmith.backend.read import Read, read
from convsmith.network import Network

SHAPE = (3, 32, 32)

FUNCTIONS_OF_PARAMETERS = {
    "bare_parameters", "online_reparameterised", "convnext", "parametrised", "normalised", "gem", "vit_like",
    "tuple_output", "dict_output", "dataclass_output", "shared_layers", "masks",
    "counter", "einsum", "window_attention", "class_token", "pyramid",
}  # fmt: skip
"""Whose state dict holds what is not a layer's parameter: it has another key, or is folded, or leads to no output."""


def module(name: str) -> nn.Module:
    """The module, with statistics that are not those of a fresh one."""
    torch.manual_seed(0)
    made = MODULES[name]()
    for layer in made.modules():
        if getattr(layer, "running_mean", None) is not None:
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
    return made


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(5))


def logits(original: nn.Module) -> torch.Tensor:
    """What the module answers in evaluation mode, whatever it returns."""
    with torch.no_grad():
        result = original.eval()(images())
    if isinstance(result, dict):
        return result["logits"]
    return getattr(result, "logits", result[0] if isinstance(result, tuple) else result)


def rebuilt(found: Read) -> torch.Tensor:
    built = convsmith.build(found.network).eval()
    built.load_state_dict(found.weights)
    with torch.no_grad():
        return built(images())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("name", MODULES)
def test_a_module_that_is_read_answers_as_before(name: str) -> None:
    original = module(name)
    found = read(original, SHAPE)
    torch.testing.assert_close(rebuilt(found), logits(original), atol=1e-4, rtol=1e-4)
    assert found.network.classes == CLASSES
    assert Network.from_json(json.dumps(found.network.to_json())) == found.network
    if name not in FUNCTIONS_OF_PARAMETERS:
        assert {key for key in original.state_dict() if "num_batches" not in key} == found.weights.keys()
        assert sum(p.numel() for p in original.parameters()) == convsmith.cost_of(found.network).params


def kinds(name: str) -> Counter[str]:
    return Counter(node.op.kind for node in read(module(name), SHAPE).network)


def test_a_shuffle_by_view_and_transpose_is_a_shuffle() -> None:
    found = kinds("shuffle")
    assert found["channel_shuffle"] == 2
    assert not {"reshape", "permute"} & found.keys()


def test_channels_last_within_a_module_cost_no_permutes() -> None:
    found = kinds("convnext")
    assert not {"reshape", "permute", "linear"} < found.keys()
    assert found["layer_norm"] == 3
    assert found["stochastic_depth"] == 2


def test_depth_to_space_by_view_and_permute_is_one_layer() -> None:
    found = read(module("space_to_depth"), SHAPE).network
    assert "reshape" not in {node.op.kind for node in found}


def test_shared_layers_share() -> None:
    found = read(module("shared_layers"), SHAPE)
    assert [node.name for node in found.network if node.shares == "body"] == ["body_2", "body_3"]
    assert [node.name for node in found.network if node.shares == "head1"] == ["head2"]
    assert "head2.weight" not in found.weights


def test_padding_before_a_convolution_is_the_convolutions() -> None:
    found = read(module("weight_standardized"), SHAPE)
    assert found.network["0"].op.padding == (0, 1, 0, 1)
    assert "0.pad" not in {node.name for node in found.network}


def test_weights_that_are_computed_are_folded_and_it_says_so() -> None:
    found = read(module("online_reparameterised"), SHAPE)
    assert any("weight was computed once from" in note and "dense.weight" in note for note in found.notes)
    assert not read(module("nested_resnet"), SHAPE).notes


def test_noise_in_training_is_kept() -> None:
    found = read(module("sequential"), SHAPE).network
    assert (found["7"].op.unit, found["7"].op.p, found["10"].op.p) == ("channel", 0.1, 0.2)
    assert read(module("functional"), SHAPE).network["dropout"].op.p == 0.3


def test_an_output_beside_the_answer_is_left_out_and_it_says_so() -> None:
    for name, left in (("tuple_output", "1"), ("dict_output", "features"), ("dataclass_output", "hidden")):
        (note,) = read(module(name), SHAPE).notes
        assert note.startswith(f"left out: the output {left} beside")


def test_a_head_of_training_is_auxiliary() -> None:
    original = module("auxiliary_head")
    found = read(original, SHAPE)
    assert [head.node for head in found.network.auxiliary] == ["aux.3"]
    assert found.network.inference.output == "fc"


def test_reading_leaves_the_module_as_it_was() -> None:
    original = module("auxiliary_head")
    original.conv1.eval()
    before = {key: tensor.clone() for key, tensor in original.state_dict().items()}
    modes = [layer.training for layer in original.modules()]
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    read(original, SHAPE)
    assert torch.equal(torch.rand(1), expected)
    assert [layer.training for layer in original.modules()] == modes
    assert all(torch.equal(tensor, before[key]) for key, tensor in original.state_dict().items())
    assert "forward" not in vars(original)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_module_in_another_precision_is_read_in_float32(dtype: torch.dtype) -> None:
    original = module("sequential").to(dtype)
    found = read(original, SHAPE)
    assert {tensor.dtype for tensor in found.weights.values()} == {torch.float32}
    assert torch.equal(found.weights["0.weight"].to(dtype), original[0].weight)
    assert next(original.parameters()).dtype == dtype


def test_any_number_of_channels_and_side() -> None:
    found = read(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 5 * 9, 3)), (1, 7, 11))
    assert found.network.input == (1, 7, 11)
    assert found.network.name == "Sequential"
    assert read(module("functional"), SHAPE, name="lenet").network.name == "lenet"
