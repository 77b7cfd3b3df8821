"""Pickles are read without anything in them being run."""

from __future__ import annotations

import argparse
import builtins
import io
import os
import pickle
import subprocess
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convsmith.weights.formats import pickles
from convsmith.weights.formats.pickles import Global, Made, mapping_of, read_pickle

PROTOCOLS = range(6)


def value_of(content: bytes) -> Any:
    return read_pickle(io.BytesIO(content)).value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [None, True, 3, -(1 << 40), 0.25, "text", [1, [2]], (), (1, 2, 3, (4,)), {"a": {"b": [1]}, 3: "c"}],
)
def test_plain_values_are_themselves(value: object, protocol: int) -> None:
    assert value_of(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(a=1, b=2),
        defaultdict(int, a=1, b=2),
        argparse.Namespace(a=1, b=2),
        type("EasyDict", (dict,), {})(a=1, b=2),
    ],
)
def test_what_any_class_holds_by_key_is_found(value: Any, protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "EasyDict", type(value), raising=False)
    monkeypatch.setattr(type(value), "__module__", "builtins") if type(value).__name__ == "EasyDict" else None
    assert mapping_of(value_of(pickle.dumps(value, protocol))) == {"a": 1, "b": 2}


class Call:
    """A pickle of it calls a function when it is loaded."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


MARKER = "went-off"
HOSTILE = {
    "system": Call(os.system, f"touch {MARKER}"),
    "eval": Call(eval, f"open({MARKER!r}, 'w')"),
    "exec": Call(exec, f"open({MARKER!r}, 'w')"),
    "import": Call(__import__, "antigravity"),
    "getattr": Call(getattr, Call(__import__, "os"), "system"),
    "chain": Call(map, Call(getattr, Call(__import__, "os"), "mkdir"), [MARKER]),
    "popen": Call(subprocess.Popen, ["touch", MARKER]),
    "path": Call(Path.touch, Path(MARKER)),
    "nested": Call(pickle.loads, pickle.dumps(Call(os.mkdir, MARKER))),
    "torch": Call(__import__("torch").load, MARKER),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_pickle_does_nothing(
    attack: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({"weight": HOSTILE[attack], "epoch": 3}, protocol)
    for function in ("find_class", "load"):
        monkeypatch.setattr(pickle._Unpickler, function, _forbidden)  # type: ignore[attr-defined]
    value = value_of(content)
    assert value["epoch"] == 3
    assert isinstance(value["weight"], Made)
    assert not list(tmp_path.iterdir())


def _forbidden(*arguments: object) -> object:
    raise AssertionError("the pickle was run")


def test_a_call_of_what_a_call_would_give_is_only_noted() -> None:
    # cos\nsystem\n(S'true'\ntR, and the result called again
    value = value_of(b"cos\nsystem\n(S'true'\ntR(S'x'\ntR.")
    assert (value.name, value.args) == ("os.system", ("x",))


def test_attributes_are_set_on_nothing_real() -> None:
    value = value_of(b"\x80\x02cos\nsystem\n}X\x08\x00\x00\x00__code__K\x01sb.")
    assert value == Global("os.system")


def test_keys_that_take_forever_to_hash_are_left_out() -> None:
    key: tuple[object, ...] = ()
    for _ in range(60):
        key = (key, key)
    content = pickle.dumps([key], 2)[:-1]
    # {"a": 1, key: 2}, where hashing the key would take 2^60 steps
    assert value_of(content + b"}X\x01\x00\x00\x00aK\x01sh\x00K\x02s.")["a"] == 1


def test_a_pickle_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MOST_STEPS", 1000)
    with pytest.raises(ValueError, match="more than 1,000 steps"):
        value_of(b"\x80\x02" + b"N0" * 1000 + b"N.")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"\x80\x02",
        b"\x80\x02}s.",
        b"\x80\x02NNs.",
        b"\x80\x02t.",
        b"\x80\x02R.",
        b"\x80\x02h\x05.",
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x04\x8c\x03\xff\xff\xff.",
        b"I" + b"9" * 10_000 + b"\n.",
    ],
)
def test_damage_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        value_of(content)
