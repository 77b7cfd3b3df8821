"""Frozen values as JSON and back, by msgspec: checked against their types, and strict, so that NaN becomes null."""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar

from convsmith.errors import UsageError

Record = TypeVar("Record")


def to_json(value: Any) -> Any:
    """The value as dictionaries, lists, strings, numbers and None: what `json` takes. NaN and infinity become None."""
    import msgspec

    return msgspec.json.decode(encode(value))


def encode(value: Any) -> bytes:
    """The value as one line of strict JSON, UTF-8."""
    import msgspec

    # As a dictionary: msgspec reads an instance's own attributes, and misses fields that were left at their defaults.
    return msgspec.json.encode(asdict(value) if is_dataclass(value) and not isinstance(value, type) else value)


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
