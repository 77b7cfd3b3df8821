"""What cannot be read: one line that says what, where in the user's source, and what to do instead."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import torch
from refusals import REFUSALS, SHAPE, Base
from torch import nn

from convsmith.backend.read import read
from convsmith.errors import ReadError


class Classifier(Base):
    def forward(self, x):
        return self.head(self.conv(x))


def place_of(cls: type[nn.Module]) -> str:
    """ "refusals.py:26": the line of the class that has the comment # place."""
    lines, first = inspect.getsourcelines(cls)
    marked = [first + i for i, line in enumerate(lines) if line.rstrip().endswith("# place")]
    return f"refusals.py:{marked[0]}" if marked else ""


@pytest.mark.parametrize("cls", REFUSALS, ids=lambda cls: cls.__name__)
def test_a_refusal_is_one_line_with_its_place(cls: type[nn.Module], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReadError, match=REFUSALS[cls]) as caught:
        read(cls(), SHAPE)
    assert "\n" not in str(caught.value)
    assert place_of(cls) in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 3, 16, 16), "must be one image .*; leave out the batch"),
        ((3, 16), r"must be one image \(channels, height, width\), not \(3, 16\)"),
        ((3, 0, 16), "must be one image"),
        ((3.0, 16, 16), "must be one image"),
        ((4, 16, 16), "Classifier cannot take images 4x16x16: .*; its first convolution, conv, takes 3 channels"),
        ((16, 16, 3), "Classifier cannot take images 16x16x3: .*; its first convolution, conv, takes 3 channels"),
    ],
)
def test_a_wrong_example_shape_says_what_is_right(shape, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read(Classifier(), shape)


def test_a_module_needs_an_example_shape() -> None:
    with pytest.raises(ReadError, match="reading a module needs example_shape"):
        read(Classifier())


@pytest.mark.parametrize("thing", [None, 3, nn.Linear, lambda x: x])
def test_a_thing_that_is_no_module_says_what_it_is(thing: object) -> None:
    with pytest.raises(ReadError, match=r"cannot read a .*; give a torch module, or an \.onnx file"):
        read(thing, SHAPE)  # type: ignore[arg-type]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"cannot read 'net\.pt'; give a torch module, or an \.onnx file"):
        read("net.pt")


def test_a_module_that_fails_is_left_as_it_was() -> None:
    original = next(iter(REFUSALS))()
    original.conv.eval()
    with pytest.raises(ReadError):
        read(original, SHAPE)
    assert original.training
    assert not original.conv.training
    assert "forward" not in vars(original)


def test_places_within_torch_are_not_the_users() -> None:
    with pytest.raises(ReadError) as caught:
        read(nn.Sequential(nn.Conv3d(1, 1, 1), nn.Flatten()), SHAPE)
    assert not re.search(r"\.py:\d+", str(caught.value))


def test_other_devices_are_left_alone() -> None:
    original = Classifier()
    read(original, SHAPE)
    assert {parameter.device.type for parameter in original.parameters()} == {"cpu"}
    assert torch.get_default_dtype() == torch.float32


def test_a_place_in_an_installed_package_is_named_where_there_is_no_other(tmp_path: Path, monkeypatch) -> None:
    from convsmith.backend.read.module import places

    monkeypatch.setattr(places, "PACKAGES", str(tmp_path))
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "net.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n  def forward(self, x):\n    return x.cumsum(1).mean((2, 3))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from zoo.net import Net  # type: ignore[import-not-found]

    with pytest.raises(ReadError, match=r"^zoo/net\.py:4: cannot read torch's cumsum"):
        read(Net(), SHAPE)
