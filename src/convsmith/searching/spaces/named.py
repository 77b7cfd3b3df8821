"""Spaces by name, for images of a size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convsmith.data.dataset import SMALL_SIDE
from convsmith.design.rules import stages_for, stride_for
from convsmith.errors import UnknownNameError, UsageError
from convsmith.network.dims import Shape
from convsmith.searching.spaces.space import Choice, Space, Value, read_space
from convsmith.transform.depth import repeatable_stages
from convsmith.zoo import create, models

WRITTEN = ("mbconv", "residual", "dense", "plain")

MNASNET_FILTERS = (16, 24, 40, 80, 96, 192, 320)
MNASNET_LAYERS = (1, 2, 3, 4, 3, 3, 1)
MNASNET_STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of MobileNetV2-like stages, around which MNASNet searches (Tan et al. 2019, section 4.1)."""

FILTER_SCALES = (0.25, 0.5, 0.75, 1.0, 1.25)
"""Of MNASNet's filters: the paper's, and two smaller ones."""

WIDTHS = (0.25, 0.375, 0.5, 0.625, 0.75, 1.0, 1.25)
"""Of a zoo network."""


def space_for(source: Space | str | Path | None, input: Shape, classes: int) -> Space:
    """The space that is meant, for images of shape (C, H, W): a value, a name, a zoo network's name, or a JSON file;
    None: "residual" for small images, whose members train several times as fast, else "mbconv".

    Raises UnknownNameError, UsageError.
    """
    if isinstance(source, Space):
        return source
    if source is None:
        source = "residual" if min(input[1:]) <= SMALL_SIDE else "mbconv"
    word = str(source)
    if word in WRITTEN:
        return _written(word, input)
    if Path(word).is_file() or word.endswith(".json"):
        return read_space(word)
    if word not in models():
        raise UnknownNameError("space", word, [*WRITTEN, *models()])
    return _of_zoo(word, input, classes)


def _of_zoo(name: str, input: Shape, classes: int) -> Space:
    """A zoo network at other widths, with one block up to twice as many in each stage."""
    net = create(name, classes=classes, input=input)
    lengths = [len(stage) for stage in repeatable_stages(net)]
    blocks = [Choice(f"blocks{stage}", _counts(2 * length)) for stage, length in enumerate(lengths, 1) if length > 1]
    return Space(name, "zoo", (Choice("width", WIDTHS), *blocks), name)


def _counts(most: int, steps: int = 5) -> tuple[int, ...]:
    """From 1 to `most`, not more than so many."""
    return tuple(sorted({round(1 + (most - 1) * step / (steps - 1)) for step in range(steps)}))


def _written(kind: str, input: Shape) -> Space:
    side = min(input[1:])
    if kind == "mbconv" and side > SMALL_SIDE:
        return _mnasnet()
    stem_stride = stride_for((input[1], input[2]))
    stages = stages_for((input[1], input[2]), stem_stride)
    head: dict[str, Sequence[Value]] = {"stem": (8, 16, 24, 32), "function": ("relu", "silu")}
    if kind == "plain":
        head = {"stem_kernel": (3, 5), "pooling": ("max", "mean"), "function": ("relu", "silu")}
    found: dict[str, Sequence[Value]] = dict(head)
    for stage in range(1, stages + 1):
        found |= {f"stage{stage}.{name}": values for name, values in _stage(kind, stage, stages).items()}
    return _space(kind, found, stem_stride)


def _space(kind: Any, values: Mapping[str, Sequence[Value]], stem_stride: int, strides: tuple[int, ...] = ()) -> Space:
    return Space(
        kind, kind, tuple(Choice(name, tuple(each)) for name, each in values.items()), "", stem_stride, strides
    )


def _stage(kind: str, stage: int, stages: int) -> dict[str, Sequence[Value]]:
    """The choices of one stage: filters double with each, as the designer's do."""
    filters = tuple(width * 2 ** (stage - 1) for width in (4, 8, 12, 16, 24, 32))
    match kind:
        case "mbconv":
            return {
                "kernel": (3, 5, 7),
                "expand": (1, 2, 3, 4, 6),
                "se": (0, 1),
                "skip": (0, 1),
                "filters": filters,
                "layers": (1, 2, 3, 4),
            }
        case "residual":
            return {"kernel": (3, 5), "se": (0, 1), "filters": filters, "layers": (1, 2, 3, 4)}
        case "dense":
            kept = (0.5, 0.75, 1.0) if stage < stages else (1.0,)
            return {"kernel": (3, 5), "growth": (4, 6, 8, 12, 16, 24), "layers": (2, 3, 4, 6, 8, 12), "kept": kept}
        case "plain":
            return {"kernel": (3, 5), "filters": filters, "layers": (1, 2, 3, 4)}
    raise UsageError(f"no space is named {kind}", settings="space")


def _mnasnet() -> Space:
    """MNASNet's, for images of about 224 pixels: 3x3 or 5x5, filters around MobileNetV2's, a block more or less."""
    found: dict[str, Sequence[Value]] = {"stem": (16, 24, 32), "function": ("relu",)}
    for stage, (filters, layers) in enumerate(zip(MNASNET_FILTERS, MNASNET_LAYERS, strict=True), 1):
        found |= {
            f"stage{stage}.kernel": (3, 5),
            f"stage{stage}.expand": (1, 3, 6),
            f"stage{stage}.se": (0, 1),
            f"stage{stage}.skip": (0, 1),
            f"stage{stage}.filters": tuple(sorted({max(8, round(filters * width / 8) * 8) for width in FILTER_SCALES})),
            f"stage{stage}.layers": tuple(sorted({max(1, layers + more) for more in (-1, 0, 1)})),
        }
    return _space("mbconv", found, 2, MNASNET_STRIDES)
