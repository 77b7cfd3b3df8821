"""An op in a few words, as the rows of tables and the labels of pictures have it: `conv 3x3 / 2, 64`."""

from __future__ import annotations

from functools import singledispatch

from convsmith.network import ops
from convsmith.network.dims import Pair
from convsmith.network.ops.pool import _Pool
