"""What torchvision, timm and Keras have of our families: one record for each library and family.

`convsmith.zoo` loads this package when it is first asked about a library: our own networks do not need it.
"""

from __future__ import annotations

from collections.abc import Mapping

from convsmith.errors import UnknownNameError, UsageError
from convsmith.network.network import Network
from convsmith.zoo.libraries import (
    alexnet_and_vgg,
    densenets,
    efficientnets,
    inceptions,
    mobilenets,
    nasnets,
    nfnets,
    resnets,
    shufflenets,
    squeezenets,
    xceptions,
)
from convsmith.zoo.libraries.library_family import LibraryFamily, LibraryName
from convsmith.zoo.registry import origin_of

LIBRARIES = ("torchvision", "timm", "keras")
"""Libraries with names for networks; `RECORDS` also has packages that hold weights for them."""

_GROUPS = (
    alexnet_and_vgg,
    resnets,
    nfnets,
    densenets,
    inceptions,
    xceptions,
    mobilenets,
    shufflenets,
    squeezenets,
    nasnets,
    efficientnets,
)

RECORDS: Mapping[tuple[str, str], LibraryFamily] = {
    (record.library, record.family): record for group in _GROUPS for record in group.RECORDS
}
"""By library and family."""

NAMES: Mapping[str, LibraryName] = {
    f"{library}/{name}": LibraryName(record, alias)
    for library in LIBRARIES
    for record in RECORDS.values()
    if record.library == library
    for name, alias in record.names.items()
}
"""By "library/name", in the order of the libraries."""


def record_for(library: str, network: Network) -> LibraryFamily:
    """What is known about a network's family in a library.

    Raises UnknownNameError for another library, UsageError where the library does not have the family.
    """
    known = list(dict.fromkeys(library for library, _ in RECORDS))
    if library not in known:
        raise UnknownNameError("library", library, known)
    origin = origin_of(network)
    record = RECORDS.get((library, origin.family)) if origin else None
    if record is None:
        raise UsageError(f"{library} has no known counterpart of {network.name}")
    return record


BIASES = "the library's convolutions have biases before their norms, and its weights hold them"
NO_DROP = "the library's dropout layer stays at 0 unless a rate is asked for"


def departures_in(name: str) -> dict[str, str]:
    """Why a library's network breaks rules that its paper keeps, by the codes of `convsmith lint`."""
    entry = NAMES.get(name)
    if entry is None:
        return {}
    biased = {"CS401": BIASES} if entry.dialect.bias_before_norm else {}
    return biased | ({"CS602": NO_DROP} if entry.alias.hyperparameters.get("drop") == 0 else {})
