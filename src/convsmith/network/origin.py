"""Where a network comes from: its family, and the settings in which it differs from what its name says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from convsmith.errors import UsageError

Setting = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Origin:
    """The provenance of a network, kept in its JSON and by transforms that leave it what it is.

    - `name` is what `convsmith.create` takes, without a width: "torchvision/resnet50". A library may have two names for
      one variant.
    - `family` is the name of the family's function ("resnet"), `variant` that of our network ("resnet50_v1_5"), and
      `library` whose name it is ("torchvision"; empty for our own).
    - `settings` are what makes the network differ from its name: hyperparameters, and transforms by the name of their
      function (`scale_width`). The number of classes and the input's size are not among them.
    """

    name: str
    family: str
    variant: str
    library: str = ""
    settings: tuple[tuple[str, Setting], ...] = ()

    @property
    def as_named(self) -> bool:
        """Whether the network is what its name says, so that what was published for the name holds for it."""
        return not self.settings

    def setting(self, key: str) -> Setting | None:
        """What was set, or None if the name's own value stands."""
        return dict(self.settings).get(key)

    def with_setting(self, key: str, value: Setting) -> Origin:
        """The same with one more setting, or another value of it."""
        return replace(self, settings=tuple({**dict(self.settings), key: value}.items()))

    def to_json(self) -> dict[str, Any]:
        """A JSON value; what is empty is left out."""
        data = {**asdict(self), "settings": [list(pair) for pair in self.settings]}
        return {key: value for key, value in data.items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Raises UsageError for anything that `to_json` does not write."""
        import msgspec  # `convsmith show resnet50` reads no JSON and should not wait for this

        try:
            origin = msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise UsageError(f"not a network: its origin is damaged ({error})") from None
        if not all(text.isprintable() for text in (origin.name, origin.family, origin.variant, origin.library)):
            raise UsageError("not a network: its origin has a name that cannot be printed")
        return origin
