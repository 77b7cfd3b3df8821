from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from convsmith.errors import OutputError, UsageError
from convsmith.explain.flow import GradientFlow, LayerFlow, Moment
from convsmith.explain.plot import STYLES, draw
from convsmith.explain.table import flow_text, verdicts


def flow(name: str, layers: int = 20, moments: int = 2) -> GradientFlow:
    rows = tuple(LayerFlow(f"conv{i}", 1.0, 10.0 ** (i - 20), 1.0, 1.0) for i in range(layers))
    return GradientFlow(name, "random images", 8, 0.1, 0, tuple(Moment(10 * i, 2.0, rows) for i in range(moments)))


def test_an_svg_names_the_networks_and_their_verdicts(tmp_path: Path) -> None:
    draw([flow("plain"), flow("other")], tmp_path / "flow.svg")
    text = (tmp_path / "flow.svg").read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "plain: vanishing" in text
    assert "other: vanishing after 10 updates" in text


def test_the_same_flows_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw([flow("plain")], tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_png_is_a_picture(tmp_path: Path) -> None:
    draw([flow("plain", moments=1)], tmp_path / "flow.png")
    assert Image.open(tmp_path / "flow.png").size == (1200, 540)


def test_lines_differ_in_dashes_or_markers_where_print_has_no_colour() -> None:
    assert len({(str(style["linestyle"]), style["marker"]) for style in STYLES}) == len(STYLES)


def test_another_ending_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"flow\.bmp must end in \.svg, \.png, \.pdf"):
        draw([flow("plain")], tmp_path / "flow.bmp")
    assert list(tmp_path.iterdir()) == []


def test_more_networks_than_styles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at most 6 networks"):
        draw([flow(f"n{i}") for i in range(7)], tmp_path / "flow.svg")


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        draw([flow("plain")], tmp_path / "gone" / "flow.svg")


def test_a_deep_network_is_shown_in_sixteen_layers() -> None:
    text = flow_text(flow("deep", layers=100))
    assert len([line for line in text.splitlines() if line.startswith("conv")]) == 16
    assert "16 of 100 layers" in text
    assert "conv0 " in text
    assert "conv99" in text


def test_the_verdicts_come_with_their_criterion() -> None:
    text = verdicts([flow("plain")])
    assert text.count("vanishing") == 2
    assert "below 1/100" in text
