"""Makes a set of animals that a classifier of ImageNet can be asked about: emoji whose names are nouns of WordNet.

    python scripts/emoji_animals.py FOLDER
    convsmith hierarchy efficientnet_pytorch/efficientnet_lite0 FOLDER/animals.csv

Of three vendors' artwork, from npm (see fetch_emoji.py), those whose name is a kind of animal that ImageNet's classes
are below or among. A class is called by its WordNet id, for "mouse" is also a device.
"""

from __future__ import annotations

import csv
import json
import sys
import tarfile
from pathlib import Path

from fetch_emoji import SPLITS, package

from convsmith.errors import ConvsmithError
from convsmith.wordnet import Meanings, shipped

ANIMAL = "n00015388"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    rows = [row for vendor in SPLITS for row in unpack(vendor, folder)]
    with (folder / "animals.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "class"), *rows])
    print(f"{folder / 'animals.csv'}: {len(rows)} images of {len({name for _, name in rows})} animals")


def unpack(vendor: str, folder: Path) -> list[tuple[str, str]]:
    """Writes a vendor's images of animals; (path, class) of each."""
    rows = []
    (folder / "animals" / vendor).mkdir(parents=True, exist_ok=True)
    with tarfile.open(package(vendor, folder / "packages")) as archive:
        described = archive.extractfile("package/emoji.json")
        assert described is not None
        for emoji in json.load(described):
            wordnet_id = animal(emoji["short_name"]) if emoji["subcategory"].startswith("animal") else None
            if wordnet_id and emoji[f"has_img_{vendor}"]:
                image = archive.extractfile(f"package/img/{vendor}/64/{emoji['image']}")
                assert image is not None
                path = Path("animals") / vendor / f"{emoji['unified'].lower()}.png"
                (folder / path).write_bytes(image.read())
                rows.append((str(path), wordnet_id))
    return rows


def animal(name: str) -> str | None:
    """The id of the animal that an emoji is called by, if it is one."""
    try:
        found = Meanings(shipped()).of(name.removesuffix("_face").rstrip("2"))
    except ConvsmithError:
        return None
    return found if ANIMAL in shipped().ancestors(found) else None


if __name__ == "__main__":
    main()
