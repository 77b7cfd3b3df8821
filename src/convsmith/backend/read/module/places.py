"""Where in the user's source something stands, and how their own paths name it."""

from __future__ import annotations

import re
import sysconfig
import traceback
from pathlib import Path

import torch
from torch import fx

FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
PACKAGES = sysconfig.get_path("purelib")
MACHINERY = (
    str(Path(torch.__file__).parent), str(Path(PACKAGES, "keras")), sysconfig.get_path("stdlib") + "/",
    str(Path(__file__).parents[3]), "<",
)  # fmt: skip
"""Where nobody looks for what is wrong with a module: torch, Keras, Python, this package, generated code."""


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
    """The last of these lines that is the user's own, or else of a package that they use."""
    outside = [frame for frame in frames if frame[0].startswith(PACKAGES) or not frame[0].startswith(MACHINERY)]
    outside = [frame for frame in outside if not frame[0].startswith(MACHINERY[:2])]
    own = [frame for frame in outside if not frame[0].startswith(PACKAGES)] or outside
    if not own:
        return ""
    path, line = Path(own[-1][0]), own[-1][1]
    for root in (Path.cwd(), Path(PACKAGES)):
        if path.is_relative_to(root):
            return f"{path.relative_to(root)}:{line}"
    return f"{path.name}:{line}"
