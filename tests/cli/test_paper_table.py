"""The verbs that print papers' tables and draw their figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import Command

from convsmith.zoo.paper_tables.compare import compare_table
from convsmith.zoo.paper_tables.printed import PrintedColumn, PrintedRow, PrintedTable


def test_without_a_name_all_tables_are_listed(convsmith: Command) -> None:
    done = convsmith("paper-table")
    assert done.code == 0
    assert "mobilenet-9            A smaller MobileNet beside popular networks" in done.out
    assert "vgg-1" in [table["name"] for table in json.loads(convsmith("paper-table", "--json").out)]


def test_a_table_is_printed_with_ours_beside(convsmith: Command) -> None:
    done = convsmith("paper-table", "mobilenet-9")
    assert done.code == 0
    assert "AlexNet             57.2%     720   724            60    61  explained [4, 5]" in done.out
    assert "[5] 60.97 M, truncated rather than rounded" in done.out
    assert done.out.splitlines()[-1] == "rows: 3: 3 explained"


def test_a_pattern_prints_several(convsmith: Command) -> None:
    tables = json.loads(convsmith("paper-table", "vgg-*", "--json").out)
    assert [table["name"] for table in tables] == ["vgg-1", "vgg-2"]
    assert tables[1]["rows"][4]["figures"][0]["exact"] == 138_357_544


def test_markdown_is_markdown(convsmith: Command) -> None:
    lines = convsmith("paper-table", "vgg-2", "--markdown").out.splitlines()
    assert lines[2:5] == ["| network | parameters | ours | verdict |", "| --- | ---: | ---: | --- |",
                          "| A | 133 | 133 | equal |"]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mobilnet-9"], "unknown paper table 'mobilnet-9'; nearest: mobilenet-9"),
        (["zz*"], "no paper table matches 'zz*'"),
        (["vgg-2", "--json", "--markdown"], "--json, --markdown: give one or the other, not both"),
    ],
)
def test_bad_words_are_one_line(convsmith: Command, words: list[str], told: str) -> None:
    done = convsmith("paper-table", *words)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("\n") == 1


def test_a_figure_that_differs_is_shown_and_fails(convsmith: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = (PrintedColumn("model"), PrintedColumn("M parameters", "params", 1e6))
    wrong = PrintedTable("title", "source", columns, (PrintedRow(("MobileNet", "4.3"), network="mobilenet_v1"),))
    monkeypatch.setattr("convsmith.zoo.paper_tables.paper_tables", lambda _: [compare_table("made", wrong)])
    done = convsmith("paper-table", "made")
    assert "MobileNet           4.3   4.2  differs" in done.out
    assert (done.code, done.err) == (1, "convsmith: figures differ in made: MobileNet\n")


def test_the_timeline_is_printed_and_drawn(convsmith: Command, tmp_path: Path) -> None:
    done = convsmith("timeline", "--plot", tmp_path / "t.svg")
    assert done.code == 0
    assert "2012-12  alexnet " in done.out
    assert (tmp_path / "t.svg").read_text().startswith("<?xml")
    assert json.loads(convsmith("timeline", "--json").out)[0]["date"] == "1998-11"
    refused = convsmith("timeline", "--plot", "t.gif")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "convsmith: --plot: must end in .svg, .png or .pdf, not 't.gif'\n"


def test_compare_draws_own_runs_beside_published_networks(convsmith: Command, trained: Path, tmp_path: Path) -> None:
    done = convsmith("compare", "mobilenet_v1:*", trained, "--plot", tmp_path / "a.svg")
    assert done.code == 0, done.err
    assert done.err == f"plot: {tmp_path / 'a.svg'}\n"
    assert str(trained) in (tmp_path / "a.svg").read_text()
    row = next(line for line in done.out.splitlines() if line.startswith(str(trained)))
    assert "test images of" in row
    shown = json.loads(convsmith("compare", trained, "resnet18", "--json").out)
    assert [one["name"] for one in shown] == [str(trained), "resnet18"]
    assert shown[0]["measured"]["low"] <= shown[0]["measured"]["top1"] <= shown[0]["measured"]["high"]
    assert shown[1]["measured"] is None


def test_a_run_that_is_not_finished_has_nothing_to_compare(convsmith: Command, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "begun"
    run.mkdir()
    (run / "run.json").write_bytes((trained / "run.json").read_bytes())
    done = convsmith("compare", run, "resnet18")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"convsmith: {run} has no model yet: the run is not finished\n"


def test_a_pattern_leaves_out_what_has_no_accuracy(convsmith: Command, tmp_path: Path) -> None:
    drawn = convsmith("compare", "vgg*", "--plot", tmp_path / "a.png")
    assert drawn.code == 0
    assert "vgg16_bn" not in drawn.out
    assert "vgg16_bn" in convsmith("compare", "vgg*").out
    nothing = convsmith("compare", "unet*", "--plot", tmp_path / "b.png")
    assert (nothing.code, nothing.err) == (2, "convsmith: --plot: none of these networks has an accuracy\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["resnet18", "--plot", "a.jpg"], "--plot: must end in .svg, .png or .pdf, not 'a.jpg'"),
        (["vgg16_bn", "--plot", "a.svg"], "--plot: vgg16_bn has no accuracy: its paper prints none for this network"),
        (["zz*"], "no network matches 'zz*'; `convsmith models` lists all"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_nothing_is_written(
    convsmith: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = convsmith("compare", *words)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["paper-table", "resnet-1"], ["timeline"], ["compare", "vgg16"]])
def test_tables_need_neither_torch_nor_numpy(words: list[str]) -> None:
    code = (
        "import sys; from convsmith.cli.main import application; "
        f"application({words[0]!r})({words!r}, standalone_mode=False); "
        "print({'torch', 'numpy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"
