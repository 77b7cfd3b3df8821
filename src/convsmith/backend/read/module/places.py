"""Where in the user's source something stands, and how their own paths name it."""

from __future__ import annotations

import re
import sysconfig
import traceback
from pathlib import Path

import torch
from torch import fx

FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
LIBRARIES = tuple(
    {str(Path(torch.__file__).parent), sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), "<frozen"}
)
OWN = str(Path(__file__).parents[3])


def of_node(node: fx.Node) -> str:
    """ "net.py:29 (layer1.0)": the innermost line that is the user's own, and the module that runs it."""
    frames = [(m["file"], int(m["line"])) for m in FRAME.finditer(node.meta.get("stack_trace") or "")]
    place, path = _innermost(frames), path_of(node)
    return f"{place} ({path})" if place and path else place or path


def of_error(error: BaseException) -> str:
    """ "net.py:29": the innermost line of the user's own that an exception passed through; empty if none."""
    return _innermost([(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)])


def path_of(node: fx.Node) -> str:
    """The dotted path of the innermost module that runs this node; empty at the root."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(next(reversed(stack.values()))[0]).split("@")[0] if stack else ""


def _innermost(frames: list[tuple[str, int]]) -> str:
    own = [(file, line) for file, line in frames if not file.startswith(LIBRARIES) and not file.startswith(OWN)]
    if not own:
        return ""
    file, line = own[-1]
    path = Path(file)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}:{line}"
