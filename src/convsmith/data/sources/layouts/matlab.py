"""MAT-files of versions 4 to 7, as data sets keep their lists and images in."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import DataError

MAX_BYTES = 4 << 30
"""Of one array: it is read into memory."""

HDF5_HEADER = b"MATLAB 7.3"
HDF5 = b"\x89HDF\r\n\x1a\n"
USER_BLOCK = 512
"""Bytes before the HDF5 signature of version 7.3."""

ELEMENT_BYTES = {"int8": 1, "uint8": 1, "char": 2, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "single": 4}
"""Of MATLAB's types; all others have 8 or more."""


def read_mat(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """The variables of these names, without dimensions of 1. Objects of MATLAB's classes are not read.

    Raises DataError naming the file, and the variable that it lacks.
    """
    _check_version(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # "returned data may be corrupt"
            return _read(path, names)
    except DataError:
        raise
    except Exception as error:  # whatever scipy's reader meets in a damaged file
        told = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} cannot be read as a MAT-file: {told}") from None


def _read(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    from scipy.io import loadmat, whosmat  # type: ignore[import-untyped]  # here, because it takes 100 ms

    found = {name: (shape, kind) for name, shape, kind in whosmat(path, appendmat=False)}
    missing = next((name for name in names if name not in found), None)
    if missing is not None:
        raise DataError(f"{path} has no variable {missing}; it has: {', '.join(found) or 'none'}")
    for name in names:
        _check_size(path, name, *found[name])
    read = loadmat(path, appendmat=False, squeeze_me=True, variable_names=list(names))
    return {name: np.asarray(read[name]) for name in names}


def strings(path: Path, name: str, array: NDArray[Any]) -> list[str]:
    """The strings of a cell array. Raises DataError if it holds something else."""
    cells = np.atleast_1d(array).ravel().tolist()
    if not all(isinstance(cell, str) for cell in cells):
        raise DataError(f"{path}: {name} is not a cell array of strings")
    return [cell.strip() for cell in cells]


def integers(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    """The whole numbers of a vector, (N,). Raises DataError if it holds something else."""
    flat = np.atleast_1d(array)
    if flat.dtype.kind not in "iuf" or flat.ndim != 1 or (flat != np.floor(flat)).any():
        raise DataError(f"{path}: {name} is {flat.dtype} {flat.shape}; expected a vector of whole numbers")
    return flat.astype(np.int64)


def _check_version(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(USER_BLOCK + len(HDF5))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if head.startswith(HDF5_HEADER) or HDF5 in (head[: len(HDF5)], head[USER_BLOCK:]):
        raise DataError(f"{path} is a MAT-file of version 7.3 (HDF5); save it as version 7 (MATLAB: save -v7)")


def _check_size(path: Path, name: str, shape: tuple[int, ...], kind: str) -> None:
    size = math.prod(shape) * ELEMENT_BYTES.get(kind, 8)
    if size > MAX_BYTES:
        raise DataError(f"{path}: {name} takes {size:,} bytes; at most {MAX_BYTES:,} are read into memory")
