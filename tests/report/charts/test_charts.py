"""The charts as files: every network drawn and labelled, ink that follows the reader's colour scheme."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from convsmith.errors import OutputError, UsageError
from convsmith.report.charts.accuracy import draw_accuracies
from convsmith.report.charts.canvas import DARK_INK, DARK_PAPER, INK, PAPER
from convsmith.report.charts.timeline import draw_timeline
from convsmith.report.compared import Accuracy, ComparedNetwork, published_accuracy
from convsmith.zoo import create, find
from convsmith.zoo.certify import certified_names
from convsmith.zoo.timeline import timeline

SVG = "{http://www.w3.org/2000/svg}"
OWN = Accuracy(91.2, "digits", "300 test images of digits", 89.0, 93.1)


def compared(*names: str) -> list[ComparedNetwork]:
    return [ComparedNetwork(name, create(name), published_accuracy(find(name)[0].published)) for name in names]


def words(path: Path) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.parse(path).iter(f"{SVG}text")]


def test_published_and_own_networks_are_on_one_chart(tmp_path: Path) -> None:
    own = ComparedNetwork("runs/mine", create("lenet5"), OWN)
    assert draw_accuracies([*compared("resnet18", "vgg16"), own], tmp_path / "a.svg") == 0
    found = words(tmp_path / "a.svg")
    for name in ("resnet18", "vgg16", "runs/mine"):
        assert found.count(name) == 2, name  # once against parameters, once against multiply-adds
    assert "published, ImageNet" in found
    assert "measured here, digits, with 95% interval" in found
    assert "accuracies on different images cannot be compared with each other" in found
    assert {"32", "224"} <= set(found)  # the colours' sides


def test_mobilenets_grid_is_called_by_widths_and_sides(tmp_path: Path) -> None:
    names = certified_names("mobilenet_v1:*")
    assert len(names) == 16
    assert draw_accuracies(compared(*names), tmp_path / "a.svg") == 0
    found = words(tmp_path / "a.svg")
    assert "published, ImageNet (mobilenet_v1: width-side)" in found
    assert all(found.count(name.partition(":")[2]) == 2 for name in names)


def test_a_run_is_called_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.safetensors").touch()
    own = [
        ComparedNetwork(name, create("lenet5"), replace(OWN, top1=top1))
        for name, top1 in (("runs/a/model.safetensors", 90.0), ("runs/b/", 92.0), ("small.safetensors", 91.0))
    ]
    draw_accuracies([*own, *compared(*certified_names("mobilenet_v1:0.5*"))], tmp_path / "a.svg")
    found = words(tmp_path / "a.svg")
    assert all(found.count(name) == 2 for name in ("runs/a", "runs/b", "small", "0.5-160"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["runs/$a_b$", "runs/狗 & <猫>", "runs/a\tb\x01"])
def test_any_folders_name_can_be_a_label(tmp_path: Path, name: str) -> None:
    draw_accuracies([ComparedNetwork(name, create("lenet5"), OWN)], tmp_path / "a.svg")
    assert words(tmp_path / "a.svg").count(name if name.isprintable() else "runs/a\\tb\\x01") == 2


def test_parameters_are_those_of_the_network_without_auxiliary_heads() -> None:
    (googlenet,) = compared("googlenet")
    assert googlenet.deployed.params == 6_998_552
    assert googlenet.cost.params > googlenet.deployed.params


def test_ink_and_paper_follow_the_readers_colour_scheme(tmp_path: Path) -> None:
    draw_accuracies(compared("resnet18"), tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text()
    head, rest = svg.split("</style>", 1)
    for colour in (INK, PAPER, DARK_INK, DARK_PAPER):
        assert colour in head
        assert colour not in rest
    assert "@media screen and (prefers-color-scheme:dark)" in head
    assert 'class="paper"' in rest
    assert "currentColor" in rest


def test_the_same_chart_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw_accuracies(compared("resnet18"), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("PNG", b"\x89PNG"), ("pdf", b"%PDF")])
def test_other_formats_go_by_the_files_name(tmp_path: Path, ending: str, start: bytes) -> None:
    draw_accuracies(compared("resnet18"), tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)


def test_the_timeline_names_every_network_and_shortens_the_gap(tmp_path: Path) -> None:
    landmarks = timeline()
    assert draw_timeline(landmarks, tmp_path / "t.svg") == 0
    found = words(tmp_path / "t.svg")
    assert all(found.count(one.network) == 1 for one in landmarks)
    assert "1998" in found
    assert "2005" not in found
    assert "//  2012" in found
    assert "none printed" in found


def test_networks_without_any_accuracy_make_a_timeline_too(tmp_path: Path) -> None:
    landmarks = [replace(one, top1=None) for one in timeline()[:2]]
    assert draw_timeline(landmarks, tmp_path / "t.svg") == 0


@pytest.mark.parametrize("name", ["a.jpg", "a", "svg"])
def test_an_unknown_file_type_is_named_before_anything_is_drawn(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"plot: must end in .svg, .png or .pdf, not '{name}'"):
        draw_accuracies(compared("resnet18"), tmp_path / name)
    with pytest.raises(UsageError, match="plot: must end in"):
        draw_timeline([], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        draw_accuracies(compared("resnet18"), tmp_path / "missing" / "a.svg")
