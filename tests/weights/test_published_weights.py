"""The registry of published weights against our networks, and how its files are fetched and recognised."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import convsmith
from convsmith.errors import DownloadError, UnknownNameError
from convsmith.weights.published_weights import (
    PublishedWeights,
    cached,
    fetch_weights,
    find_published,
    published,
    recognised,
)

ROWS = published()
CONTENT = b"weights" * 1000


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_published_figures_are_those_of_our_network(row: PublishedWeights) -> None:
    net = convsmith.create(row.model)
    assert net.input == (row.preprocess.channels, *row.preprocess.crop)
    # torchvision counts GoogLeNet without its auxiliary classifiers, Inception v3 with them.
    params = {convsmith.cost_of(net).params, convsmith.cost_of(net.inference).params}
    assert row.params in params
    assert convsmith.cost_of(net).macs / 1e9 == pytest.approx(row.gmacs, abs=0.001)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_complete(row: PublishedWeights) -> None:
    assert row.file.url.startswith("https://")
    assert 8 <= len(row.file.sha256) <= 64
    assert int(row.file.sha256, 16) >= 0
    assert 50 < row.top1 < (row.top5 or 90) < 100
    assert 0.45 < row.mib / (4 * row.params / 2**20) < 2.1  # half precision; auxiliary classifiers in the file


def test_names_are_unique_and_addresses_too() -> None:
    assert len({row.name for row in ROWS}) == len({row.file.url for row in ROWS}) == len(ROWS)


def test_a_models_name_stands_for_its_newest_weights() -> None:
    assert find_published("torchvision/resnet50").name == "torchvision/resnet50.IMAGENET1K_V2"
    assert find_published("torchvision/resnet50.IMAGENET1K_V1").top1 < find_published("torchvision/resnet50").top1


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="torchvision/resnet50"):
        find_published("torchvision/resnet5")


@pytest.mark.parametrize("name", ["torchvision/googlenet", "torchvision/inception_v3"])
def test_normalization_within_a_torchvision_model_is_part_of_the_preprocessing(name: str) -> None:
    preprocess = find_published(name).preprocess
    assert (preprocess.mean, preprocess.std) == ((0.5,) * 3, (0.5,) * 3)


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublishedWeights]:
    """The only published weights: a file on a local server. The user's cache is `tmp_path/cache`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    (tmp_path / "www").mkdir()
    (tmp_path / "www/net-12345678.pth").write_bytes(CONTENT)
    monkeypatch.setattr("convsmith.download.cache", lambda kind: tmp_path / "cache" / kind)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "www"))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/net-12345678.pth"
        row = replace(ROWS[0], name="local/net", url=url, sha256=hashlib.sha256(CONTENT).hexdigest()[:8])
        monkeypatch.setattr("convsmith.weights.published_weights._registry", lambda: (row,))
        yield row
        server.shutdown()


def test_published_weights_are_fetched_into_the_cache_once(local: PublishedWeights, tmp_path: Path) -> None:
    path = fetch_weights("local/net")
    assert path == cached(local) == tmp_path / "cache/weights/net-12345678.pth"
    assert path.read_bytes() == CONTENT
    (tmp_path / "www/net-12345678.pth").unlink()
    assert fetch_weights("local/net") == path


def test_other_bytes_than_published_are_not_kept(local: PublishedWeights, tmp_path: Path) -> None:
    (tmp_path / "www/net-12345678.pth").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(DownloadError, match=r"net-12345678\.pth is not the published file"):
        fetch_weights("local/net")
    assert not cached(local).exists()


def test_nothing_is_fetched_offline(local: PublishedWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSMITH_OFFLINE", "1")
    with pytest.raises(DownloadError, match="CONVSMITH_OFFLINE"):
        fetch_weights("local/net")


def test_a_published_file_is_recognised_by_its_content(local: PublishedWeights, tmp_path: Path) -> None:
    (tmp_path / "renamed.bin").write_bytes(CONTENT)
    (tmp_path / "net-12345678.pth").write_bytes(b"something else")
    assert recognised(tmp_path / "renamed.bin") == local
    assert recognised(tmp_path / "net-12345678.pth") is None
