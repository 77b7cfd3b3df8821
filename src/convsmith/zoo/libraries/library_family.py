"""Everything that convsmith knows about one family in one library, in one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from convsmith.errors import UsageError
from convsmith.network.dialect import PLAIN, Dialect
from convsmith.network.dims import Shape
from convsmith.network.network import Network
from convsmith.network.preprocess import Order

LayerNames = Callable[[Network], dict[str, str]]
"""From a network to {our node's name: the prefix of its keys in the library's checkpoints}."""


@dataclass(frozen=True, slots=True)
class Alias:
    """What a library means by a name: one of our variants, with other hyperparameters and another input perhaps.

    `dialect` is for a name whose dialect is not that of its family.
    """

    variant: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    input: Shape | None = None
    dialect: Dialect | None = None


@dataclass(frozen=True, slots=True)
class Normalization:
    """What is subtracted from values between 0 and 1, and what they are then divided by, for each channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    order: Order = "RGB"


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The mean and standard deviation of ImageNet's pixels; mode "torch" of `keras.applications`."""
HALVES = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Values from -1 to 1; mode "tf" of `keras.applications`."""
CAFFE = Normalization((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255, 1 / 255, 1 / 255), order="BGR")
"""Values from 0 to 255 less ImageNet's mean, blue first; mode "caffe" of `keras.applications`."""
RAW = Normalization((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
"""Values from 0 to 255, for networks that normalize them by themselves."""


@dataclass(frozen=True, eq=False)
class LibraryFamily:
    """One family of ours in one library.

    - `family` is the name of the family's function, and `names` are the library's names for its networks.
    - `layer_names` gives the prefixes of the keys in the library's checkpoints, by our layers' names.
    - `dialect` is what the library does where the paper is silent.
    - `normalization` is how the library normalizes images for the family, where nothing is known of the weights.
    - `convolutions` are dense layers of ours that the library has as convolutions.
    - `shortcut_first` says that the library's sums take the shortcut before the residual; ours take it after.
    - `old_keys` are (pattern, replacement) for keys of published checkpoints that the library renames on loading.
    - `weights_of` is for a package that has weights but no names: a pattern of the names that its weights fit.
    """

    library: str
    family: str
    layer_names: LayerNames
    names: Mapping[str, Alias] = field(default_factory=dict)
    dialect: Dialect = PLAIN
    normalization: Normalization = IMAGENET
    convolutions: tuple[str, ...] = ()
    shortcut_first: bool = False
    old_keys: tuple[tuple[str, str], ...] = ()
    weights_of: str = ""

    def prefixes(self, network: Network) -> dict[str, str]:
        """The prefix of the library's keys for each layer, by our names.

        Raises UsageError for a network that is not built as the family is, whatever its origin says.
        """
        try:
            return self.layer_names(network)
        except (KeyError, ValueError):
            raise UsageError(
                f"{network.name} is not built like the networks of the family {self.family}, which it is said to be of"
            ) from None


class LibraryName(NamedTuple):
    """A library's name for a network, with the record that holds it."""

    record: LibraryFamily
    alias: Alias

    @property
    def dialect(self) -> Dialect:
        """The dialect that the network is written in."""
        return self.record.dialect if self.alias.dialect is None else self.alias.dialect
