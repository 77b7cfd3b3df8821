"""Where tables are kept: the user's data folder, by name."""

from __future__ import annotations

import re
from pathlib import Path

from convsmith.devices.table import DeviceTable, read_table, write_table
from convsmith.errors import OutputError, UnknownNameError, UsageError
from convsmith.files import user_data

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def folder() -> Path:
    """The folder of the tables, which may not be there yet."""
    return user_data() / "devices"


def names() -> list[str]:
    """The names of the tables that are kept."""
    return sorted(path.stem for path in folder().glob("*.json"))


def path_of(name: str) -> Path:
    """Where the table of this name is kept. Raises UsageError for a name that no file can have everywhere."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a device's name: use letters, digits, '.', '-' and '_'", settings="name")
    return folder() / f"{name}.json"


def load_table(name: str | Path) -> DeviceTable:
    """The table of this name, or in this file.

    Raises UnknownNameError naming the nearest where there is none, UsageError for a file that is no table.
    """
    path = Path(name)
    if path.suffix == ".json" or path.is_file():
        return read_table(path)
    if str(name) not in names():
        raise UnknownNameError("device", str(name), names())
    return read_table(path_of(str(name)))


def save_table(table: DeviceTable) -> Path:
    """Keeps a table under its name; where. Raises OutputError, UsageError."""
    path = path_of(table.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    write_table(table, path)
    return path
