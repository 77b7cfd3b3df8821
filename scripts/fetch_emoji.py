"""Makes a small set of colour images, emoji artwork of 64x64 in ten classes: two vendors to train on, a third to test.

    python scripts/fetch_emoji.py FOLDER

The npm packages emoji-datasource-twitter, -google and -facebook (240 MB) are packed by npm into FOLDER/packages, if
they are not there yet. FOLDER gets the images and `emoji.csv`, which convsmith reads. The classes are ten of Unicode's
subcategories. The artwork is Twitter's (CC-BY 4.0), Google's (Apache 2.0) and Facebook's; it is not part of convsmith.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

VERSION = "16.0.0"
SPLITS = {"twitter": "train", "google": "train", "facebook": "test"}
CLASSES = (
    "animal-bird",
    "animal-mammal",
    "clothing",
    "drink",
    "food-fruit",
    "food-prepared",
    "place-building",
    "sky & weather",
    "tool",
    "transport-ground",
)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    rows = [row for vendor in SPLITS for row in unpack(vendor, folder)]
    text = io.StringIO()
    csv.writer(text).writerows([("path", "class", "split"), *rows])
    (folder / "emoji.csv").write_text(text.getvalue())
    print(f"{folder / 'emoji.csv'}: {len(rows)} images")


def unpack(vendor: str, folder: Path) -> list[tuple[str, str, str]]:
    """Writes a vendor's images of the ten classes; (path, class, split) of each."""
    rows = []
    (folder / vendor).mkdir(parents=True, exist_ok=True)
    with tarfile.open(package(vendor, folder / "packages")) as archive:
        described = archive.extractfile("package/emoji.json")
        assert described is not None
        for emoji in json.load(described):
            if emoji["subcategory"] in CLASSES and all(emoji[f"has_img_{v}"] for v in SPLITS):
                image = archive.extractfile(f"package/img/{vendor}/64/{emoji['image']}")
                assert image is not None
                path = Path(vendor) / f"{emoji['unified'].lower()}.png"
                (folder / path).write_bytes(image.read())
                rows.append((str(path), emoji["subcategory"], SPLITS[vendor]))
    return rows


def package(vendor: str, packages: Path) -> Path:
    """The npm package's archive."""
    path = packages / f"emoji-datasource-{vendor}-{VERSION}.tgz"
    if not path.exists():
        packages.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", f"emoji-datasource-{vendor}@{VERSION}"], cwd=packages, check=True)
    return path


if __name__ == "__main__":
    main()
