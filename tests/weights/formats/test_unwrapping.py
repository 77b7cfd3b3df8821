"""A network's tensors are found in whatever was put around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

import convsmith
from convsmith.errors import UsageError
from convsmith.weights.formats.checkpoints import read
from convsmith.weights.formats.stored import StoredTensor
from convsmith.weights.formats.unwrapping import AVERAGED, Kind, choose, states
from convsmith.weights.translate.slots import keys_in

NET = convsmith.create("torchvision/resnet18")
KEYS = sorted(keys_in(NET, "torchvision"))
WORDS = ("module", "_orig_mod", "model", "backbone", "net", "network", "encoder", "_forward_module", "student", "0")
CONTAINERS = ("state_dict", "model_state_dict", "model", "params", "weights", "net", "network", "module", "generator")
AVERAGES = (
    "ema",
    "model_ema",
    "ema_model",
    "state_dict_ema",
    "ema_state_dict",
    "averaged_model",
    "swa_model",
    "params_ema",
)


def stored(*shape: int) -> StoredTensor:
    return StoredTensor("float32", shape, lambda: torch.zeros(shape))


TENSORS = {key: stored(3, 4) for key in KEYS}
NUMBER = stored()


def prefixed(prefix: str, tensors: Mapping[str, StoredTensor] = TENSORS) -> dict[str, StoredTensor]:
    return {prefix + key: tensor for key, tensor in tensors.items()}


def found(groups: Mapping[tuple[str, ...], Mapping[str, StoredTensor]], weights: Kind | None = None) -> list[str]:
    return sorted(choose(states(groups), set(KEYS), weights).tensors)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(CONTAINERS), max_size=3), st.lists(st.sampled_from(WORDS), max_size=5))
def test_wrappers_in_any_order_and_number_are_taken_off(containers: list[str], words: list[str]) -> None:
    prefix = "".join(f"{word}." for word in words)
    chosen = choose(states({tuple(containers): prefixed(prefix)}), set(KEYS))
    assert sorted(chosen.tensors) == KEYS
    assert chosen.prefix == prefix
    assert chosen.notes == ((f"the prefix {prefix} is taken off the keys",) if prefix else ())


@pytest.mark.parametrize("lead", ["", "module.", "model._orig_mod."])
@pytest.mark.parametrize("word", ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_wrappers_of_single_layers_are_taken_off(word: str, lead: str) -> None:
    wrapped = {lead + re.sub(r"^(layer\d\.\d)\.", rf"\1.{word}.", key): tensor for key, tensor in TENSORS.items()}
    assert any(f".{word}." in key.removeprefix(lead) for key in wrapped)
    chosen = choose(states({(): wrapped}), set(KEYS))
    assert sorted(chosen.tensors) == KEYS
    assert chosen.prefix == lead


@pytest.mark.parametrize("place", AVERAGES)
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(("weights", "kind"), [(None, "ema"), ("ema", "ema"), ("raw", "raw")])
def test_of_raw_weights_and_their_average_one_is_chosen_and_said(
    place: str, apart: bool, weights: Kind | None, kind: Kind
) -> None:
    raw, average = {key: stored(1, 2) for key in KEYS}, {key: stored(2, 2) for key in KEYS}
    if apart:
        groups = {
            ("model",): prefixed("module.", raw),
            (place,): {"n_averaged": NUMBER, **prefixed("module.", average)},
        }
    else:
        groups = {(): {**prefixed("model.", raw), **prefixed(f"{place}.module.", average), f"{place}.decay": NUMBER}}
    chosen = choose(states(groups), set(KEYS), weights)
    assert {tensor.shape for tensor in chosen.tensors.values()} == {(2, 2) if kind == "ema" else (1, 2)}
    assert sorted(chosen.tensors) == KEYS
    assert re.match(f"the {'averaged' if kind == 'ema' else 'raw'} weights .* are taken; there are", chosen.notes[0])


@pytest.mark.parametrize("asked", ["raw", "ema"])
def test_weights_of_a_kind_that_is_not_there_are_refused(asked: Kind) -> None:
    groups = {("model",) if asked == "ema" else ("model_ema",): TENSORS}
    with pytest.raises(UsageError, match=f"weights: the file holds only {'raw' if asked == 'ema' else 'averaged'}"):
        choose(states(groups), set(KEYS), asked)


def test_an_average_alone_is_taken_without_being_asked_for() -> None:
    assert found({(): {"n_averaged": NUMBER, **prefixed("module.")}}) == KEYS
    assert found({(): prefixed("ema.module.")}) == KEYS


@pytest.mark.parametrize(
    "counter", ["n_averaged", "model_ema.num_updates", "decay", "layer1.total_ops", "total_params"]
)
def test_counters_are_dropped(counter: str) -> None:
    assert found({(): {counter: stored(1), **TENSORS}}) == KEYS


def test_a_layer_that_is_called_like_a_counter_is_kept() -> None:
    (state,) = states({(): {"decay": stored(64), "a": stored(3)}})
    assert "decay" in state.tensors


def test_what_has_another_prefix_is_left_out_and_said() -> None:
    chosen = choose(states({(): {"criterion.weight": stored(10), **prefixed("model.")}}), set(KEYS))
    assert sorted(chosen.tensors) == KEYS
    assert chosen.notes[-1] == "left out, without this prefix: criterion.weight"


def test_of_several_networks_the_one_that_fits_is_taken() -> None:
    other = {f"main.{i}.weight": stored(3) for i in range(200)}
    groups = {("generator",): other, ("classifier",): prefixed("module.")}
    assert found(groups) == KEYS
    assert "not those in generator" in choose(states(groups), set(KEYS)).notes[0]


def test_of_two_encoders_in_one_dictionary_the_first_is_taken() -> None:
    chosen = choose(states({(): {**prefixed("encoder_q."), **prefixed("encoder_k.")}}), set(KEYS))
    assert chosen.prefix == "encoder_q."


def test_a_network_whose_keys_share_a_word_keeps_it() -> None:
    keys = {f"features.{i}.weight" for i in range(9)}
    tensors = {key: stored(2) for key in keys}
    assert set(choose(states({(): tensors}), keys).tensors) == keys


@pytest.mark.parametrize("word", ["schema", "avgpool", "cinema", "emanate", "swap"])
def test_words_that_only_contain_one_for_an_average_are_none(word: str) -> None:
    assert not AVERAGED.search(word)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: torch.optim.swa_utils.AveragedModel(_module(state)).state_dict(),
        lambda state: torch.nn.DataParallel(_module(state)).state_dict(),
        lambda state: torch.compile(_module(state)).state_dict(),
        lambda state: {"state_dict": {f"model.{k}": v for k, v in state.items()}, "hyper_parameters": {"lr": 0.1}},
        lambda state: {"net": _module(state), "acc": 93.1, "epoch": 3},
    ],
    ids=["swa", "data_parallel", "compiled", "lightning", "module"],
)
def test_what_other_programs_write_is_read(wrap: Callable[[dict[str, Tensor]], object], tmp_path: Path) -> None:
    net = convsmith.create("torchvision/squeezenet1_1", classes=3)
    weights = convsmith.weights.to_library(net, convsmith.build(net).state_dict(), "torchvision")
    torch.save(wrap(weights), tmp_path / "file")
    found = read(tmp_path / "file", net)
    assert found.problems == ()
    assert torch.equal(found.weights["conv1.weight"], weights["features.0.weight"])


def _module(state: dict[str, Tensor]) -> torch.nn.Module:
    """A module with this state dict."""
    root = torch.nn.Module()
    for key, tensor in state.items():
        *path, name = key.split(".")
        place = root
        for word in path:
            if word not in place._modules:
                place.add_module(word, torch.nn.Module())
            place = place.get_submodule(word)
        place.register_parameter(name, torch.nn.Parameter(tensor))
    return root
