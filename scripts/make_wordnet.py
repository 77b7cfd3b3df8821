"""Makes the table of ImageNet's 1000 classes and all their ancestors from WordNet's own database.

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb FOLDER
    python scripts/make_wordnet.py FOLDER/usr/share/wordnet FOLDER/usr/share/doc/wordnet-base/copyright

The Debian package `wordnet-base` is WordNet 3.0, whose offsets are ImageNet's ids. Writes
`src/convsmith/wordnet/ilsvrc2012.tsv` and the licence beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from convsmith.weights.imagenet import synsets
from convsmith.wordnet.database import read_database
from convsmith.wordnet.shipped import LICENCE, TABLE, written

PACKAGE = Path(__file__).parents[1] / "src/convsmith/wordnet"


def main() -> None:
    whole = read_database(Path(sys.argv[1]))
    classes = [synset.wordnet_id for synset in synsets()]
    wanted = sorted(set().union(*(whole.ancestors(name) for name in classes)))
    (PACKAGE / TABLE).write_text(written(whole[name] for name in wanted), encoding="utf-8")
    terms = Path(sys.argv[2]).read_text(encoding="utf-8").partition("License: WordNet3.0\n")[2].partition("\n\n")[0]
    lines = (line.removeprefix(" ") for line in terms.splitlines())
    (PACKAGE / LICENCE).write_text("\n".join("" if line == "." else line for line in lines) + "\n", encoding="utf-8")
    print(f"{PACKAGE / TABLE}: {len(wanted)} synsets above {len(classes)} classes, them included")


if __name__ == "__main__":
    main()
