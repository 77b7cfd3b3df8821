"""Every row of every paper's table is equal to the paper, explained, or not measured; none is skipped."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from convsmith import cost_of, create
from convsmith.cost.table import display_width
from convsmith.errors import UnknownNameError, UsageError
from convsmith.zoo.paper_tables import paper_table, paper_tables, table_names
from convsmith.zoo.paper_tables.compare import compare_table
from convsmith.zoo.paper_tables.printed import ALL, Count, PrintedColumn, PrintedRow, PrintedTable, printed_table
from convsmith.zoo.paper_tables.text import WIDTH, markdown_of, text_of

FIGURES = tomllib.loads((Path(__file__).parents[2] / "reference" / "figures.toml").read_text())

VERDICTS = {"=": "equal", "x": "explained", "-": "not measured"}
STATUS = {
    "alexnet-units": "xx=======xx",
    "ilsvrc2012": "-" * 16,
    "state-of-the-art-2021": "=-===",
    "densenet-1": "=" * 13 + "x",
    "densenet-3": "----",
    "efficientnet-2": "=xxxxxxxxx==x-xxx--x-=x-",
    "googlenet-1": "x===x==xxxxx=xx==xx",
    "mobilenet-6": "====",
    "mobilenet-7": "==x=",
    "mobilenet-8": "=xx",
    "mobilenet-9": "xxx",
    "mobilenet-10": "xx=x=",
    "mobilenet-grid": "xxxxxxxxxxxx=x==",
    "resnet-1": "======xx",
    "resnet-6": "======",
    "squeezenet-2": "xxxxx--",
    "squeezenet-3": "==x",
    "vgg-1": "=" * 13 + "x",
    "vgg-2": "======",
}
"""A sign for each row, in the order of the table."""

recomputed = cache(paper_table)

TABLES = pytest.mark.parametrize("name", table_names())


def test_every_table_has_its_statuses_here():
    assert set(STATUS) == set(table_names())


@TABLES
def test_every_row_is_equal_or_explained_or_not_measured(name):
    assert [row.verdict for row in recomputed(name).rows] == [VERDICTS[sign] for sign in STATUS[name]]


@TABLES
def test_no_figure_is_skipped_and_none_differs_or_lacks_a_reason(name):
    table, printed = recomputed(name), printed_table(name)
    compared = [column.title for column in printed.columns if column.measure or column.network]
    for row in table.rows:
        assert [figure.column for figure in row.figures] == compared
        for figure in row.figures:
            assert figure.verdict in (*VERDICTS.values(), "no figure")
            assert (figure.verdict in ("explained", "not measured")) == bool(figure.why)
            assert (figure.verdict == "no figure") == (figure.paper in ("", "-"))


@TABLES
def test_every_explanation_explains_something(name):
    table, printed = recomputed(name), printed_table(name)
    used = {figure.why for row in table.rows for figure in row.figures}
    written = {*printed.why.values(), *(why for row in printed.rows for why in row.why.values())}
    assert written <= used


@TABLES
def test_text_is_readable_in_100_columns(name):
    lines = text_of(recomputed(name)).splitlines()
    assert max(map(display_width, lines)) <= WIDTH
    assert lines[-1].startswith(f"rows: {len(STATUS[name])}: ")


@TABLES
def test_markdown_has_as_many_cells_in_each_line(name):
    body = [line for line in markdown_of(recomputed(name)).splitlines() if line.startswith("|")]
    assert len(body) == len(STATUS[name]) + 2
    assert len({line.replace("\\|", "").count("|") for line in body}) == 1


@TABLES
def test_json_holds_every_verdict(name):
    table = json.loads(json.dumps(recomputed(name).to_json(), allow_nan=False))
    assert [row["verdict"] for row in table["rows"]] == [VERDICTS[sign] for sign in STATUS[name]]


def cells(name, column):
    """First cell of a row -> the cell of a column, as numbers."""
    table = printed_table(name)
    at = [one.title for one in table.columns].index(column)
    return {row.cells[0]: float(row.cells[at].strip("%Mx B")) for row in table.rows if row.cells[at] not in ("", "-")}


def test_figures_are_those_of_the_reference():
    assert cells("vgg-2", "parameters") == FIGURES["vgg"]["params_m"]
    units = [int(row.cells[1]) for row in printed_table("alexnet-units").rows[:9]]
    assert units == FIGURES["alexnet"]["units"]
    for table, key in (("mobilenet-8", "table8"), ("mobilenet-9", "table9"), ("mobilenet-10", "stanford_dogs")):
        top1, params = cells(table, "top-1"), cells(table, "M parameters")
        assert [[row, top1[row], params[row]] for row in top1] == FIGURES["mobilenet_v1"][key]
    macs, params, top1 = (cells("mobilenet-grid", title) for title in ("M MACs", "M parameters", "top-1"))
    for point, row in FIGURES["mobilenet_v1"]["grid"].items():
        assert [macs[point], params[point], top1[point]] == row
    for title, key in (("params", "params_m"), ("FLOPs", "gmacs"), ("top-1", "top1")):
        found = cells("efficientnet-2", title)
        assert {size: found[f"EfficientNet-{size}"] for size in FIGURES["efficientnet"][key]} == FIGURES[
            "efficientnet"
        ][key]
    cifar = cells("resnet-6", "M parameters")
    assert {f"resnet{depth}": count for depth, count in cifar.items()} == FIGURES["resnet"]["cifar_params_m"]
    board = [[row.cells[0], *(float(cell.strip("%") or 0) for cell in row.cells[1:])] for row in
             printed_table("state-of-the-art-2021").rows]  # fmt: skip
    assert board == [row[:4] for row in FIGURES["state_of_the_art_2021"]["rows"]]
    errors = [float(row.cells[2]) for row in printed_table("ilsvrc2012").rows[:3]]
    assert errors == list(FIGURES["ilsvrc2012"].values())


def test_squeezenets_and_densenets_figures_are_those_of_the_reference():
    rows = [row.cells for row in printed_table("squeezenet-2").rows]
    wanted = [row[2:] for row in FIGURES["squeezenet"]["table2"]]
    assert [[row[2], *(float(cell.strip("x%")) for cell in row[3:])] for row in rows] == wanted
    for row in printed_table("densenet-3").rows:
        depth = row.cells[0].removeprefix("DenseNet-")
        for cell, key in zip(row.cells[1:], ("top1_error", "top5_error"), strict=True):
            assert [float(part) for part in cell.split(" / ")] == FIGURES["densenet"][key][depth]
    sizes = [float(row.cells[3]) for row in printed_table("squeezenet-3").rows]
    assert sizes == list(FIGURES["squeezenet"]["bypass"]["params_mb"].values())
    repeats = {}
    for at, depth in enumerate(FIGURES["densenet"]["blocks"], start=2):
        rows = [row.cells for row in printed_table("densenet-1").rows if row.cells[0].startswith("dense block")]
        repeats[depth] = [int(row[at].rpartition("x")[2]) for row in rows]
    assert repeats == FIGURES["densenet"]["blocks"]


def test_what_explanations_say_in_numbers_is_so():
    def macs(name, **given):
        return cost_of(create(name, **given).inference).macs

    dense = sum(row.macs for row in cost_of(create("vgg16")).layers if row.node.op.kind == "linear")
    assert round((macs("vgg16") - dense) / 1e6) == 15_347
    assert round(cost_of(create("squeezenet1_0")).flops / 1e6) == 1_679
    units = [int(row.cells[1]) for row in printed_table("alexnet-units").rows[1:9]]
    assert sum(units) == 622_312
    assert sum(units) - 253_440 + 290_400 == 659_272
    separable = 3 * 8 * 49 + 3 * 8 * 64  # a 7x7 convolution of 8 maps for each colour, then 1x1 to 64
    assert (separable, round(separable * 112**2 / 1e6, 1)) == (2_712, 34.0)
    rows = [row.cells[-2:] for row in printed_table("googlenet-1").rows if row.cells[-1]]
    sums = [sum(float(cell[:-1]) for cell in column) for column in zip(*rows, strict=True)]
    assert [round(total) for total in sums] == [6_798, 1_502]  # as GoogLeNet's card says
    inner = {"stage4.2": (463, 93), "stage5.0": (1072, 54)}
    for scope, (kibi, printed) in inner.items():
        side = create("googlenet").shapes[f"{scope}.concat1"][1]
        assert round(kibi * 1024 * side**2 / 1e6) == printed
    assert round(macs("mobilenet_v1:1.0-224", classes=120) / 1e6, 1) == 567.8
    net = cost_of(create("densenet264"))
    assert round((net.params + net.buffers) / 1e6, 1) == 33.7
    projections = sum(row.macs for row in cost_of(create("resnet34")).layers if "downsample" in row.name)
    assert round((macs("resnet34") - projections) / 1e9, 2) == 3.64


@given(st.integers(0, 10**9), st.integers(0, 3), st.sampled_from(["", "M", "x", "%", " million"]))
def test_ours_is_rounded_as_the_printed_figure(exact, decimals, unit):
    printed = f"{0:.{decimals}f}{unit}"
    ours = Count(exact, 1e6).as_printed(printed)
    assert ours.endswith(unit)
    digits = ours.removesuffix(unit)
    assert len(digits.partition(".")[2]) == decimals
    assert abs(Decimal(digits) - Decimal(exact) / 10**6) <= Decimal(10) ** -decimals / 2


def one_figure(printed: str, **row: object) -> str:
    """The verdict of a table of one network, MobileNet with its 4.23 M parameters."""
    columns = (PrintedColumn("model"), PrintedColumn("M parameters", "params", 1e6))
    rows = (PrintedRow(("MobileNet", printed), network="mobilenet_v1", **row),)  # type: ignore[arg-type]
    return compare_table("made", PrintedTable("title", "source", columns, rows)).rows[0].verdict


def test_a_misprinted_figure_differs():
    assert one_figure("4.2") == "equal"
    assert one_figure("4.3") == "differs"


def test_an_explanation_of_equal_figures_differs():
    assert one_figure("4.3", why={"params": "of another network"}) == "explained"
    assert one_figure("4.2", why={"params": "of another network"}) == "differs"
    assert one_figure("4.2", why={ALL: "of another network"}) == "equal"


def test_a_network_that_the_zoo_lacks_is_not_measured():
    columns = (PrintedColumn("model"), PrintedColumn("M parameters", "params", 1e6))
    table = PrintedTable("title", "source", columns, (PrintedRow(("PolyNet", "92"), unmeasured="a network"),))
    assert compare_table("made", table).rows[0].verdict == "not measured"


def test_patterns_name_several_tables():
    assert [table.name for table in paper_tables("vgg-*")] == ["vgg-1", "vgg-2"]
    with pytest.raises(UsageError, match=r"no paper table matches 'zz\*'; there are alexnet-units"):
        paper_tables("zz*")
    with pytest.raises(UnknownNameError, match="nearest: mobilenet-9"):
        paper_tables("mobilnet-9")


@TABLES
def test_the_page_of_the_docs_has_the_table_as_it_is_printed_now(name):
    page = (Path(__file__).parents[3] / "docs" / "tables.md").read_text(encoding="utf-8")
    assert f"### {name}\n\n{markdown_of(recomputed(name))}\n" in page, "run scripts/make_tables_page.py"
