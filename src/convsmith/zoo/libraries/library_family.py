"""All that convsmith knows of one family in one library, in one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from convsmith.network.dialect import PLAIN, Dialect
from convsmith.network.dims import Shape
from convsmith.network.network import Network
from convsmith.network.preprocess import Order

LayerNames = Callable[[Network], dict[str, str]]
"""From a network to {our node's name: the prefix of its keys in the library's checkpoints}."""


@dataclass(frozen=True, slots=True)
class Alias:
    """What a library means by a name: one of our variants, hyperparameters set otherwise, and perhaps its own input.

    `dialect` is for a name that is written in another dialect than its family.
    """

    variant: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    input: Shape | None = None
    dialect: Dialect | None = None


@dataclass(frozen=True, slots=True)
class Normalization:
    """What is subtracted from pixels between 0 and 1, and what they are then divided by, for each channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    order: Order = "RGB"


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The mean and standard deviation of ImageNet's pixels; mode "torch" of `keras.applications`."""
HALVES = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Pixels from -1 to 1; mode "tf" of `keras.applications`."""
CAFFE = Normalization((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255, 1 / 255, 1 / 255), order="BGR")
"""Pixels from 0 to 255 less ImageNet's mean, blue first; mode "caffe" of `keras.applications`."""
RAW = Normalization((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
"""Pixels from 0 to 255, for networks that normalize by themselves."""


@dataclass(frozen=True, eq=False)
class LibraryFamily:
    """One family of ours in one library.

    - `family` is the name of the family's function, and `names` are the library's names for its networks.
    - `layer_names` gives the prefixes of the keys in the library's checkpoints, by our layers' names.
    - `dialect` is what the library means where the paper is silent.
    - `normalization` is how the library prepares images for the family, where nothing else is known of the weights.
    - `convolutions` are dense layers of ours that the library keeps as 1x1 convolutions, or ones as large as the map.
    - `shortcut_first` says that the library's sums name the shortcut before the residual; ours name it after.
    - `old_keys` are (pattern, replacement) of keys that published checkpoints have, and the library renames on loading.
    - `weights_of` is for packages that have no names of their own: whose networks their weights fit, as a pattern.
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


class LibraryName(NamedTuple):
    """A library's name for a network, and the record that it stands in."""

    record: LibraryFamily
    alias: Alias

    @property
    def dialect(self) -> Dialect:
        """What the network is written in."""
        return self.record.dialect if self.alias.dialect is None else self.alias.dialect
