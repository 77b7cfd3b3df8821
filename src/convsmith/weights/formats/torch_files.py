"""PyTorch's files, and plain pickles of arrays, without running anything: their tensors wherever they lie."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from convsmith.errors import ModelFileError
from convsmith.weights.formats.pickles import Bytes, Global, Made, Reference, mapping_of, members_of, read_pickle
from convsmith.weights.formats.stored import BYTES, StoredTensor, from_array

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_EXPANSION = 100
"""How many times larger an archive's contents may be than itself: torch compresses nothing, weights hardly shrink."""
MOST_MODULES, DEEPEST = 50_000, 32
LONGEST_LIST = 16
"""Things in a list that are looked into for weights."""
LEAST_LAYERS, LAYER_TENSORS = 4, 8
"""So many dictionaries, of so few tensors at most, are a network's layers one within another."""
"""In one model, and within one another."""
NO_WEIGHTS = re.compile(r"optim|sched|callback|scaler|(?:^|_)(?:amp|rng)(?:_|$)")
"""Keys of a training checkpoint under which tensors are no weights."""
LARGEST_VIEW = 1 << 28
"""Numbers of a tensor that repeats those of a smaller storage."""
TORCH_STREAM = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What torch before 1.6 wrote first: its magic number, pickled."""
HEADER_PICKLES = 3
"""Magic number, version and machine, before the pickle of the contents."""

TYPES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexDouble": "complex128",
    "ComplexFloat": "complex64",
    "QInt8": "qint8",
    "QUInt8": "quint8",
    "QInt32": "qint32",
    "Untyped": "uint8",
}
"""Of the elements of `torch.FloatStorage` and its like."""

TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_qtensor")
WRAPPED = ("_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_device_tensor_from_cpu_tensor")
NUMBERS = re.compile(r"[<>|=]?(?:f[248]|i[1248]|u[1248]|b1)")
"""Types of arrays that hold numbers."""


class Stream(Bytes, Protocol):
    """A file, or one in memory."""

    def seek(self, place: int, /) -> object: ...
    def tell(self) -> int: ...


@dataclass(frozen=True, eq=False)
class TorchFile:
    """What a file of torch's holds, as inert values, and the runs of numbers that it refers to, by key."""

    value: Any
    storages: Mapping[str, _Storage]


@dataclass(frozen=True, eq=False)
class _Storage:
    dtype: str
    count: int
    read: Callable[[], bytes]

    @cached_property
    def content(self) -> bytearray:
        """Raises ModelFileError where the file has more or fewer bytes than the description says."""
        content = bytearray(self.read())
        if len(content) != self.count * BYTES[self.dtype]:
            raise ModelFileError(f"is damaged: {len(content):,} bytes for {self.count:,} numbers of {self.dtype}")
        return content


def check_size(archive: zipfile.ZipFile) -> None:
    """Raises ModelFileError for an archive that would fill the memory."""
    held, claimed = (sum(getattr(info, size) for info in archive.filelist) for size in ("compress_size", "file_size"))
    if claimed > LARGEST_EXPANSION * (held + 1):
        raise ModelFileError(f"claims {claimed:,} bytes, which {held:,} stand for: more than weights shrink by")


def read_zip(archive: zipfile.ZipFile) -> TorchFile:
    """A file of torch since 1.6, TorchScript's included. Raises ModelFileError, ValueError, and as zipfile does."""
    names = archive.namelist()
    pickled = min((name for name in names if name.endswith("/data.pkl")), key=len)
    folder = pickled.removesuffix("data.pkl")
    if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") == b"big":
        raise ModelFileError("was written by a big-endian machine; save it on a usual one")
    value, references = read_pickle(io.BytesIO(archive.read(pickled)))
    # TorchScript keeps the constants of its code apart; they are no part of the state.
    return TorchFile(value, _storages(references, lambda key: archive.read(f"{folder}data/{key}")))


def read_stream(file: Stream) -> TorchFile:
    """A file of torch before 1.6: pickles, then the storages one after the other. Raises ValueError for damage."""
    for _ in range(HEADER_PICKLES):
        read_pickle(file)
    value, references = read_pickle(file)
    keys, places = read_pickle(file).value, dict[str, int]()
    storages = _storages(references, lambda key: _at(file, places[key], storages[key]))
    for key in keys if isinstance(keys, list) else ():
        if key not in storages:
            raise ValueError("a storage that nothing describes")
        (count,) = struct.unpack("<q", file.read(8))
        places[key] = file.tell()
        if count != storages[key].count:
            raise ValueError("a storage of another length than described")
        file.seek(places[key] + count * BYTES[storages[key].dtype])
    return TorchFile(value, storages)


def read_plain(file: Stream) -> TorchFile:
    """A plain pickle, such as one of NumPy arrays. Raises ValueError for damage."""
    return TorchFile(read_pickle(file).value, {})


def _at(file: Stream, place: int, storage: _Storage) -> bytes:
    file.seek(place)
    return file.read(storage.count * BYTES[storage.dtype])


def _storages(references: Iterable[Reference], read: Callable[[str], bytes]) -> dict[str, _Storage]:
    """What `persistent_id` of torch.save wrote: ("storage", type, key, device, count), perhaps with a view."""
    found = {}
    for reference in references:
        match reference.key:
            case ("storage", Global(name), str(key), _, int(count), *_) if count >= 0:
                kind = name.rpartition(".")[2].removesuffix("Storage")
                found[key] = _Storage(TYPES[kind], count, partial(read, key))
    return found


def tensor_of(value: object, file: TorchFile) -> StoredTensor | None:
    """The tensor that a value is: torch's, or an array of NumPy's; None if it is none, or one without numbers.

    Raises ValueError for one that does not lie within its storage.
    """
    while isinstance(value, Made) and value.name.rpartition(".")[2] in WRAPPED and value.args:
        value = value.args[0]
    match value:
        case Made("torch._tensor._rebuild_from_type_v2", (Global(name), _, tuple(args), *_)):
            return tensor_of(Made(name, args), file)
        case Made("torch._utils._rebuild_tensor_v3", (storage, int(start), shape, strides, _, _, Global(dtype), *_)):
            return _placed(_storage(storage, file), start, shape, strides, dtype.rpartition(".")[2])
        case Made(name, (storage, int(start), shape, strides, *_)) if name in TENSORS:
            return _placed(_storage(storage, file), start, shape, strides)
        case Made(name) if name.startswith("numpy."):
            return _array(value)
    return None


def _storage(value: object, file: TorchFile) -> _Storage | None:
    match value:
        case Reference(("storage", _, str(key), *_)):
            return file.storages.get(key)
        case Made("torch.storage._load_from_bytes", (bytes(content),)):
            within = read_stream(io.BytesIO(content))
            return _storage(within.value, within) if isinstance(within.value, Reference) else None
    return None


def _placed(
    storage: _Storage | None, start: int, shape: object, strides: object, dtype: str | None = None
) -> StoredTensor | None:
    if storage is None:
        return None
    sizes, steps, kind = _sizes(shape), _sizes(strides), dtype or storage.dtype
    count = storage.count * BYTES[storage.dtype] // BYTES[kind]
    last = start + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    numbers = math.prod(sizes)
    if start < 0 or (numbers and last >= count) or numbers > max(count, LARGEST_VIEW):
        raise ValueError("a tensor that does not lie within its storage")

    def load() -> Tensor:
        import torch

        if kind.startswith("q"):
            raise ModelFileError(f"holds quantized tensors ({kind}): save the weights in floating point")
        if not numbers:
            return torch.empty(sizes, dtype=getattr(torch, kind))
        flat = torch.frombuffer(storage.content, dtype=getattr(torch, kind))
        return flat.as_strided(sizes, steps, start)

    return StoredTensor(kind, sizes, load)


def _sizes(value: object) -> tuple[int, ...]:
    if isinstance(value, Made) and value.args:  # torch.Size
        value = value.args[0]
    if not isinstance(value, tuple | list) or not all(isinstance(size, int) and size >= 0 for size in value):
        raise ValueError("a tensor without a shape")
    return tuple(value)


def _array(value: Made) -> StoredTensor | None:
    """NumPy's arrays: made empty and then given (version, shape, type, columns first, bytes), or from a buffer."""
    match value:
        case Made(name, _, (_, shape, dtype, order, content)) if name.endswith("multiarray._reconstruct"):
            pass
        case Made(name, (content, dtype, shape, order)) if name.endswith("numeric._frombuffer"):
            pass
        case _:
            return None
    match dtype:
        case Made("numpy.dtype", (str(kind), *_), (_, str(endian), *_)) if NUMBERS.fullmatch(kind):
            kind = endian.replace("|", "=") + kind.lstrip("<>|=")
        case _:
            return None
    if isinstance(content, str):  # Python 2
        content = content.encode("latin-1")
    elif isinstance(content, Made) and content.name == "_codecs.encode":  # Python 3, protocol 2
        content = str(content.args[0]).encode("latin-1")
    numbers = np.frombuffer(content, kind)
    return from_array(numbers.reshape(_sizes(shape), order="F" if order in (True, 1, "F") else "C"))


def groups(file: TorchFile) -> dict[tuple[str, ...], dict[str, StoredTensor]]:
    """Every dictionary of tensors in a file, and the state of every pickled module, by the keys that lead to it.

    Raises ValueError for what is damaged, or goes on without end.
    """
    found: dict[tuple[str, ...], dict[str, StoredTensor]] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), file.value)]
    seen: set[int] = set()
    for path, value in waiting:
        if isinstance(value, list | tuple) and len(value) <= LONGEST_LIST and len(path) <= DEEPEST:
            # Of several networks, or of a state and its epoch; a list of tensors has no keys.
            waiting += [((*path, str(place)), item) for place, item in enumerate(value)]
        mapping = mapping_of(value)
        if mapping is None or id(value) in seen or len(path) > DEEPEST:
            continue
        seen.add(id(value))
        if _is_module(value, mapping):
            state = dict(_state_of_module(value, file))
        else:
            state = {str(key): tensor for key, item in mapping.items() if (tensor := tensor_of(item, file))}
            waiting += [((*path, str(key)), item) for key, item in mapping.items() if not NO_WEIGHTS.search(str(key))]
        if state:
            found[path] = state
    return _joined(found)


def _joined(found: dict[tuple[str, ...], dict[str, StoredTensor]]) -> dict[tuple[str, ...], dict[str, StoredTensor]]:
    """One dictionary of those that hold a layer's tensors each, one within another: keys are then joined by dots."""
    if len(found) < LEAST_LAYERS or any(len(state) > LAYER_TENSORS for state in found.values()):
        return found
    return {(): {".".join((*path, key)): tensor for path, state in found.items() for key, tensor in state.items()}}


def _is_module(value: object, mapping: Mapping[str | int, Any]) -> bool:
    return "_modules" in mapping or (isinstance(value, Made) and value.name.startswith("__torch__."))


def _state_of_module(module: object, file: TorchFile) -> Iterator[tuple[str, StoredTensor]]:
    """What `state_dict` of a pickled module, or one of TorchScript, would give."""
    waiting: list[tuple[str, object]] = [("", module)]
    for number, (prefix, value) in enumerate(waiting):
        if number == MOST_MODULES or prefix.count(".") > DEEPEST:
            raise ValueError("modules within modules without end")
        attributes = mapping_of(value) or {}
        own = [attributes.get("_parameters"), attributes.get("_buffers")] if "_modules" in attributes else [value]
        passing = members_of(attributes.get("_non_persistent_buffers_set"))
        for key, item in (pair for part in own for pair in (mapping_of(part) or {}).items()):
            tensor = tensor_of(item, file)
            if key in passing:
                continue
            if tensor is not None:
                yield f"{prefix}{key}", tensor
            elif own == [value] and isinstance(item, Made):
                waiting.append((f"{prefix}{key}.", item))
        waiting += [(f"{prefix}{key}.", item) for key, item in (mapping_of(attributes.get("_modules")) or {}).items()]
