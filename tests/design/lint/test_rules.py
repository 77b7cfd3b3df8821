"""Each rule finds the fault of a network that was written to have it, and none in the network's mended twin."""

from __future__ import annotations

import pytest
from design_faults import FAULTS, Fault, network

from convsmith.design.lint import lint, rules

CASES = [pytest.param(fault, id=f"{fault.code}-{fault.nodes[0]}-{i}") for i, fault in enumerate(FAULTS)]


@pytest.mark.parametrize("fault", CASES)
def test_a_fault_is_found_at_its_layer(fault: Fault) -> None:
    found = [finding for finding in lint(network(fault.broken, fault.shape)) if finding.code == fault.code]
    assert len(found) == 1
    assert found[0].nodes[: len(fault.nodes)] == fault.nodes


@pytest.mark.parametrize("fault", CASES)
def test_the_mended_twin_has_no_fault_at_all(fault: Fault) -> None:
    assert lint(network(fault.mended, fault.shape)) == ()


def test_every_rule_about_networks_is_tried() -> None:
    asked = {rule.code for rule in rules() if not rule.code.startswith("CS7")}
    assert asked - {fault.code for fault in FAULTS} == {"CS100"}


def test_every_rule_says_why_and_by_whom() -> None:
    assert all(rule.rationale.endswith(".") and len(rule.source) > 5 for rule in rules())
    names = [rule.name for rule in rules()]
    assert len(set(names)) == len(names)
