"""Tables: every layer, aligned, with totals and the meaning of the figures."""

from __future__ import annotations

from hypothesis import given, strategies as st

from convsmith import cost_of, create
from convsmith.cost import CONVENTION
from convsmith.cost.table import WIDTH, aligned, conventions, display_width, size, table
from convsmith.network import builder as nn

words = st.text(max_size=8, alphabet=st.characters(categories=("L", "N")))


@given(st.lists(st.tuples(words, words, words), min_size=1))
def test_columns_are_aligned(rows):
    lines = aligned(("first", "second", "third"), rows, "lrl").split("\n")
    rule = lines[1]
    starts = [0, rule.index("  ") + 2, rule.rindex("  ") + 2]
    for line, row in zip(lines[2:], rows, strict=True):
        shown = on_screen(line)
        cells = (shown[: starts[1] - 2], shown[starts[1] : starts[2] - 2], shown[starts[2] :])
        assert tuple("".join(cell).strip() for cell in cells) == row


def on_screen(line: str) -> list[str]:
    """What stands in each column of a terminal: of a wide letter, nothing in the second."""
    columns: list[str] = []
    for letter in line:
        columns += [letter, ""][: display_width(letter)]
    return columns


def test_every_layer_has_a_row_and_the_totals_follow():
    net = create("resnet20")
    text = table(cost_of(net))
    layers, totals, conventions_ = text.split("\n\n")
    assert [line.split()[0] for line in layers.splitlines()[2:]] == [node.name for node in net]
    assert f"{cost_of(net).params:,}" in totals
    assert f"{cost_of(net).macs:,}" in totals
    assert " ".join(conventions_.split()).startswith(CONVENTION)


def test_the_conventions_fit_a_terminal():
    assert all(len(line) <= WIDTH for line in conventions().splitlines())


def test_layers_for_training_only_are_marked():
    net = nn.write("net", (1, 4, 4), lambda x: nn.linear(nn.dropout(x), 3))
    assert "dropout1 *" in table(cost_of(net))


def test_joined_inputs_are_shown():
    def family(x: nn.Tensor) -> nn.Tensor:
        return nn.concat(nn.add(x, x), nn.conv(x, 2, 1))

    text = table(cost_of(nn.write("net", (1, 4, 4), family)))
    assert "2 of 1x4x4" in text
    assert "1x4x4 + 2x4x4" in text


def test_sizes_are_in_binary_units():
    assert [size(n) for n in (0, 1023, 1024, 102_441_608, 5 * 2**30)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "97.7 MiB",
        "5.0 GiB",
    ]
