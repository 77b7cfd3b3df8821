"""Claim: of faults planted in copies of real sets, `convsmith inspect` finds every exact duplicate across splits, every
corrupt file and every class mismatch; at least 90% of near-duplicates at 99% precision; and at least 60% of wrong
labels at 60% precision.

    python benchmarks/doctor.py [fashion-mnist|fashion-mini|digits ...] [--images N] [--seed N]

Each set is written out as PNG files in train and test. Then copies of training images are put into test, byte for byte
(5% of all images) and as near-copies (3%: recompressed, resized, shifted by a pixel, brighter or darker, in turn); 5%
of all labels are changed to another class at random, 20 files are corrupted, and one class is taken out of test.

A near-duplicate that was not planted counts as a false alarm, unless the two images correlate by OWN at least, pixel by
pixel as they are: these are one picture that the set itself has twice (Fashion-MNIST has the same trousers and bags in
two shades of grey), and they are counted apart.

cleanvision and cleanlab run in the same process where they are installed. They are not dependencies; to have them:

    python -m venv --system-site-packages peers && peers/bin/pip install cleanvision cleanlab

cleanvision sees the same files, cleanlab's `find_label_issues` the same cross-validated probabilities.
"""

from __future__ import annotations

import argparse
import io
import platform
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from convsmith import inspect, open_dataset
from convsmith.doctor.inspection import Inspection

EXACT, NEAR, WRONG, CORRUPT = 0.05, 0.03, 0.05, 20
OWN = 0.995
KINDS = ("recompressed", "resized", "shifted", "brighter", "darker")
TRAIN_SHARE = 0.8


@dataclass
class Planted:
    """What was planted, by file relative to the folder: pairs of copies, near copies by kind, wrong labels with the
    true class, corrupt files, and the class that test lacks."""

    exact: set[tuple[str, str]] = field(default_factory=set)
    near: dict[tuple[str, str], str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    corrupt: set[str] = field(default_factory=set)
    missing: str = ""


def near_copy(image: Image.Image, kind: str, random: np.random.Generator) -> Image.Image:
    """What becomes of an image that is saved again elsewhere."""
    if kind == "recompressed":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(random.integers(50, 91)))
        return Image.open(file).copy()
    if kind == "resized":
        scale = float(random.choice([0.75, 1.25, 1.5, 2.0]))
        size = round(image.width * scale), round(image.height * scale)
        return image.resize(size, Image.Resampling.BICUBIC)
    if kind == "shifted":
        down, across = [(0, 1), (1, 0), (0, -1), (-1, 0), (1, 1)][int(random.integers(5))]
        pixels = np.pad(np.asarray(image), [(1, 1), (1, 1)] + [(0, 0)] * (np.ndim(image) - 2), "edge")
        return Image.fromarray(np.roll(pixels, (down, across), (0, 1))[1:-1, 1:-1])
    return ImageEnhance.Brightness(image).enhance(1.2 if kind == "brighter" else 0.8)


def plant(name: str, folder: Path, images: int, seed: int) -> Planted:
    """Writes a copy of a set to `folder`, with faults; classes are numbered, so that their names fit any system."""
    random, planted = np.random.default_rng(seed), Planted()
    dataset = open_dataset(name, seed=None)
    pixels = np.concatenate([split.images.array[..., 0] for split in dataset.splits.values()])
    labels = np.concatenate([split.labels for split in dataset.splits.values()])
    rows = random.permutation(len(labels))[:images]
    pixels, labels = pixels[rows], labels[rows]
    in_train = np.arange(len(rows)) < TRAIN_SHARE * len(rows)
    planted.missing = "class-0"
    said = labels.copy()
    wrong = random.choice(len(rows), round(WRONG * len(rows)), replace=False)
    said[wrong] = (said[wrong] + random.integers(1, len(dataset.classes), len(wrong))) % len(dataset.classes)
    kept = in_train | (said != 0)
    names = {}
    for row in np.flatnonzero(kept).tolist():
        file = f"{'train' if in_train[row] else 'test'}/class-{said[row]}/{row:06}.png"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[row]).save(folder / file)
        names[row] = file
    planted.wrong = {names[row]: f"class-{labels[row]}" for row in wrong.tolist() if row in names}
    _copies(folder, planted, names, said, random)
    clean = sorted(set(names.values()) - {file for pair in (*planted.exact, *planted.near) for file in pair})
    for file in random.choice(clean, CORRUPT, replace=False).tolist():
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2] if random.random() < 0.5 else b"not an image" * 20)
        planted.corrupt.add(file)
        planted.wrong.pop(file, None)
    return planted


def _copies(
    folder: Path, planted: Planted, names: dict[int, str], said: NDArray[np.int64], random: np.random.Generator
) -> None:
    """Copies of training images in test: not of wrongly labelled ones, nor of the class that test lacks."""
    good = [r for r, f in names.items() if f.startswith("train") and said[r] != 0 and f not in planted.wrong]
    count = len(names)
    chosen = random.choice(good, round(EXACT * count) + round(NEAR * count), replace=False).tolist()
    for number, row in enumerate(chosen):
        source, exact = names[row], number < round(EXACT * count)
        target = f"test/class-{said[row]}/{'copy' if exact else 'near'}-{row:06}.png"
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        if exact:
            (folder / target).write_bytes((folder / source).read_bytes())
            planted.exact.add((source, target))
        else:
            kind = KINDS[number % len(KINDS)]
            near_copy(Image.open(folder / source), kind, random).save(folder / target)
            planted.near[source, target] = kind


@dataclass(frozen=True)
class Score:
    """Of `planted` faults `found`, among `flagged`."""

    planted: int
    found: int
    flagged: int

    @property
    def recall(self) -> float:
        return self.found / max(1, self.planted)

    @property
    def precision(self) -> float:
        return self.found / self.flagged if self.flagged else 1.0

    def __str__(self) -> str:
        return f"{self.planted:>8,} {self.found:>8,} {self.flagged:>8,} {self.recall:>8.1%} {self.precision:>10.1%}"


def scores(inspection: Inspection, planted: Planted, folder: Path) -> dict[str, Score]:
    """What was found of what was planted."""

    def name(row: int) -> str:
        return str(Path(inspection.subject.name_of(row)).relative_to(folder))

    def flagged(code: str) -> set[str]:
        issue = inspection.issue(code)
        return set() if issue is None else {str(Path(e.name).relative_to(folder)) for e in issue.examples}

    groups = [{name(row) for row in rows.tolist()} for rows in inspection.copies.groups()]
    exact = {pair for pair in planted.exact if any(set(pair) <= group for group in groups)}
    extra = sum(len(group) - 1 for group in groups)
    pairs = {tuple(sorted((name(one), name(other)))) for one, other in inspection.copies.near.tolist()}
    near = {tuple(sorted(pair)) for pair in planted.near}
    own = {pair for pair in pairs - near if correlation(*(folder / file for file in pair)) >= OWN}
    wrong, unreadable, missing = flagged("wrong-label"), flagged("unreadable"), inspection.issue("missing-class")
    absent = {example.name for example in missing.examples} if missing else set()
    found = {
        "exact duplicates": Score(len(planted.exact), len(exact), extra),
        "near-duplicates": Score(len(near), len(pairs & near), len(pairs - own)),
        "  of the set itself": Score(len(own), len(own), len(own)),
        "wrong labels": Score(len(planted.wrong), len(wrong & set(planted.wrong)), len(wrong)),
        "corrupt files": Score(len(planted.corrupt), len(unreadable & planted.corrupt), len(unreadable)),
        "missing classes": Score(1, len(absent & {planted.missing}), len(absent)),
    }
    for kind in KINDS:
        of_kind = {tuple(sorted(pair)) for pair, how in planted.near.items() if how == kind}
        found[f"  {kind}"] = Score(len(of_kind), len(of_kind & pairs), len(of_kind & pairs))
    return found


def correlation(one: Path, other: Path) -> float:
    """Of two images pixel by pixel, as they are; 0 if their sizes differ."""
    pixels = [np.asarray(Image.open(file).convert("L"), np.float64).ravel() for file in (one, other)]
    return float(np.corrcoef(*pixels)[0, 1]) if pixels[0].shape == pixels[1].shape else 0.0


LIMITS = {
    "exact duplicates": (1, 0),
    "corrupt files": (1, 1),
    "missing classes": (1, 1),
    "near-duplicates": (0.9, 0.99),
    "wrong labels": (0.6, 0.6),
}
"""Least recall and precision of the claim."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=["fashion-mnist", "digits"])
    parser.add_argument("--images", type=int, default=70_000, help="of each set, at most")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, seed {asked.seed}")
    for name in asked.sets:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place).resolve()
            planted = plant(name, folder, asked.images, asked.seed)
            began = time.monotonic()
            inspection = inspect(folder)
            took = time.monotonic() - began
            print(f"\n{name}: {len(inspection.subject):,} images, {took:.0f} s")
            print(f"{'':<18} {'planted':>8} {'found':>8} {'flagged':>8} {'recall':>8} {'precision':>10}")
            for what, score in scores(inspection, planted, folder).items():
                least = LIMITS.get(what)
                met = least is None or (score.recall >= least[0] and score.precision >= least[1])
                print(f"{what:<18} {score}{'' if met else '  NOT MET'}")
            peers(folder, planted, inspection)


def peers(folder: Path, planted: Planted, inspection: Inspection) -> None:
    """The same by cleanvision and cleanlab, where they are installed."""
    try:
        from cleanvision import Imagelab
    except ImportError:
        print("cleanvision: not installed, left out")
    else:
        _cleanvision(Imagelab, folder, planted)
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        print("cleanlab: not installed, left out")
    else:
        _cleanlab(find_label_issues, folder, planted, inspection)


def _cleanvision(imagelab: type, folder: Path, planted: Planted) -> None:
    files = [
        str(file) for file in sorted(folder.rglob("*.png")) if str(file.relative_to(folder)) not in planted.corrupt
    ]
    began = time.monotonic()
    lab = imagelab(filepaths=files)  # it stops at a corrupt file, so it is spared them
    lab.find_issues(n_jobs=1, verbose=False)
    took = time.monotonic() - began
    for what, key, wanted in (
        ("exact duplicates", "exact_duplicates", planted.exact),
        ("near-duplicates", "near_duplicates", set(planted.near)),
    ):
        sets = [{str(Path(f).relative_to(folder)) for f in group} for group in lab.info[key]["sets"]]
        found = sum(any(set(pair) <= group for group in sets) for pair in wanted)
        print(f"{'cleanvision: ' + what:<31} {Score(len(wanted), found, sum(len(group) - 1 for group in sets))}")
    print(f"cleanvision took {took:.0f} s")


def _cleanlab(find_label_issues: object, folder: Path, planted: Planted, inspection: Inspection) -> None:
    from convsmith.doctor.checks.labels import cross_validated
    from convsmith.doctor.embedding import embed

    subject = inspection.subject
    assert subject.labels is not None
    began = time.monotonic()
    probabilities = cross_validated(embed(subject.images).values, subject.labels)
    found = find_label_issues(subject.labels, probabilities, return_indices_ranked_by="self_confidence")  # type: ignore[operator]
    names = {str(Path(subject.name_of(row)).relative_to(folder)) for row in found.tolist()}
    took = time.monotonic() - began
    print(f"{'cleanlab: wrong labels':<31} {Score(len(planted.wrong), len(names & set(planted.wrong)), len(names))}")
    print(f"cleanlab took {took:.0f} s, our features included")


if __name__ == "__main__":
    main()
