"""Downloads from a local server that breaks off, lies about lengths, knows no ranges, or sends something else."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from convsmith.data.known.fetch import fetch
from convsmith.download import ATTEMPTS, BLOCK, Published, cache, download
from convsmith.errors import DataError, DownloadError

CONTENT = np.random.default_rng(0).bytes(3 * BLOCK + 1000)
DIGITS = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """How the server treats requests: `cuts` lists after how many bytes each next answer breaks off."""

    content: bytes = CONTENT
    cuts: list[int] = field(default_factory=list)
    knows_ranges: bool = True
    claims: int = 0
    """Bytes that Content-Length is off by."""
    says_length: bool = True
    refusals: list[int] = field(default_factory=list)
    """Status codes of the next answers."""
    asked: list[str] = field(default_factory=list)
    """The Range header of each request so far."""
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        behaviour = self.behaviour
        behaviour.asked.append(self.headers.get("Range", ""))
        if behaviour.refusals:
            self.send_error(behaviour.refusals.pop(0))
            return
        content, size = behaviour.content, len(behaviour.content)
        start = int(behaviour.asked[-1].removeprefix("bytes=").rstrip("-") or 0) if behaviour.knows_ranges else 0
        if start >= size:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if behaviour.says_length:
            self.send_header("Content-Length", str(size - start + behaviour.claims))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        end = start + behaviour.cuts.pop(0) if behaviour.cuts else size
        self.wfile.write(content[start:end])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Behaviour]:
    behaviour = Behaviour()
    handler = type("BehavedHandler", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        behaviour.address = f"http://127.0.0.1:{listening.server_port}/file.bin"
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield behaviour
        listening.shutdown()


@pytest.fixture(params=["size known", "size not known"])
def file(server: Behaviour, request: pytest.FixtureRequest) -> Published:
    return Published(server.address, len(CONTENT) if request.param == "size known" else None, DIGITS)


def get(file: Published, folder: Path) -> bytes:
    return download(file, folder, pause=0).read_bytes()


def test_a_whole_file_arrives_and_nothing_beside_it(file: Published, tmp_path: Path) -> None:
    assert get(file, tmp_path / "new") == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir() if not path.name.startswith(".")] == ["file.bin"]


def test_a_connection_that_breaks_off_goes_on_where_it_ended(
    file: Published, server: Behaviour, tmp_path: Path
) -> None:
    server.cuts = [1000, 70_000]
    assert get(file, tmp_path) == CONTENT
    assert server.asked == ["", "bytes=1000-", "bytes=71000-"]


def test_a_later_run_goes_on_where_the_first_ended(file: Published, server: Behaviour, tmp_path: Path) -> None:
    server.cuts = [5000] + [0] * ATTEMPTS
    with pytest.raises(DownloadError, match="could not be fetched: the connection closed early"):
        get(file, tmp_path)
    assert not (tmp_path / "file.bin").exists()
    assert get(file, tmp_path) == CONTENT
    assert server.asked[-1] == "bytes=5000-"


def test_a_server_without_ranges_begins_anew(file: Published, server: Behaviour, tmp_path: Path) -> None:
    server.knows_ranges = False
    server.cuts = [1000]
    assert get(file, tmp_path) == CONTENT


def test_a_server_that_gives_no_length_is_believed_at_the_end(
    file: Published, server: Behaviour, tmp_path: Path
) -> None:
    server.says_length = False
    assert get(file, tmp_path) == CONTENT


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_length_that_is_too_large_does_no_harm(
    file: Published, server: Behaviour, tmp_path: Path, knows_ranges: bool
) -> None:
    server.claims, server.knows_ranges = 500, knows_ranges
    assert get(file, tmp_path) == CONTENT


def test_a_length_that_is_too_small_never_gives_a_part_for_the_whole(
    file: Published, server: Behaviour, tmp_path: Path
) -> None:
    server.claims = -500
    with pytest.raises(DownloadError, match="closed early" if file.size else "not the published file"):
        get(file, tmp_path)
    assert not (tmp_path / "file.bin").exists()


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"?", CONTENT + b"?", b""])
def test_other_bytes_are_refused_and_not_kept(
    file: Published, server: Behaviour, tmp_path: Path, content: bytes
) -> None:
    server.content = content
    with pytest.raises(DownloadError, match=r"file\.bin"):
        get(file, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".") and path.stat().st_size] == []


def test_the_first_digits_of_a_checksum_are_enough(server: Behaviour, tmp_path: Path) -> None:
    assert get(Published(server.address, None, DIGITS[:8]), tmp_path) == CONTENT
    with pytest.raises(DownloadError, match="not the published file"):
        get(Published(server.address, None, "0" * 8), tmp_path)


def test_a_refusal_is_final_at_once(file: Published, server: Behaviour, tmp_path: Path) -> None:
    server.refusals = [404]
    with pytest.raises(DownloadError, match="404 Not Found"):
        get(file, tmp_path)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(file: Published, server: Behaviour, tmp_path: Path, status: int) -> None:
    server.refusals = [status] * (ATTEMPTS - 1)
    assert get(file, tmp_path) == CONTENT


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/file\.bin could not be fetched: .*refused"):
        get(Published("http://127.0.0.1:9/file.bin", None, DIGITS), tmp_path)


def test_a_file_that_is_here_is_not_fetched_again(file: Published, server: Behaviour, tmp_path: Path) -> None:
    get(file, tmp_path)
    get(file, tmp_path)
    assert len(server.asked) == 1


def test_a_damaged_file_is_replaced(file: Published, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT[:-5] + b"12345")
    assert get(file, tmp_path) == CONTENT


def test_two_that_want_the_same_file_fetch_it_once(file: Published, server: Behaviour, tmp_path: Path) -> None:
    threads = [threading.Thread(target=get, args=(file, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_offline_only_what_is_here_is_given(
    file: Published, server: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSMITH_OFFLINE", "1")
    with pytest.raises(DownloadError, match="CONVSMITH_OFFLINE forbids"):
        get(file, tmp_path)
    assert (server.asked, list(tmp_path.iterdir())) == ([], [])
    (tmp_path / "file.bin").write_bytes(CONTENT)
    assert get(file, tmp_path) == CONTENT
    (tmp_path / "file.bin").unlink()
    monkeypatch.setenv("CONVSMITH_OFFLINE", "0")
    assert get(file, tmp_path) == CONTENT


def test_a_data_set_is_not_fetched_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSMITH_OFFLINE", "1")
    monkeypatch.setattr("convsmith.data.known.names.cached", lambda name: tmp_path / name)
    with pytest.raises(DataError, match="digits is not on this machine, and CONVSMITH_OFFLINE forbids"):
        fetch("digits", tell=pytest.fail)


def test_progress_ends_at_the_whole(file: Published, server: Behaviour, tmp_path: Path) -> None:
    server.cuts = [1000]
    told: list[tuple[int, int | None]] = []
    download(file, tmp_path, pause=0, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_folder_that_cannot_be_made_is_named(file: Published, tmp_path: Path) -> None:
    (tmp_path / "in the way").touch()
    with pytest.raises(DownloadError, match=r"in the way/file\.bin cannot be written"):
        get(file, tmp_path / "in the way")


def test_the_cache_is_where_the_platform_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    assert cache("weights") == tmp_path / "convsmith/weights"
