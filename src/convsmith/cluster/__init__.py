"""The same work in several processes of a Ray cluster (extra `cluster`): training, and prediction over large sets."""

from convsmith.cluster.connect import Cluster, ClusterError
from convsmith.cluster.predict import predict_on
from convsmith.cluster.train import Job, train_on

__all__ = ["Cluster", "ClusterError", "Job", "predict_on", "train_on"]
