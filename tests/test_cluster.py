"""Training and prediction on a Ray cluster of two nodes on this machine; what is slow runs in `.ci/run`."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

import convsmith
from convsmith.cluster import Cluster, ClusterError, Job, predict_on, train_on
from convsmith.cluster.connect import connected
from convsmith.cluster.predict import Worker
from convsmith.data.unlabelled import gather
from convsmith.deploy.predict import predict
from convsmith.errors import UsageError
from convsmith.model.file import Header, save_model
from convsmith.network import Preprocess

BIN = Path(sys.executable).parent
FIT = ("--model", "lenet5", "--side", "32", "--float32")
PATIENCE = 180
"""Seconds that anything may take at most: a worker imports torch while another test runs."""


def job(folder: Path) -> Job:
    return Job({}, "nowhere", 0, False, str(folder), None, False)


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'convsmith\[cluster\]'"):
        train_on(Cluster("auto", 2), job(tmp_path), print)


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_nobody_answers_it_says_so_at_once(tmp_path: Path, scheme: str) -> None:
    address = f"{scheme}127.0.0.1:{free_port()}"
    with pytest.raises(ClusterError, match=f"cluster: {address} does not answer"):
        train_on(Cluster(address, 2), job(tmp_path), print)


@pytest.mark.parametrize("address", ["somewhere", "host:", ":80", "ray://host:port"])
def test_an_address_is_checked(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match=r"cluster: must be auto, HOST:PORT or ray://HOST:PORT, not"):
        train_on(Cluster(address, 2), job(tmp_path), print)


def test_prediction_says_at_once_where_nobody_answers(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ClusterError, match=f"cluster: {address} does not answer"):
        next(predict_on(Cluster(address, 2), tmp_path / "model.safetensors", gather([tmp_path / "photo.png"])))


def test_what_a_worker_cannot_open_is_sent_in_place_of_predictions(tmp_path: Path) -> None:
    worker = Worker(str(tmp_path / "model.safetensors"), gather([tmp_path / "photo.png"]), 1, 5, False)
    (found,) = worker({"item": np.array([0])})["predictions"]
    assert re.fullmatch(rf"\S+: {tmp_path}/model\.safetensors: no such file", json.loads(found))


def test_a_cluster_that_ray_remembers_but_that_is_gone_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray/ray_current_cluster").write_text(f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(ClusterError, match="does not answer; run `ray stop`"):
        train_on(Cluster("auto", 2), job(tmp_path), print)


class HeadThatFails:
    """A stand-in for `ray` whose head's client server fails to serve so many clients."""

    def __init__(self, times: int) -> None:
        self.times, self.asked, self.left = times, 0, False

    def init(self, **options: object) -> None:
        self.asked += 1
        if self.asked <= self.times:
            raise ConnectionAbortedError("Initialization failure:\nStarting Ray client server failed.")

    def shutdown(self) -> None:
        self.left = True


def test_a_client_whom_the_head_could_not_serve_asks_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    ray = HeadThatFails(2)
    with connected(ray, "auto"):
        assert ray.asked == 3
    assert ray.left


def test_a_head_that_serves_no_client_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with (
        pytest.raises(ClusterError, match=r"cannot be reached \(Starting Ray client server failed\.\)"),
        connected(HeadThatFails(9), "auto"),
    ):
        pytest.fail("connected")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class TwoNodes:
    """A head and a second node, each with one core and a port of its own, started as the guide says."""

    def __init__(self, folder: Path) -> None:
        self.address, self.client = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self._folder = folder
        self._nodes: list[psutil.Popen] = []
        port, client = (address.rpartition(":")[2] for address in (self.address, self.client))
        self._start("--head", f"--port={port}", f"--ray-client-server-port={client}", "--include-dashboard=false")
        self._start(f"--address={self.address}")

    def _start(self, *options: str) -> None:
        number = len(self._nodes)
        command = [BIN / "ray", "start", "--block", "--num-cpus=1", "--disable-usage-stats", *options]
        log = self._folder / f"node{number}.log"
        with log.open("w") as output:
            self._nodes.append(psutil.Popen(command, stdout=output, stderr=output))
        wait_for(lambda: "Ray runtime started" in log.read_text(), f"node {number} to start", log)

    def kill_second(self) -> None:
        kill_tree(self._nodes[1])

    def workers(self, kind: str = "RayTrainWorker") -> list[psutil.Process]:
        """The processes that train, or predict ("MapWorker"), of both nodes."""
        processes = [child for node in self._nodes if node.is_running() for child in node.children(recursive=True)]
        return [process for process in processes if kind in " ".join(command_of(process))]

    def stop(self) -> None:
        for node in reversed(self._nodes):
            kill_tree(node)


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def kill_tree(process: psutil.Popen) -> None:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family, timeout=30)


def wait_for(happened: Callable[[], bool], what: str, log: Path, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain for {what}: {log.read_text()[-2000:]}")
        time.sleep(0.05)


@pytest.fixture
def two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoNodes]:
    # A head asks for this person's token, where a cluster on this machine has made one; the second node sends none.
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    # Ray's workers yield to all else that runs (niceness 15): beside busy processes no patience would be enough.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    nodes = TwoNodes(tmp_path)
    yield nodes
    nodes.stop()


class Training:
    """`convsmith fit` in a process of its own."""

    def __init__(self, folder: Path, name: str, data: Path | str, epochs: int, *options: str) -> None:
        self.run, self.log = folder / name, folder / f"{name}.log"
        command = [BIN / "convsmith", "fit", data, *FIT, "--epochs", str(epochs), "--out", self.run, *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self.log.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)

    def starts(self) -> list[int]:
        """In how many processes it went on, each time that it did."""
        return [int(count) for count in re.findall(r"training in (\d+) process", self.log.read_text())]

    def epochs(self) -> int:
        return len(re.findall(r"^epoch \d+:", self.log.read_text(), re.MULTILINE))

    def finished(self) -> dict[str, torch.Tensor]:
        """Waits for the end. The weights that it made."""
        wait_for(lambda: self.process.poll() is not None, "the end", self.log, PATIENCE * 2)
        assert self.process.returncode == 0, self.log.read_text()[-3000:]
        return load_file(self.run / "model.safetensors")

    def losses(self) -> list[float]:
        events = [json.loads(line) for line in (self.run / "log.jsonl").read_text().splitlines()]
        return [event["train_loss"] for event in events if "train_loss" in event]


@pytest.mark.slow
def test_two_nodes_have_the_losses_of_one_machine_also_where_one_is_lost(
    two_nodes: TwoNodes, photo_folder: Path, tmp_path: Path
) -> None:
    epochs = 40
    cluster = ("--cluster", two_nodes.address, "--workers", "2")
    whole = Training(tmp_path, "whole", photo_folder, epochs, *cluster)
    whole.finished()
    alone = Training(tmp_path, "alone", photo_folder, epochs)
    alone.finished()
    losing = Training(tmp_path, "losing", photo_folder, epochs, *cluster)
    wait_for(lambda: losing.epochs() >= 2, "the second epoch", losing.log)
    two_nodes.kill_second()
    losing.finished()
    assert whole.starts() == [2]
    assert losing.starts()[0] == 2
    assert losing.starts()[-1] == 1, "the node that was left went on alone"
    assert len(alone.losses()) == epochs
    for several in (whole.losses(), losing.losses()):
        # What is rounded otherwise grows: 1e-7 in the first epoch, 1e-6 in the eighth, then maxima change places.
        assert several[:7] == pytest.approx(alone.losses()[:7], rel=1e-4)
        assert several[-5:] == pytest.approx(alone.losses()[-5:], rel=0.1)


@pytest.mark.slow
def test_a_worker_killed_twenty_times_changes_no_bit(two_nodes: TwoNodes, tmp_path: Path) -> None:
    epochs = 40
    cluster = ("--cluster", two_nodes.address, "--workers", "2")
    killed = Training(tmp_path, "killed", "fashion-mini", epochs, *cluster)
    for times in range(1, 21):
        wait_for(lambda times=times: len(killed.starts()) >= times, f"start {times}", killed.log)
        time.sleep(random.uniform(0.0, 2.0))
        workers = two_nodes.workers()
        assert workers, f"it had ended before worker {times} could be killed: {killed.log.read_text()[-1000:]}"
        os.kill(random.choice(workers).pid, signal.SIGKILL)
    weights = killed.finished()
    straight = Training(tmp_path, "straight", "fashion-mini", epochs, *cluster)
    wanted = straight.finished()
    assert killed.losses() == pytest.approx(straight.losses(), rel=1e-3)
    assert set(killed.starts()) == {2}, "with fewer processes the sums would be rounded otherwise"
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)


@pytest.mark.slow
def test_a_client_of_the_cluster_has_the_losses_of_a_member(
    two_nodes: TwoNodes, photo_folder: Path, tmp_path: Path
) -> None:
    member = Training(tmp_path, "member", photo_folder, 3, "--cluster", two_nodes.address, "--workers", "2")
    member.finished()
    client = Training(tmp_path, "client", photo_folder, 3, "--cluster", f"ray://{two_nodes.client}", "--workers", "2")
    client.finished()
    assert client.starts() == [2]
    assert client.losses() == pytest.approx(member.losses(), rel=1e-4)


@pytest.mark.slow
def test_what_a_worker_cannot_do_is_said_in_one_line(two_nodes: TwoNodes, photo_folder: Path, tmp_path: Path) -> None:
    cluster = ("--cluster", two_nodes.address, "--workers", "2", "--checkpoints", "/proc/nowhere")
    training = Training(tmp_path, "failing", photo_folder, 1, *cluster)
    assert training.process.wait(PATIENCE) in (1, 2)
    assert training.log.read_text().splitlines()[-1].startswith("convsmith: ")
    assert "Traceback" not in training.log.read_text()


ROUNDS = 80
"""How often the folder of photographs is predicted, so that there is time to kill a worker."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    network = convsmith.create("lenet5", classes=3, input=(1, 28, 28))
    header = Header(network, ("ant", "bee", "fly"), Preprocess(1, (28, 28), 28, (0.5,), (0.25,)))
    save_model(header.with_weights(convsmith.build(network, 1).state_dict()), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.mark.slow
def test_two_nodes_predict_as_one_machine_does_also_where_a_worker_is_killed(
    two_nodes: TwoNodes, photo_folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo_folder.parent)  # a relative path, which the nodes, started elsewhere, must find too
    folder = Path(photo_folder.name)
    out, log = tmp_path / "out.jsonl", tmp_path / "predict.log"
    words = ("predict", *[folder] * ROUNDS, "--model", model, "--out", out)
    with log.open("w") as output:
        process = subprocess.Popen(
            [BIN / "convsmith", *words, "--cluster", two_nodes.address, "--workers", "2"], stdout=output, stderr=output
        )
    wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob(".out.jsonl.*")), "the first rows", log)
    workers = two_nodes.workers("MapWorker")
    assert len(workers) == 2
    os.kill(random.choice(workers).pid, signal.SIGKILL)
    assert not out.exists(), "it had ended before a worker could be killed"
    assert process.wait(PATIENCE) == 1, log.read_text()[-3000:]  # one image is truncated
    assert f"{ROUNDS} unreadable" in log.read_text()
    assert "Traceback" not in log.read_text()
    wanted = predict(model, [folder])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == ROUNDS * len(wanted)
    for row, prediction in zip(rows, wanted * ROUNDS, strict=True):
        assert (row["image"], row["error"]) == (prediction.image, prediction.error)
        assert [row[f"class_{i}"] for i in (1, 2, 3)] == ([guess.label for guess in prediction.guesses] or [None] * 3)
        for i, guess in enumerate(prediction.guesses, 1):
            assert row[f"probability_{i}"] == pytest.approx(guess.probability, abs=1e-5)
