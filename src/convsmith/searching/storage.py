"""Where trials are kept: a SQLite file in the search's folder, or a database by URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from convsmith.errors import ConvsmithError, UsageError

DATABASE_FILE = "search.db"
STUDY, ASKED = "search", "asked"
LOCKED_SECONDS = 30
"""How long a writer waits for another one."""

DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Modules that SQLAlchemy asks for -> what brings them."""

TABLES = {"studies", "trials", "trial_user_attributes"}


class StorageError(ConvsmithError):
    """A database of trials that cannot be used; the message names it and says why."""


def import_optuna() -> Any:
    """The module, quiet. Raises UsageError if it is not installed."""
    try:
        import optuna
    except ImportError:
        raise UsageError("optuna is not installed: pip install 'convsmith[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def url_of(folder: Path, storage: str | None) -> str:
    """The database's URL. Raises UsageError for a word that is none."""
    if storage is None:
        return f"sqlite:///{(folder / DATABASE_FILE).absolute()}"
    if "://" not in storage:
        raise UsageError(f"must be a URL such as postgresql://user@host/database, not {storage!r}", settings="storage")
    return storage


def opened(url: str) -> Any:
    """Optuna's storage at a URL. Raises StorageError, UsageError where the database's driver is not installed."""
    optuna = import_optuna()
    check_file(url)
    with told(url):
        try:
            arguments = {"timeout": LOCKED_SECONDS} if url.startswith("sqlite:") else {}
            return optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": arguments})
        except ImportError as error:
            module = getattr(error.__cause__, "name", None) or ""
            package = DRIVERS.get(module, module)
            words = f"the driver of this database is not installed: pip install {package}"
            raise UsageError(words.removesuffix(": pip install "), settings="storage") from None


def asked_in(url: str) -> dict[str, Any] | None:
    """What the search in a database was asked for; None where none was begun. Raises as `opened` does."""
    optuna, storage = import_optuna(), opened(url)
    with told(url):
        if STUDY not in optuna.get_all_study_names(storage):
            return None
        found: dict[str, Any] | None = optuna.load_study(study_name=STUDY, storage=storage).user_attrs.get(ASKED)
        return found


def check_file(url: str) -> None:
    """Raises StorageError for a file that is there and holds no search, before anything is written into it."""
    path = file_of(url)
    if path is None or not path.exists() or not path.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(path, timeout=LOCKED_SECONDS)) as connection:
            found = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
            damage = connection.execute("pragma quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise StorageError(said(str(path), error)) from None
    if damage != "ok":
        raise StorageError(f"{path} is damaged: {damage.splitlines()[0]}")
    if not found >= TABLES:
        raise StorageError(f"{path} is a database of something else")


def file_of(url: str) -> Path | None:
    """The file of a SQLite database."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


@contextmanager
def told(url: str) -> Iterator[None]:
    """Raises, in place of what optuna and SQLAlchemy raise, a StorageError that says what is wrong in one line."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    name = str(file_of(url) or hidden(url))
    try:
        yield
    except SQLAlchemyError as error:
        raise StorageError(said(name, error)) from None
    except StorageInternalError as error:
        raise StorageError(said(name, error.__cause__ or error)) from None
    except RuntimeError as error:
        if "optuna version" not in str(error):
            raise
        from optuna import __version__

        raise StorageError(
            f"{name} was written by another version of optuna than {__version__}, which is installed: install the one "
            "that wrote it, or start over in another folder"
        ) from None


def said(name: str, error: BaseException) -> str:
    """One line for what a database says."""
    words = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    if "is locked" in words:
        return f"{name} is locked by another program; finished trials are kept"
    if "disk is full" in words or "No space left" in words:
        return f"{name}: the disk is full; finished trials are kept: make room, and resume"
    if "disk I/O error" in words:
        return f"{name} cannot be written (is the disk full?); finished trials are kept: make room, and resume"
    if "malformed" in words or "not a database" in words:
        return f"{name} is damaged or cut short ({words}); start over in another folder"
    return f"{name}: {words}"


def hidden(url: str) -> str:
    """The URL without a password."""
    head, at, rest = url.rpartition("@")
    scheme, _, person = head.partition("://")
    return f"{scheme}://{person.partition(':')[0]}@{rest}" if at else url
