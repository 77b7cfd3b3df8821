"""Frozen values as JSON and back, by msgspec: checked against their types, and strict, so that NaN becomes null."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from convsmith.errors import UsageError

Record = TypeVar("Record")


def encode(value: object) -> bytes:
    """The value as one line of strict JSON, UTF-8: NaN and infinities are null.

    It may hold dataclasses, mappings, sequences, sets, dates, paths and NumPy's numbers and arrays.
    """
    import msgspec

    # As a dictionary: msgspec reads an instance's own attributes, and misses fields that were left at their defaults.
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return msgspec.json.encode(plain, enc_hook=_plain)


def to_json(value: object) -> Any:
    """The same as dictionaries, lists, strings, numbers and None."""
    import msgspec

    return msgspec.json.decode(encode(value))


def json_text(value: object, *, indent: int | None = None) -> str:
    """The same as text, in ASCII, which every parser and every terminal takes."""
    return json.dumps(to_json(value), indent=indent, allow_nan=False)


def from_json(kind: type[Record], data: object, what: str) -> Record:
    """The frozen dataclass that `to_json` wrote. Fields with defaults may be missing.

    Raises UsageError saying which field of `what` is missing, unknown or of the wrong type, and what the class raises
    for values out of range.
    """
    import msgspec

    try:
        made = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"not {what}: {error}") from None
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - known) if isinstance(data, dict) else []
    if unknown:
        raise UsageError(f"not {what}: unknown field {unknown[0]!r}; it has: {', '.join(sorted(known))}")
    return made


def _plain(value: Any) -> object:
    """What msgspec does not know, as what it does: paths as text; mappings, NumPy's numbers and arrays as Python's."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is not JSON")
