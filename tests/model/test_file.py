import contextlib
import json
import struct
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import convsmith
from convsmith.errors import ModelFileError, OutputError
from convsmith.model.file import Header, Model, load_model, read_header, save_model
from convsmith.network.preprocess import Preprocess

PREPROCESS = Preprocess(1, (28, 28), 28, (0.286,), (0.353,))


def model(classes=("a", "b", "c"), provenance=None):
    net = convsmith.create("lenet5", classes=len(classes), input=(1, 28, 28))
    header = Header(net, tuple(classes), PREPROCESS, provenance or {"seed": 0}, {"top1": {"value": 0.5}})
    return Model(header, convsmith.build(net).state_dict())


def rewrite(path, change):
    """The file with its JSON header changed."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def test_a_model_comes_back_whole(tmp_path):
    path = tmp_path / "model.safetensors"
    saved = model()
    save_model(saved, path)
    loaded = load_model(path)
    assert loaded.header == saved.header
    assert all(torch.equal(loaded.weights[key], saved.weights[key]) for key in loaded.network.parameters)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save_model(model(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4, unique=True),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.text("ab") | st.none()),
)
def test_any_class_names_and_provenance_come_back(tmp_path_factory, classes, provenance):
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_model(model(classes, provenance), path)
    header = read_header(path)
    assert header.classes == tuple(classes)
    assert dict(header.provenance) == (provenance or {"seed": 0})


def test_infinities_are_stored_as_null(tmp_path):
    save_model(model(provenance={"loss": float("inf")}), tmp_path / "m")
    assert read_header(tmp_path / "m").provenance == {"loss": None}


def test_reading_a_header_imports_no_torch(tmp_path):
    save_model(model(), tmp_path / "m")
    code = (
        "import sys, pathlib; from convsmith.weights import read_header; "
        f"read_header(pathlib.Path({str(tmp_path / 'm')!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_pickle_is_never_loaded(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelFileError, match=r"is a pickle .* never loaded"):
        load_model(path)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, 5000])
def test_a_file_cut_short_is_refused(tmp_path, length):
    path = tmp_path / "m"
    save_model(model(), path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ModelFileError, match=r"cut short|damaged"):
        load_model(path)


def test_a_file_cut_within_its_tensors_is_refused(tmp_path):
    path = tmp_path / "m"
    save_model(model(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="cut short"):
        load_model(path)


def test_a_shape_that_differs_from_the_network_is_named(tmp_path):
    path = tmp_path / "m"
    save_model(model(), path)
    rewrite(path, lambda header: header["fc3.bias"].update(shape=[4]))
    with pytest.raises(ModelFileError, match=r"tensor fc3.bias has shape \[4\], its network needs \[3\]"):
        load_model(path)


def test_missing_and_foreign_tensors_are_named(tmp_path):
    path = tmp_path / "m"
    save_model(model(), path)
    rewrite(path, lambda header: header.update({"spare": header.pop("fc3.bias")}))
    with pytest.raises(ModelFileError, match=r"tensor fc3.bias of its network is missing"):
        load_model(path)


def test_a_tensor_file_of_other_origin_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "m")
    with pytest.raises(ModelFileError, match="no convsmith model"):
        load_model(tmp_path / "m")


def test_a_wrong_number_of_class_names_is_refused(tmp_path):
    path = tmp_path / "m"
    save_model(model(), path)

    def change(header):
        data = json.loads(header["__metadata__"]["convsmith"])
        data["classes"].append("d")
        header["__metadata__"]["convsmith"] = json.dumps(data)

    rewrite(path, change)
    with pytest.raises(ModelFileError, match="4 class names for 3 outputs"):
        read_header(path)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3000), st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_harmless_but_never_a_crash(tmp_path_factory, position, change):
    path = tmp_path_factory.mktemp("model") / "m"
    save_model(model(), path)
    data = bytearray(path.read_bytes())
    data[position] ^= change
    path.write_bytes(data)
    with contextlib.suppress(ModelFileError):
        load_model(path)


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        save_model(model(), tmp_path / "nowhere" / "m")
    assert list(tmp_path.iterdir()) == []
