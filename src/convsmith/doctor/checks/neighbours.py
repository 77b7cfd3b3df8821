"""The nearest neighbours of many vectors, without comparing each with each where there are very many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EXACT = 8_000
"""Vectors up to which each is compared with each."""

CELLS_SEARCHED = 8
"""Cells next to a vector in which its neighbours are looked for. Those that matter are very near, so in its own or one
of the next."""

ROUNDS = 5
"""Of k-means, on FITTED vectors."""

FITTED = 20_000
BLOCK = 1024


def neighbours(unit: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each unit vector, (N, D), the rows of the `count` most alike others and their products, both (N, count).

    Exact up to EXACT vectors; beyond, they are sorted into cells by k-means, and those in the next CELLS_SEARCHED cells
    are compared (an inverted file, as in Jegou et al. 2011, section IV). Where there are fewer, the row is -1 and the
    product -1.
    """
    vectors = torch.from_numpy(unit)
    rows = np.full((len(unit), count), -1, np.int64)
    products = np.full((len(unit), count), -1, np.float32)
    with torch.inference_mode():
        for asked, among in _groups(vectors):
            for block in torch.split(asked, BLOCK):
                alike = vectors[block] @ vectors[among].T
                alike[block[:, None] == among[None]] = -1
                found, at = alike.topk(min(count, len(among)), dim=1)
                rows[block, : at.shape[1]] = among[at].numpy()
                products[block, : at.shape[1]] = found.numpy()
    rows[products <= -1] = -1
    return rows, products


def _groups(vectors: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows, and the rows that they are compared with."""
    everything = torch.arange(len(vectors))
    if len(vectors) <= EXACT:
        yield everything, everything
        return
    centres = _centres(vectors, int(len(vectors) ** 0.5))
    cell = torch.cat([(block @ centres.T).argmax(1) for block in torch.split(vectors, BLOCK)])
    members = [torch.from_numpy(rows) for rows in _members(cell.numpy(), len(centres))]
    near = (centres @ centres.T).topk(min(CELLS_SEARCHED, len(centres)), dim=1).indices
    for number, asked in enumerate(members):
        if len(asked):
            yield asked, torch.cat([members[other] for other in near[number].tolist()])


def _members(cell: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    order = np.argsort(cell, kind="stable")
    return np.split(order, np.searchsorted(cell[order], np.arange(1, count)))


def _centres(vectors: Tensor, count: int) -> Tensor:
    """Unit vectors (count, D) by k-means, from evenly spread ones."""
    fitted = vectors[torch.linspace(0, len(vectors) - 1, min(FITTED, len(vectors))).long()]
    centres = fitted[torch.linspace(0, len(fitted) - 1, count).long()]
    for _ in range(ROUNDS):
        nearest = torch.cat([(block @ centres.T).argmax(1) for block in torch.split(fitted, BLOCK)])
        sums = torch.zeros_like(centres).index_add_(0, nearest, fitted)
        kept = sums.norm(dim=1, keepdim=True) > 0
        centres = torch.where(kept, torch.nn.functional.normalize(sums, dim=1), centres)
    return centres
