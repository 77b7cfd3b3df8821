import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings, strategies as st
from resealed import as_format_1, redescribe, rewrite

import convsmith
from convsmith.errors import ModelFileError, OutputError, WeightsError
from convsmith.model import Header, load_model, read_header, save_model, verify
from convsmith.network.preprocess import Preprocess
from convsmith.network.storage import FloatStorage, with_storage

PREPROCESS = Preprocess(1, (28, 28), 28, (0.286,), (0.353,))


def model(classes=("a", "b", "c"), provenance=None):
    net = convsmith.create("lenet5", classes=len(classes), input=(1, 28, 28))
    header = Header(net, tuple(classes), PREPROCESS, provenance or {"seed": 0}, {"top1": {"value": 0.5}})
    return header.with_weights(convsmith.build(net).state_dict())


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
    rewrite(path, lambda header: header["fc3.weight"].update(shape=[84, 3]))
    with pytest.raises(ModelFileError, match=r"tensor fc3.weight has shape \[84, 3\], its network needs \[3, 84\]"):
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
    redescribe(path, lambda described: described["classes"].append("d"))
    with pytest.raises(ModelFileError, match="4 class names for 3 outputs"):
        read_header(path)


DAMAGED_INDEX = {
    "an overlap": lambda index: index["fc3.bias"].update(data_offsets=[0, 12]),
    "a shape of absurd size": lambda index: index["fc3.bias"].update(shape=[2**62]),
    "a negative size": lambda index: index["fc3.bias"].update(shape=[-3]),
    "sizes that are no integers": lambda index: index["fc3.bias"].update(shape=[3.0]),
    "a type that there is not": lambda index: index["fc3.bias"].update(dtype="F8_E4M3"),
    "no shape": lambda index: index["fc3.bias"].pop("shape"),
    "a list for a tensor": lambda index: index.update({"fc3.bias": []}),
}


@pytest.mark.parametrize("case", DAMAGED_INDEX)
def test_an_index_that_contradicts_itself_is_refused(tmp_path, case):
    path = tmp_path / "m"
    save_model(model(), path)
    rewrite(path, DAMAGED_INDEX[case])
    with pytest.raises(ModelFileError, match=r"/m(: tensor fc3| is not a safetensors file)"):
        read_header(path)


DAMAGED_DESCRIPTION = {
    "another format": (lambda d: d.update(format=4), "is of format 4; this convsmith reads up to 3"),
    "no network": (lambda d: d.pop("network"), "description is damaged .*`network`"),
    "classes that are no words": (lambda d: d.update(classes=[1, 2, 3]), "description is damaged .*classes"),
    "a storage of an unknown parameter": (
        lambda d: d["network"].update(storage={"fc9.weight": {"kind": "integer"}}),
        "unknown parameter of lenet5 'fc9.weight'; nearest: fc3.weight",
    ),
    "a storage of an unknown kind": (
        lambda d: d["network"].update(storage={"fc3.weight": {"kind": "integral"}}),
        "unknown storage of fc3.weight 'integral'; nearest: integer",
    ),
    "a storage of 1 bit": (
        lambda d: d["network"].update(storage={"fc3.weight": {"kind": "integer", "bits": 1}}),
        "fc3.weight: integers are stored in 2 to 16 bits, not in 1",
    ),
    "a storage along an axis that is not there": (
        lambda d: d["network"].update(storage={"fc3.weight": {"kind": "integer", "axis": 2}}),
        "fc3.weight: a parameter of shape 3x84 has no axis 2",
    ),
    "bits that are words": (
        lambda d: d["network"].update(storage={"fc3.weight": {"kind": "integer", "bits": "8"}}),
        "fc3.weight: integer storage: Expected `int`, got `str`",
    ),
    "a storage that the tensors contradict": (
        lambda d: d["network"].update(storage={"fc3.weight": {"kind": "integer"}}),
        "tensor fc3.weight:values of its network is missing",
    ),
    "a float type that the tensors contradict": (
        lambda d: d["network"].update(storage={"fc3.weight": {"kind": "float", "dtype": "float16"}}),
        "tensor fc3.weight is F32, its network stores it as F16",
    ),
}


@pytest.mark.parametrize("case", DAMAGED_DESCRIPTION)
def test_a_description_that_contradicts_the_file_is_refused(tmp_path, case):
    path = tmp_path / "m"
    save_model(model(), path)
    change, message = DAMAGED_DESCRIPTION[case]
    redescribe(path, change)
    with pytest.raises(ModelFileError, match=message):
        read_header(path)


@settings(max_examples=150)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_any_flipped_bit_is_refused(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("model") / "m"
    save_model(model(), path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"/m"):
        load_model(path)


def test_a_flipped_bit_in_a_tensor_is_named_as_damage(tmp_path):
    path = tmp_path / "m"
    save_model(model(), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 128
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged: its tensors do not match their checksum"):
        load_model(path)
    with pytest.raises(ModelFileError, match="damaged: its tensors do not match their checksum"):
        verify(path)


def test_a_header_is_held_against_its_checksum_without_the_tensors(tmp_path):
    path = tmp_path / "m"
    save_model(model(classes=("cat", "dog", "owl")), path)
    path.write_bytes(path.read_bytes().replace(b"owl", b"cow"))
    with pytest.raises(ModelFileError, match="damaged: its header does not match its checksum"):
        read_header(path)


def test_a_seal_that_is_taken_out_is_missed(tmp_path):
    path = tmp_path / "m"
    save_model(model(), path)
    path.write_bytes(path.read_bytes().replace(b"convsmith_seal", b"convsmith_sale", 1))
    with pytest.raises(ModelFileError, match="seal is missing"):
        read_header(path)


def test_verifying_says_what_is_there(tmp_path):
    path = tmp_path / "m"
    saved = model()
    save_model(saved, path)
    found = verify(path)
    assert (found.tensors, found.bytes) == (len(saved.weights), 4 * sum(w.numel() for w in saved.weights.values()))
    assert found.checksum in str(found)


def test_a_file_of_format_1_loads_and_has_no_seal(tmp_path):
    path = tmp_path / "m"
    saved = model()
    save_model(saved, path)
    as_format_1(path)
    loaded = load_model(path)
    assert loaded.header == saved.header
    assert all(torch.equal(loaded.weights[key], saved.weights[key]) for key in saved.weights)
    assert verify(path).checksum is None
    assert "save it again" in str(verify(path))


def test_half_precision_in_a_file_of_format_1_is_how_it_is_stored(tmp_path):
    path = tmp_path / "m"
    saved = model()
    halved = {key: weight.to(torch.bfloat16).float() for key, weight in saved.weights.items()}
    net = with_storage(saved.network, dict.fromkeys(saved.weights, FloatStorage("bfloat16")))
    save_model(replace(saved, network=net, weights=halved), path)
    redescribe(path, lambda described: described["network"].pop("storage"))
    as_format_1(path)
    loaded = load_model(path)
    assert {dtype for _, dtype in loaded.network.storage} == {FloatStorage("bfloat16")}
    assert all(torch.equal(loaded.weights[key], halved[key]) for key in halved)


def test_weights_that_lose_by_their_storage_are_not_saved(tmp_path):
    saved = model()
    net = with_storage(saved.network, {"fc3.weight": FloatStorage("float16")})
    with pytest.raises(WeightsError, match=r"fc3\.weight: values that .*float16.* cannot hold exactly"):
        save_model(replace(saved, network=net), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_other_programs_read_the_file_as_safetensors(tmp_path):
    from safetensors import safe_open

    saved = model()
    save_model(saved, tmp_path / "m")
    with safe_open(tmp_path / "m", "pt") as file:
        assert set(file.keys()) == set(saved.weights)
        assert torch.equal(file.get_tensor("fc3.bias"), saved.weights["fc3.bias"])


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        save_model(model(), tmp_path / "nowhere" / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_header_whose_length_begins_like_a_pickle_is_read(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(model(provenance={"note": ""}), path)
    shortest = int.from_bytes(path.read_bytes()[:8], "little")
    made = model(provenance={"note": "x" * (0x10280 - shortest)})
    save_model(made, path)
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert load_model(path).provenance == made.provenance
