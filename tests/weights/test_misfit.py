"""Why weights do not fit is said, with few keys, the nearest first."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import convsmith
from convsmith.errors import ModelFileError
from convsmith.transform.width import scale_width
from convsmith.weights import import_weights, to_library

NAME = "torchvision/resnet18"
State = dict[str, Tensor]


def state_of(name: str, classes: int = 1000, width: float = 1.0) -> State:
    network = scale_width(convsmith.create(name, classes=classes), width)
    zeros = {key: torch.zeros(tuple(p.shape)) for key, p in network.parameters.items()}
    return to_library(network, zeros, name.partition("/")[0])


def quantized(state: State) -> State:
    return {**state, "fc.scale": torch.ones(1), "fc.zero_point": torch.zeros(1)}


def pruned(state: State) -> State:
    weight = state.pop("conv1.weight")
    return {**state, "conv1.weight_orig": weight, "conv1.weight_mask": weight}


def renamed(state: State) -> State:
    return {key.replace("layer", "stage_"): tensor for key, tensor in state.items()}


CASES: dict[str, tuple[Callable[[], object], str]] = {
    "another variant": (lambda: state_of("torchvision/resnet34"), r"it is torchvision/resnet34 .*: 1000 classes"),
    "another family": (lambda: state_of("torchvision/squeezenet1_1"), "it is torchvision/squeezenet1_1"),
    "another library": (lambda: state_of("timm/resnetv2_50"), "it is timm/resnetv2_50 .*names of timm"),
    "other classes": (lambda: state_of(NAME, 10), "its classifier has 10 classes, and 1000 are asked for"),
    "another width": (lambda: state_of(NAME, width=0.5), "it is torchvision/resnet18 .* 0.5 times as wide"),
    "quantized": (lambda: quantized(state_of(NAME)), "it is quantized"),
    "pruned": (lambda: pruned(state_of(NAME)), "it is pruned by masks"),
    "parametrized": (
        lambda: {**state_of(NAME), "conv1.weight_g": torch.ones(1), "conv1.weight_v": torch.ones(1)},
        "its weights are parametrized",
    ),
    "adapters": (lambda: {**state_of(NAME), "fc.lora_A.weight": torch.ones(1)}, "it holds LoRA adapters"),
    "renamed": (lambda: renamed(state_of(NAME)), "no network here has keys like these"),
    "another kind of network": (lambda: nn.LSTM(8, 2).state_dict(), "no network here has keys like these"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_likely_reason_is_said(case: str, tmp_path: Path) -> None:
    make, words = CASES[case]
    torch.save(make(), tmp_path / "file")
    with pytest.raises(ModelFileError, match=f"file: these torchvision weights do not fit {NAME}: {words}") as caught:
        import_weights(tmp_path / "file", NAME)
    keys = re.findall(r"missing |left over |has shape", str(caught.value))
    assert 0 < len(keys) <= 10
    assert "\n" not in str(caught.value)


def test_the_name_nearest_to_a_missing_one_is_said_with_it(tmp_path: Path) -> None:
    state = state_of(NAME)
    state["layer1.0.convolution1.weight"] = state.pop("layer1.0.conv1.weight")
    torch.save(state, tmp_path / "file")
    with pytest.raises(ModelFileError, match=r"missing layer1.0.conv1.weight \(nearest: layer1.0.convolution1.weight"):
        import_weights(tmp_path / "file", NAME)


def test_what_is_left_over_is_said_beside_what_is_missing(tmp_path: Path) -> None:
    torch.save(state_of("torchvision/squeezenet1_1"), tmp_path / "file")
    with pytest.raises(ModelFileError, match=r"missing conv1\.weight.*; left over features.*; and \d+ more$") as caught:
        import_weights(tmp_path / "file", NAME)
    assert str(caught.value).count("left over") == 5
