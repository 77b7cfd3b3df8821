"""Integer tensors as a stream and back: bit by bit, near the entropy, and refused where no writer wrote them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from convsmith.errors import WeightsError
from convsmith.model.coding.stream import LARGEST, Reader, Writer, coded_bytes
from convsmith.model.coding.tables import PLAIN_TOKENS, TOKENS, token_ranges, tokens
from convsmith.model.coding.tensor import cuts, tiles

shapes = st.lists(st.integers(0, 9), max_size=5).map(tuple)


@st.composite
def tensors(draw: st.DrawFn) -> NDArray[np.int32]:
    """Any shape, density and bit width."""
    shape = draw(shapes)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    largest = 2 ** draw(st.integers(0, 17))
    values = random.integers(-largest, largest + 1, shape)
    return np.asarray(np.where(random.random(shape) < draw(st.sampled_from([0, 0.02, 0.3, 1])), values, 0), np.int32)


def written(*integers: NDArray[np.int32]) -> NDArray[np.uint32]:
    writer = Writer()
    for tensor in integers:
        writer.add(tensor)
    return writer.words()


def laplace(shape: tuple[int, ...], scale: float, density: float = 1.0) -> NDArray[np.int16]:
    random = np.random.default_rng(1)
    values = random.laplace(size=shape, scale=scale)
    return np.rint(np.where(random.random(shape) < density, values, 0)).astype(np.int16)


def entropy_bytes(integers: NDArray[np.int16]) -> float:
    counts = np.unique(integers, return_counts=True)[1]
    return float(-(counts * np.log2(counts / integers.size)).sum() / 8)


@given(st.lists(tensors(), max_size=4))
@settings(deadline=None)
def test_tensors_come_back_bit_by_bit(integers):
    reader = Reader(written(*integers))
    for tensor in integers:
        assert np.array_equal(reader.next(tensor.shape, wide=True), tensor)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=30), shapes)
@settings(deadline=None)
def test_words_that_no_writer_wrote_end_in_integers_or_an_error(words, shape):
    try:
        found = Reader(np.array(words, np.uint32)).next(shape, wide=True)
    except WeightsError as error:
        assert "no encoder wrote" in str(error)
    else:
        assert found.shape == shape


def test_large_tensors_of_many_tiles_come_back():
    for shape in ((700, 300), (40, 30, 3, 3), (1, 5000), (5000,), (300, 1, 5, 5)):
        integers = laplace(shape, 3, 0.3)
        assert np.array_equal(Reader(written(integers)).next(shape, wide=False), integers)


@pytest.mark.parametrize(("scale", "density"), [(0.5, 1), (3, 1), (40, 1), (4, 0.1), (1, 0.02)])
def test_weights_that_are_all_alike_take_their_entropy(scale, density):
    """Within 1.5%: nothing is learned from rows and columns that all have the same distribution."""
    integers = laplace((300, 400), scale, density)
    assert coded_bytes([integers]) < 1.015 * entropy_bytes(integers) + 100


def test_rows_and_columns_of_different_size_take_less_than_their_entropy():
    random = np.random.default_rng(0)
    sizes = np.exp(random.normal(size=(200, 1)) + random.normal(size=(1, 300)))
    integers = np.rint(sizes * random.laplace(size=(200, 300))).astype(np.int16)
    assert coded_bytes([integers]) < 0.9 * entropy_bytes(integers)


def test_pruned_kernels_are_found():
    random = np.random.default_rng(0)
    kept = random.random((64, 64, 1, 1)) < 0.2
    integers = np.rint(np.where(kept, 4 * random.laplace(size=(64, 64, 3, 3)), 0)).astype(np.int16)
    assert coded_bytes([integers]) < 0.85 * entropy_bytes(integers)


def test_a_second_tensor_like_the_first_takes_less():
    integers = laplace((20, 20), 0.3)
    assert coded_bytes([integers, integers]) < 2 * coded_bytes([integers])


def test_nothing_but_zeros_takes_next_to_nothing():
    assert coded_bytes([np.zeros((1000, 1000), np.int16)]) < 200


def test_tiles_cover_a_matrix_once():
    for rows, columns in ((1, 1), (3, 1000), (513, 257), (64, 64), (1, 7)):
        for tap in (0, 1):
            seen = np.zeros((rows, columns), int)
            for where in tiles(rows, columns, tap):
                seen[where] += 1
            assert (seen == 1).all()


def test_cuts_are_halves_of_halves():
    assert cuts(8, 2) == [slice(0, 2), slice(2, 4), slice(4, 8)]
    assert cuts(600, 0) == [slice(0, 256), slice(256, 512), slice(512, 600)]


def test_every_size_has_one_token():
    sizes = np.arange(2**17 + 5)
    token, width, extra = tokens(sizes)
    smallest, widths = token_ranges()
    assert np.array_equal(smallest[token] + extra, sizes)
    assert np.array_equal(widths[token], width)
    assert (extra < 2**width).all()
    assert token.max() < TOKENS
    assert token[PLAIN_TOKENS - 1] == PLAIN_TOKENS - 1


def test_integers_beyond_the_tokens_are_refused():
    with pytest.raises(WeightsError, match="integers beyond 131,072"):
        Writer().add(np.array([LARGEST + 1], np.int32))


def test_measured_bits_are_those_of_the_stream():
    integers = [laplace((50, 60), 3), laplace((20, 9, 3, 3), 30)]
    words = written(*integers)
    reader = Reader(words)
    bits = sum(sum(reader.measure(tensor.shape).values()) for tensor in integers)
    assert math.isclose(bits / 8, words.nbytes, rel_tol=0.01)
