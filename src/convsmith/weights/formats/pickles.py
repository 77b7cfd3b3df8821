"""Pickles as inert data: what a pickle would build is described, and nothing that it names is imported or called.

A pickle is a program for a small stack machine, and the standard library's machine calls what the program says. This
one does not: a global is its name, and a call is a note that there would have been a call. So a file with training
arguments, a configuration's classes or a whole module in it can be read for its tensors, and a hostile one does
nothing.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

MOST_STEPS = 4_000_000
"""Of the machine, for one file. A training checkpoint of a thousand layers with its optimizer takes some 100,000."""
LARGEST_KEY = 1 << 31


@dataclass(frozen=True, slots=True)
class Global:
    """What a pickle would import: `torch._utils._rebuild_tensor_v2`."""

    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """What a pickle keeps outside of itself, such as a tensor's numbers."""

    key: Any


@dataclass(slots=True, eq=False)
class Made:
    """What a pickle would make by calling `name` with `args`, the state it would give it, and what it would put in."""

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None
    items: dict[str | int, Any] = field(default_factory=dict)
    members: list[Any] = field(default_factory=list)


class Pickled(NamedTuple):
    """A pickle's value, and all that it refers to outside of itself."""

    value: Any
    references: list[Reference]


class Bytes(Protocol):
    """What a pickle is read from: a file, or a file in memory."""

    def read(self, count: int = ..., /) -> bytes: ...
    def readline(self) -> bytes: ...


def read_pickle(file: Bytes) -> Pickled:
    """The pickle that begins at the file's position, which is then behind it.

    Numbers, text, bytes, lists, tuples and dictionaries are themselves, sets are lists, the rest is `Global`,
    `Reference` and `Made`. Keys of dictionaries that are neither text nor small integers are left out.

    Raises ValueError for what is not a pickle, is damaged, or takes more than `MOST_STEPS` steps.
    """
    machine = _Machine()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
            if number == MOST_STEPS:
                raise ValueError(f"it takes more than {MOST_STEPS:,} steps to read")
            machine.step(opcode.name, argument)
        return Pickled(machine.stack.pop(), machine.references)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"not a pickle ({type(error).__name__})") from None


def mapping_of(value: object) -> Mapping[str | int, Any] | None:
    """What a value holds by key: a dictionary's items, of whatever class; an object's attributes; None if neither."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, Made):
        return None
    if value.items:
        return value.items
    first = next((argument for argument in value.args if isinstance(argument, dict | list)), None)
    if isinstance(first, dict) and first:
        return first
    if isinstance(first, list) and first and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in first):
        return _dictionary([part for pair in first for part in pair])
    state = value.state[0] if isinstance(value.state, tuple) and value.state else value.state
    return state if isinstance(state, dict) else {}


def members_of(value: object) -> list[Any]:
    """What a list, a tuple or a set holds."""
    if isinstance(value, Made):
        return value.members or next((argument for argument in value.args if isinstance(argument, list)), [])
    return list(value) if isinstance(value, list | tuple) else []


def _dictionary(flat: list[Any]) -> dict[str | int, Any]:
    """Keys and values in turn. A tuple as a key is left out: hashing one may take longer than the world has."""
    pairs = ((_key(key), value) for key, value in zip(flat[::2], flat[1::2], strict=True))
    return {k: v for k, v in pairs if isinstance(k, str) or (isinstance(k, int) and abs(k) < LARGEST_KEY)}


def _key(key: Any) -> Any:
    """Bytes as text: as they are, or as protocol 2 has them, which knows none."""
    if isinstance(key, Made) and key.name == "_codecs.encode" and key.args and isinstance(key.args[0], str):
        return key.args[0]
    return key.decode(errors="replace") if isinstance(key, bytes) else key


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.references: list[Reference] = []

    def step(self, name: str, argument: Any) -> None:
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name in STEPS:
            STEPS[name](self, argument)
        elif argument is not None and name not in IGNORED:
            self.stack.append(argument)
        elif name not in IGNORED:
            raise ValueError(f"not a pickle that is known here ({name})")

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def mark(self, argument: Any) -> None:
        self.marks.append(len(self.stack))

    def pop(self, argument: Any) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def recall(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    def remember(self, argument: int | None) -> None:
        self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]

    def some(self, count: int) -> None:
        self.marks.append(len(self.stack) - count)
        self.stack.append(tuple(self.since_mark()))

    def named(self, argument: str | None) -> None:
        """A global: "module name" in the pickle itself, or both on the stack."""
        if argument is None:
            name, module = self.stack.pop(), self.stack.pop()
            argument = f"{module} {name}" if isinstance(module, str) and isinstance(name, str) else "?"
        self.stack.append(Global(argument.replace(" ", ".")))

    def call(self, argument: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(_made(function, arguments))

    def call_by_name(self, argument: Any) -> None:
        self.stack.pop()
        self.call(argument)

    def instance(self, argument: str | None) -> None:
        parts = self.since_mark()
        function = parts.pop(0) if argument is None else Global(argument.replace(" ", "."))
        self.stack.append(_made(function, tuple(parts)))

    def build(self, argument: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Made) and state is not None:
            self.stack[-1].state = state

    def put_in(self, parts: list[Any]) -> None:
        target = self.stack[-1]
        (target.members if isinstance(target, Made) else target).extend(parts)

    def set_items(self, parts: list[Any]) -> None:
        target = self.stack[-1]
        (target.items if isinstance(target, Made) else target).update(_dictionary(parts))

    def last(self, count: int) -> list[Any]:
        self.marks.append(len(self.stack) - count)
        return self.since_mark()

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def refer(self, key: Any) -> None:
        self.references.append(Reference(self.stack.pop() if key is None else key))
        self.stack.append(self.references[-1])


def _made(function: object, arguments: object) -> Made:
    name = function.name if isinstance(function, Global | Made) else "?"
    return Made(name, arguments if isinstance(arguments, tuple) else ())


CONSTANTS: Final[Mapping[str, Any]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "NEXT_BUFFER": None}
EMPTY: Final[Mapping[str, Callable[[], Any]]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
}
IGNORED: Final = frozenset({"PROTO", "FRAME", "STOP", "READONLY_BUFFER"})
STEPS: Final[Mapping[str, Callable[[_Machine, Any], None]]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda machine, _: machine.since_mark().clear(),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.remember),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.some(1),
    "TUPLE2": lambda machine, _: machine.some(2),
    "TUPLE3": lambda machine, _: machine.some(3),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "FROZENSET": lambda machine, _: machine.push(machine.since_mark()),
    "DICT": lambda machine, _: machine.push(_dictionary(machine.since_mark())),
    "APPEND": lambda machine, _: machine.put_in(machine.last(1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.put_in(machine.since_mark())),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), _Machine.named),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), lambda machine, code: machine.push(Global(f"extension {code}"))),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.call),
    "NEWOBJ_EX": _Machine.call_by_name,
    **dict.fromkeys(("INST", "OBJ"), _Machine.instance),
    "BUILD": _Machine.build,
    **dict.fromkeys(("PERSID", "BINPERSID"), _Machine.refer),
}
