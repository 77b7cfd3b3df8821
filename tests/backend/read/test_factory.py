"""A module from "net.py:make_model": what loads, and the line that says why something does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from convsmith.backend.read.module.factory import is_factory, load_factory
from convsmith.errors import ReadError, UnknownNameError

SOURCE = """
from dataclasses import dataclass
from torch import nn
from beside import WIDTH

@dataclass
class Config:
    classes: int = 10

class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)

def make_model():
    return nn.Sequential(nn.Linear(2, Config().classes))

def make_sized(width):
    return Net(width)

def make_nothing():
    return None

def make_trouble():
    raise ValueError("no\\nluck")

ready = nn.Linear(3, 4)
number = 3
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(SOURCE)
    (tmp_path / "beside.py").write_text("WIDTH = 5")
    return str(tmp_path / "net.py")


def test_a_function_a_class_and_a_module_load(net: str) -> None:
    assert isinstance(load_factory(f"{net}:make_model"), nn.Sequential)
    assert load_factory(f"{net}:Net").conv.out_channels == 5
    assert load_factory(f"{net}:ready").in_features == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("make_sized", "make_sized needs arguments: width; name a function that takes none"),
        ("make_nothing", "make_nothing returns a NoneType, not a torch module"),
        ("make_trouble", r"net.py:25: .*make_trouble fails: ValueError no luck"),
        ("number", "number is a int; name a function that returns a torch module"),
    ],
)
def test_what_makes_no_module_says_so(net: str, name: str, message: str) -> None:
    with pytest.raises(ReadError, match=message) as caught:
        load_factory(f"{net}:{name}")
    assert "\n" not in str(caught.value)


def test_an_unknown_name_brings_the_nearest(net: str) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown name in .*net.py 'make_modell'; nearest: make_model"):
        load_factory(f"{net}:make_modell")


def test_a_file_that_fails_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import torch\n\nimport nonexistent_library\n")
    with pytest.raises(ReadError, match=r"bad.py:3: .*bad.py fails on import: ModuleNotFoundError"):
        load_factory(f"{tmp_path / 'bad.py'}:make")
    (tmp_path / "worse.py").write_text("def f(:\n")
    with pytest.raises(ReadError, match=r"worse.py fails on import: SyntaxError"):
        load_factory(f"{tmp_path / 'worse.py'}:make")


def test_a_file_that_is_not_there_and_a_word_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no file"):
        load_factory(f"{tmp_path / 'absent.py'}:make")
    with pytest.raises(ReadError, match=r'write "net\.py:make_model"'):
        load_factory("net.py")


def test_words_that_name_a_factory() -> None:
    assert all(map(is_factory, ("net.py:make", "C:/models/net.py:Net")))
    assert not any(map(is_factory, ("resnet50", "net.py", "keras/MobileNet:0.25", "net.py:1")))
