"""The size book: every byte has an owner, whatever the file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import typer
from hypothesis import given, strategies as st
from resealed import as_format_1
from test_coded_format import STORAGES as CODED, coded_model
from test_format import STORAGES as PLAIN, made
from typer.testing import CliRunner

import convsmith
from convsmith.cli.model.size import size
from convsmith.errors import ModelFileError
from convsmith.model import save_model
from convsmith.model.size_book import apportioned, size_of


@pytest.mark.parametrize("case", PLAIN)
def test_the_book_of_a_plain_file_sums_to_its_size(case, tmp_path):
    save_model(made(PLAIN[case]), tmp_path / "m")
    book = size_of(tmp_path / "m")
    assert book.bytes == sum(piece.bytes for piece in book.pieces) == (tmp_path / "m").stat().st_size
    assert sum(book.by_kind().values()) == book.bytes


@pytest.mark.parametrize("case", CODED)
def test_the_book_of_a_coded_file_sums_to_its_size(case, tmp_path):
    save_model(coded_model(CODED[case]), tmp_path / "m")
    book = size_of(tmp_path / "m")
    assert book.packing == "coded"
    assert book.bytes == sum(piece.bytes for piece in book.pieces) == (tmp_path / "m").stat().st_size
    assert all(piece.bytes >= 0 for piece in book.pieces)


def test_the_book_of_a_file_without_a_seal_sums_to_its_size(tmp_path):
    save_model(made({}), tmp_path / "m")
    as_format_1(tmp_path / "m")
    book = size_of(tmp_path / "m")
    assert sum(piece.bytes for piece in book.pieces) == (tmp_path / "m").stat().st_size
    assert "seal" not in book.by_kind()


def test_integers_have_their_entropy_beside_them(tmp_path):
    save_model(coded_model(CODED["integers"]), tmp_path / "m")
    kept = {one.parameter: one for one in size_of(tmp_path / "m").parameters}
    weight = kept["conv2.weight"]
    assert weight.entropy_bytes is not None
    assert weight.entropy_bytes < weight.bytes < 1.3 * weight.entropy_bytes + 64
    assert kept["fc2.weight"].entropy_bytes is None
    assert kept["fc2.weight"].bits > 20


def test_the_kinds_of_a_coded_file_are_told_apart(tmp_path):
    save_model(coded_model(CODED["shared"]), tmp_path / "m")
    assert {"zero flags", "sizes", "signs", "codebook", "seal", "description: network"} <= set(
        size_of(tmp_path / "m").by_kind()
    )


def test_a_packed_model_says_what_its_indices_take(tmp_path):
    save_model(replace(coded_model(CODED["shared"]), packing="plain"), tmp_path / "m")
    pieces = {(piece.parameter, piece.kind): piece.bytes for piece in size_of(tmp_path / "m").pieces}
    assert pieces["fc1.weight", "codebook"] == 64
    net = convsmith.create("lenet5", classes=3, input=(1, 16, 16))
    rows, columns = net.parameters["fc1.weight"].shape
    assert pieces["fc1.weight", "indices"] == rows * columns // 2


def test_a_damaged_file_has_no_book(tmp_path):
    save_model(coded_model(CODED["shared"]), tmp_path / "m")
    content = bytearray((tmp_path / "m").read_bytes())
    content[-10] ^= 1
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelFileError, match="is damaged"):
        size_of(tmp_path / "m")


@given(st.integers(0, 10**6), st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_what_is_apportioned_sums_to_the_total(total, shares):
    parts = apportioned(total, shares)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)


def test_the_verb_prints_the_book_and_its_json(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(coded_model(CODED["shared"]), path)
    runner, app = CliRunner(), typer.Typer()
    app.command()(size)
    printed = runner.invoke(app, [str(path)], catch_exceptions=False).stdout
    assert f"{path.stat().st_size:,} bytes" in printed.splitlines()[-1]
    book = json.loads(runner.invoke(app, [str(path), "--json"], catch_exceptions=False).stdout)
    assert sum(piece["bytes"] for piece in book["pieces"]) == path.stat().st_size
