"""The same work in several processes of a Ray cluster (extra `cluster`): training, and prediction over large sets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convsmith.cluster.connect import Cluster, ClusterError

if TYPE_CHECKING:
    from convsmith.cluster.predict import predict_on
    from convsmith.cluster.train import Job, train_on

LAZY = {"Job": "train", "predict_on": "predict", "train_on": "train"}
"""Names by module: who predicts does without what trains."""

__all__ = ["Cluster", "ClusterError", "Job", "predict_on", "train_on"]


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"convsmith.cluster.{LAZY[name]}"), name)
