"""A module from a file of the user's: `module.py:make_model`, a function without arguments, a class or a module."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from convsmith.backend.read.module import places
from convsmith.errors import ReadError, UnknownNameError


def is_factory(word: str) -> bool:
    """Whether a word names something in a Python file: "net.py:make_model"."""
    file, colon, name = word.rpartition(":")
    return bool(colon) and file.endswith(".py") and name.isidentifier()


def load_factory(word: str) -> nn.Module:
    """The module that `make_model` of "net.py:make_model" returns. Runs the file, as Python's import does.

    Raises ReadError for a word or file that is none, and for what the file itself raises, naming its line;
    UnknownNameError for a name that it does not define.
    """
    if not is_factory(word):
        raise ReadError(f"{word!r} does not name a model in a file", advice='write "net.py:make_model"')
    file, _, name = word.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise ReadError(f"no file {file}")
    module = _imported(path)
    if not hasattr(module, name):
        raise UnknownNameError(f"name in {file}", name, [known for known in vars(module) if known[0] != "_"])
    return _made(getattr(module, name), word)


def _imported(path: Path) -> ModuleType:
    """The file as a module, with its folder to import from as when it is run."""
    spec = importlib.util.spec_from_file_location(f"convsmith_factory_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ReadError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look themselves up there
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise _raised(f"{path} fails on import", error) from error
    finally:
        sys.path.remove(folder)
    return module


def _made(thing: Any, word: str) -> nn.Module:
    if isinstance(thing, nn.Module):
        return thing
    if not callable(thing):
        raise ReadError(f"{word} is a {type(thing).__name__}", advice="name a function that returns a torch module")
    needed = _needed(thing)
    if needed:
        raise ReadError(
            f"{word} needs arguments: {', '.join(needed)}",
            advice="name a function that takes none and returns the module",
        )
    try:
        made = thing()
    except Exception as error:  # the user's own code, which may raise anything
        raise _raised(f"{word} fails", error) from error
    if not isinstance(made, nn.Module):
        raise ReadError(f"{word} returns a {type(made).__name__}, not a torch module")
    return made


def _needed(thing: Any) -> list[str]:
    """Arguments without defaults."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _raised(what: str, error: BaseException) -> ReadError:
    reason = " ".join(str(error).split())
    return ReadError(f"{what}: {type(error).__name__} {reason}".rstrip(), place=places.of_error(error))
