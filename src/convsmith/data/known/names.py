"""Data sets that are known by name. Each is a folder of IDX files, bundled, installed or fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convsmith.data.sources.idx import is_idx, read_idx
from convsmith.data.sources.listing import Listing
from convsmith.download import cache
from convsmith.errors import DataError

BUNDLED = Path(__file__).parent / "bundled"
DEBIAN = Path("/usr/share/datasets")
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class NamedSet:
    """A known data set: what it is, its classes in the order of its labels, where else than in the cache it may be."""

    name: str
    about: str
    classes: tuple[str, ...]
    installed: Path | None = None

    def folder(self) -> Path | None:
        """Where it is on this machine; None if it has to be fetched."""
        folders = [cached(self.name)] if self.installed is None else [self.installed, cached(self.name)]
        return next((folder for folder in folders if is_idx(folder)), None)


NAMED = {
    known.name: known
    for known in (
        NamedSet(
            "fashion-mini",
            "12,000 pictures of clothes, 28x28 grey, out of Fashion-MNIST; comes with convsmith",
            CLOTHES,
            BUNDLED / "fashion-mini",
        ),
        NamedSet(
            "fashion-mnist",
            "70,000 pictures of clothes, 28x28 grey (Xiao et al. 2017)",
            CLOTHES,
            DEBIAN / "fashion-mnist",
        ),
        NamedSet("digits", "10,000 handwritten digits, 28x28 grey, out of MNIST", DIGITS),
        NamedSet("mnist", "70,000 handwritten digits, 28x28 grey (LeCun et al. 1998)", DIGITS),
    )
}


def cached(name: str) -> Path:
    """The folder in the user's cache where a fetched data set lies."""
    return cache("datasets") / name


def read_named(name: str) -> Listing:
    """Reads a data set of `NAMED`. Raises DataError if it is not on this machine yet."""
    known = NAMED[name]
    folder = known.folder()
    if folder is None:
        raise DataError(f"{name} is not on this machine yet; get it with: convsmith data fetch {name}")
    return read_idx(folder, known.classes, name)
