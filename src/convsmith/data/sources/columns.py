"""Which columns of a Parquet image set hold the images and their labels, by their types and by what the Hugging Face
hub writes into the schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsmith.data.images import is_control
from convsmith.data.sources.tables.manifest import CLASS_COLUMNS, PATH_COLUMNS
from convsmith.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

HUB = b"huggingface"
IMAGE_NAMES = ("image", "img")


@dataclass(frozen=True)
class Columns:
    """The columns `image` and `label`; `classes` are the names that the labels count, None where they are the names."""

    image: str
    label: str
    classes: tuple[str, ...] | None


def image_column(schema: pa.Schema) -> str | None:
    """The column that holds image files' bytes: structs with `bytes`, as the hub has them, or else binary.

    Of several, one that is called image or img, else the first. None if there is none, as in a manifest: a table with
    paths is one, whatever bytes it has under another name.
    """
    import pyarrow as pa

    def holds_bytes(type: pa.DataType) -> bool:
        return bool(pa.types.is_binary(type) or pa.types.is_large_binary(type) or pa.types.is_binary_view(type))

    found = [
        field.name
        for field in schema
        if pa.types.is_struct(field.type)
        and field.type.get_field_index("bytes") >= 0
        and holds_bytes(field.type.field("bytes").type)
    ]
    if not found:
        found = [field.name for field in schema if holds_bytes(field.type)]
        if any(pa.types.is_string(field.type) for field in schema if field.name in PATH_COLUMNS):
            found = [name for name in found if name.lower() in IMAGE_NAMES]
    return next((name for name in found if name.lower() in IMAGE_NAMES), found[0] if found else None)


def columns_of(schema: pa.Schema, path: Path) -> Columns:
    """The columns of an image set. The label is the column called so, else the first of the hub's type ClassLabel.

    Raises DataError naming the file if it has no column of images, or none of labels, or labels of no known type.
    """
    import pyarrow as pa

    image, features = image_column(schema), _features(schema)
    if image is None:
        raise DataError(f"{path} has no column of images; its columns: {', '.join(schema.names)}")
    named = [name for name in schema.names if name.lower() in CLASS_COLUMNS]
    declared = [name for name in schema.names if features.get(name, {}).get("_type") == "ClassLabel"]
    if not named + declared:
        raise DataError(
            f"{path} has no column of labels, called label or class; its columns: {', '.join(schema.names)}"
        )
    label = (named + declared)[0]
    kind = schema.field(label).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(f"{path}: column {label} is of type {kind}; expected one integer or one name for each image")
    classes = features.get(label, {}).get("names") if pa.types.is_integer(kind) else None
    return Columns(image, label, None if classes is None else _checked(classes, label, path))


def _features(schema: pa.Schema) -> dict[str, Any]:
    """What the hub's metadata say of the columns; nothing if there are none, or they are not as the hub writes them."""
    try:
        features = json.loads((schema.metadata or {})[HUB])["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _checked(names: Any, label: str, path: Path) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name and not any(map(is_control, name)) for name in names
    ):
        raise DataError(
            f"{path}: the schema's class names of {label} are not a list of names without control characters"
        )
    if len(set(names)) < len(names):
        raise DataError(f"{path}: the schema names a class of {label} twice")
    return tuple(names)
