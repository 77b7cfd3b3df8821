"""One record for each library and family, and that all of them hold together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convsmith import create
from convsmith.errors import UnknownNameError, UsageError
from convsmith.network import Origin
from convsmith.transform.width import scale_width
from convsmith.zoo import find
from convsmith.zoo.libraries import LIBRARIES, NAMES, RECORDS, record_for
from convsmith.zoo.libraries.library_family import LibraryFamily
from convsmith.zoo.registry import VARIANTS

FAMILIES = {variant.family_name for variant in VARIANTS.values()}
records = pytest.mark.parametrize("record", RECORDS.values(), ids=lambda r: f"{r.library}-{r.family}")


@records
def test_a_record_is_of_one_family(record: LibraryFamily) -> None:
    assert record.family in FAMILIES
    assert {VARIANTS[alias.variant].family_name for alias in record.names.values()} <= {record.family}


@records
def test_a_record_has_names_or_says_whose_networks_its_weights_are_for(record: LibraryFamily) -> None:
    assert bool(record.names) == (record.library in LIBRARIES)
    assert bool(record.names) != bool(record.weights_of)


@records
def test_every_layer_with_parameters_has_keys_of_its_own(record: LibraryFamily) -> None:
    names = [f"{record.library}/{name}" for name in record.names] or ["timm/tf_efficientnet_lite0"]
    for name in (names[0], names[-1]):
        net = create(name)
        prefixes = record.prefixes(net)
        learned = [prefixes[node.name] for node in net if net.parameters_of(node)]
        assert len(set(learned)) == len(learned)


@records
def test_layers_kept_as_convolutions_are_layers_of_the_family(record: LibraryFamily) -> None:
    for alias in record.names.values():
        layers = {node.name for node in create(alias.variant)}
        assert set(record.convolutions) <= layers


def test_a_name_is_in_one_record_and_in_its_librarys_place() -> None:
    assert len(NAMES) == sum(len(record.names) for record in RECORDS.values())
    order = [name.partition("/")[0] for name in NAMES]
    assert order == sorted(order, key=LIBRARIES.index)


def test_a_name_may_have_another_dialect_than_its_family() -> None:
    assert find("timm/tf_efficientnet_b0")[1].same_padding
    assert not find("timm/efficientnet_b0")[1].same_padding
    assert find("torchvision/efficientnet_b7")[1].norm_eps == 1e-3
    assert find("torchvision/efficientnet_b0")[1].norm_eps == 1e-5


def test_the_record_is_found_by_family_whatever_the_width() -> None:
    net = scale_width(create("resnet18"), 0.5)
    assert record_for("timm", net) is RECORDS["timm", "resnet"]


def test_a_library_that_is_not_known_or_lacks_the_family_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown library 'kerass'; nearest: keras"):
        record_for("kerass", create("resnet18"))
    with pytest.raises(UsageError, match="torchvision has no known counterpart of lenet5"):
        record_for("torchvision", create("lenet5"))


@pytest.mark.parametrize("family", ["nasnet", "inception_v4", "inception_resnet_v2_slim"])
def test_a_file_with_another_familys_origin_is_refused(family: str) -> None:
    net = replace(create("lenet5"), origin=Origin("lenet5", family, "lenet5"))
    with pytest.raises(UsageError, match=f"lenet5 is not built like the networks of the family {family}"):
        record_for("timm", net).prefixes(net)
