"""What is mended gives the same logits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from design_faults import FAULTS, Fault, network

import convsmith
from convsmith.design.lint import lint, mended, mended_model, rules
from convsmith.model import Model
from convsmith.network import Network, Preprocess

FIXABLE = {rule.code for rule in rules() if rule.fixable}
CASES = [
    pytest.param(fault, id=f"{fault.code}-{fault.nodes[0]}-{i}")
    for i, fault in enumerate(FAULTS)
    if fault.code in FIXABLE
]


def model_of(net: Network) -> Model:
    """With weights and statistics that are not those of a fresh network."""
    module = convsmith.build(net, seed=1)
    generator = torch.Generator().manual_seed(2)
    weights = {key: tensor.clone() for key, tensor in module.state_dict().items() if key in net.parameters}
    for key, tensor in weights.items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif key.endswith(("bias", "running_mean")):
            tensor.normal_(0, 0.3, generator=generator)
    side = net.input[1]
    return Model(net, weights, tuple("0123456789"), Preprocess(3, (side, side), side, (0.5,) * 3, (0.5,) * 3))


def logits(model: Model) -> torch.Tensor:
    images = torch.rand(2, *model.network.input, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return model.module()(images)


@pytest.mark.parametrize("fault", [case for case in CASES if case.values[0].code != "CS505"])
def test_a_mended_model_gives_the_same_logits(fault: Fault) -> None:
    before = model_of(replace(network(fault.broken, fault.shape)))
    if before.network.classes != 10:
        before = replace(before, classes=tuple(map(str, range(before.network.classes))))
    after, done = mended_model(before)
    assert fault.code in {finding.code for finding in done}
    torch.testing.assert_close(logits(after), logits(before), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fault", CASES)
def test_nothing_that_can_be_fixed_is_left(fault: Fault) -> None:
    net, done = mended(network(fault.broken, fault.shape))
    assert done
    assert [finding for finding in lint(net) if finding.fixable] == []


def test_without_its_softmax_a_network_gives_the_logits_that_went_in() -> None:
    fault = next(fault for fault in FAULTS if fault.code == "CS505")
    before = model_of(network(fault.broken))
    after, _ = mended_model(before)
    torch.testing.assert_close(logits(after).softmax(dim=1), logits(before))


def test_what_a_card_explains_is_left_as_the_paper_has_it() -> None:
    net = convsmith.create("vgg16_bn")
    assert mended(net) == (net, ())


def test_a_mended_zoo_network_no_longer_passes_for_what_its_name_says() -> None:
    net = convsmith.create("resnet20")
    dead = replace(net["conv1"], name="dead")
    fixed, done = mended(replace(net, nodes=(*net.nodes, dead)))
    assert fixed == net
    assert [finding.code for finding in done] == ["CS601"]
    assert fixed.origin is not None
    assert not fixed.origin.as_named


def test_only_selected_faults_are_mended() -> None:
    fault = next(fault for fault in FAULTS if fault.code == "CS401")
    net = network(fault.broken)
    assert mended(net, ignore=["CS4"]) == (net, ())
