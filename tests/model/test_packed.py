"""Coded model files: the same model comes back, and what is damaged is refused with bounded memory."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from resealed import sealed, split
from test_coded_format import STORAGES, coded_model
from trained import trained

import convsmith
from convsmith.errors import ModelFileError, WeightsError
from convsmith.model import Model, fuse_norm, load_model, read_header, round_weights, save_model, verify
from convsmith.model.packed import WEIGHTS_PER_BYTE, Lengths, Packed, description_of
from convsmith.network.storage import IntegerStorage

once = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture(scope="module")
def model() -> Model:
    return coded_model(STORAGES["shared"] | STORAGES["zero points"])


@pytest.fixture
def path(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "m")
    return tmp_path / "m"


def with_content(path: Path, content: bytes) -> None:
    """Another content under a fresh seal."""
    header, _ = split(path.read_bytes())
    header["coded"] = {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}
    path.write_bytes(sealed(header, content))


def test_a_coded_model_comes_back_bit_by_bit(model, path):
    again = load_model(path)
    assert again.packing == "coded"
    assert again.network == model.network
    assert all(torch.equal(again.weights[key], weight) for key, weight in model.weights.items())
    assert all(torch.equal(again.grids[k][p], t) for k, grid in model.grids.items() for p, t in grid.items())


def test_a_model_that_is_loaded_and_saved_is_the_same_file(path, tmp_path):
    save_model(load_model(path), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_it_is_a_safetensors_file(path):
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        assert list(file.keys()) == ["coded"]


def test_a_coded_file_is_smaller_than_the_same_model_plain(model, path, tmp_path):
    save_model(replace(model, packing="plain"), tmp_path / "plain")
    assert path.stat().st_size < 0.8 * (tmp_path / "plain").stat().st_size
    plain = load_model(tmp_path / "plain")
    assert all(torch.equal(plain.weights[key], weight) for key, weight in model.weights.items())


def test_the_header_of_a_coded_file_is_read_alone(model, path):
    assert read_header(path) == model.header


def test_a_coded_file_is_verified(path):
    assert "as they were written" in str(verify(path))


def test_metadata_of_a_small_network_take_under_half_a_kilobyte(path):
    content = split(path.read_bytes())[1]
    assert len(path.read_bytes()) - len(content) + Lengths.of(content).description < 512


def test_a_coded_model_predicts_as_the_plain_one(tmp_path):
    plain = fuse_norm(trained("lenet5"))
    rounded = round_weights(plain, {f"{n}.weight": IntegerStorage(6) for n in ("conv1", "conv2", "fc1", "fc2", "fc3")})
    save_model(replace(rounded, packing="coded"), tmp_path / "m")
    image = torch.randn(2, 1, 28, 28)
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "m").module()(image), rounded.module()(image))


@once
@given(st.data())
def test_a_flipped_bit_is_found(path, data):
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    broken = path.with_name("broken")
    broken.write_bytes(content)
    for read in (load_model, read_header):
        with pytest.raises(ModelFileError):
            read(broken)


@once
@given(st.data())
def test_a_file_that_was_cut_short_is_found(path, data):
    content = path.read_bytes()
    broken = path.with_name("broken")
    broken.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ModelFileError):
        load_model(broken)


@once
@given(st.data())
def test_damage_under_a_fresh_seal_ends_in_an_error_or_a_whole_model(model, path, data):
    """A forger can make a file of other weights; he cannot make the reader fail otherwise than with a clear error."""
    _, content = split(path.read_bytes())
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with_content(path, bytes(broken))
    try:
        again = load_model(path)
    except ModelFileError as error:
        assert str(path) in str(error)
    else:
        assert set(again.weights) == set(model.weights)
    finally:
        save_model(model, path)


def test_lengths_beyond_the_end_are_refused(path):
    with_content(path, struct.pack("<II", 2**32 - 1, 2**32 - 1) + bytes(100))
    with pytest.raises(ModelFileError, match="lengths beyond its end"):
        load_model(path)


def test_an_empty_content_is_refused(path):
    with_content(path, b"")
    with pytest.raises(ModelFileError, match="lengths beyond its end"):
        load_model(path)


def test_a_network_too_large_for_its_file_is_refused(path):
    """A small file cannot ask for much memory: a byte stands for at most 1024 weights."""
    net = convsmith.create("vgg16")
    _, content = split(path.read_bytes())
    forged = json.loads(description_of(content))
    forged["network"] = net.to_json()
    forged["network"]["storage"] = {key: {"kind": "integer"} for key in net.parameters}
    forged["classes"] = [str(i) for i in range(1000)]
    with_content(path, Packed(json.dumps(forged).encode(), b"", b"").to_bytes(0))
    with pytest.raises(ModelFileError, match="too short for its network"):
        load_model(path)


def test_a_description_that_swells_is_refused(path, monkeypatch):
    from convsmith.model import packed

    monkeypatch.setattr(packed, "MOST_DESCRIPTION_BYTES", 1000)
    with_content(path, Packed(b" " * 10_000_000, b"", b"").to_bytes(0))
    with pytest.raises(ModelFileError, match="does not end where it should"):
        load_model(path)


def test_side_data_of_another_length_are_refused(path):
    _, content = split(path.read_bytes())
    lengths = Lengths.of(content)
    side = b"\1" + zlib.compress(bytes(10))
    start = Lengths.HEAD + lengths.description
    head = struct.pack("<II", lengths.description, len(side))
    with_content(path, head + content[8:start] + side + content[start + lengths.side :])
    with pytest.raises(ModelFileError, match="its side data is damaged"):
        load_model(path)


def test_a_sparse_model_is_padded_to_what_a_reader_takes(tmp_path):
    net = convsmith.create("mobilenet_v1", classes=3, input=(1, 16, 16))
    zeros = {key: torch.zeros(tuple(parameter.shape)) for key, parameter in net.parameters.items()}
    model = Model(net, zeros, ("cat", "dog", "owl"), coded_model({}).preprocess, packing="coded")
    model = round_weights(model, {key: IntegerStorage(2) for key in net.parameters})
    save_model(model, tmp_path / "m")
    weights = sum(weight.numel() for weight in zeros.values())
    assert 0 <= (tmp_path / "m").stat().st_size - weights / WEIGHTS_PER_BYTE < 300
    assert all(not weight.any() for weight in load_model(tmp_path / "m").weights.values())


def test_values_off_their_grid_are_not_saved(model, tmp_path):
    weights = {**model.weights, "fc1.weight": model.weights["fc1.weight"] + 0.001}
    with pytest.raises(WeightsError, match=r"fc1\.weight: values that .* cannot hold exactly"):
        save_model(replace(model, weights=weights), tmp_path / "m")
    assert not (tmp_path / "m").exists()
