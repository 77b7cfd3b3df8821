import ctypes
import os
import random
from pathlib import Path

import fsspec
import pytest
import torch
from hypothesis import given, settings, strategies as st

from convsmith.errors import CheckpointError, UsageError
from convsmith.train.run.checkpoint import Checkpoint, CheckpointFolder, checkpoint_folder, read_checkpoint


def checkpoint(value: float = 1.0, size: int = 1000) -> Checkpoint:
    tensors = {
        "model/a": torch.full((size,), float(value)),
        "count": torch.tensor(3),
        "loss": torch.tensor(0.1).double(),
    }
    return Checkpoint(tensors, {"epoch": 2, "text": "ä", "value": value})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoint")
    folder.write(checkpoint(), 5)
    read, damaged = folder.read()
    assert damaged == []
    assert read is not None
    assert read.state == checkpoint().state
    assert all(torch.equal(read.tensors[name], value) for name, value in checkpoint().tensors.items())


def test_values_are_kept_whatever_the_memory_layout(tmp_path: Path) -> None:
    laid_out = torch.rand(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    tied = torch.rand(6)
    path = CheckpointFolder(tmp_path).write(Checkpoint({"a": laid_out, "b": tied, "c": tied, "d": tied[2:]}, {}), 1)
    read = read_checkpoint(path).tensors
    assert torch.equal(read["a"], laid_out)
    assert torch.equal(read["c"], tied)
    assert torch.equal(read["d"], tied[2:])


def test_the_two_newest_are_kept_and_half_written_files_removed(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    (tmp_path / "step-000000000001.tmp").write_bytes(b"left by a killed process")
    for steps in (2, 10, 9000, 100):
        folder.write(checkpoint(steps), steps)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000000100.safetensors",
        "step-000000009000.safetensors",
    ]


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert CheckpointFolder(tmp_path / "none").read() == (None, [])


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_single_changed_byte_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = CheckpointFolder(tmp_path_factory.mktemp("c")).write(checkpoint(size=20), 1)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [b"", b"hello", b"\x80\x02}q\x00.", os.urandom(5000)])
def test_any_other_file_is_refused_in_one_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "step-000000000001.safetensors"
    path.write_bytes(damage)
    with pytest.raises(CheckpointError, match="damaged checkpoint") as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)


def test_a_cut_off_newest_falls_back_to_the_one_before(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.write(checkpoint(1), 1)
    newest = folder.write(checkpoint(2), 2)
    content = newest.read_bytes()
    newest.write_bytes(content[: random.randrange(len(content))])
    read, damaged = folder.read()
    assert read is not None
    assert read.state["value"] == 1
    assert len(damaged) == 1
    assert newest.name in damaged[0]


def test_when_every_checkpoint_is_damaged_the_run_is_refused(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    for steps in (1, 2):
        folder.write(checkpoint(), steps).write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"no checkpoint can be used: .*step-0+2.*step-0+1"):
        folder.read()


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of one megabyte."""
    libc = ctypes.CDLL(None, use_errno=True)
    disk = tmp_path / "disk"
    disk.mkdir()
    if not hasattr(libc, "mount") or libc.mount(b"tmpfs", os.fsencode(disk), b"tmpfs", 0, b"size=1m"):
        pytest.skip("mounting a small disk needs to be root, on Linux")
    yield disk
    libc.umount(os.fsencode(disk))


def test_a_full_disk_is_one_line_and_leaves_the_last_checkpoint_alone(small_disk: Path) -> None:
    folder = CheckpointFolder(small_disk)
    first = folder.write(checkpoint(1, size=150_000), 1)
    with pytest.raises(CheckpointError, match=r"step-000000000002.*cannot be written.*[Nn]o space left") as full:
        folder.write(checkpoint(2, size=150_000), 2)
    assert "\n" not in str(full.value)
    assert list(small_disk.iterdir()) == [first]
    assert read_checkpoint(first).state["value"] == 1


def test_checkpoints_are_kept_at_any_fsspec_url() -> None:
    folder = checkpoint_folder("memory://bucket/run")
    for steps in (1, 2, 3):
        where = folder.write(checkpoint(value=steps), steps)
    assert where == "memory://bucket/run/step-000000000003.safetensors"
    assert [path.name[-13:-12] for path in folder.files()] == ["3", "2"]
    saved, damaged = folder.read()
    assert saved is not None
    assert (saved.state["value"], damaged) == (3, [])


def test_a_damaged_remote_checkpoint_falls_back_to_the_one_before() -> None:
    folder = checkpoint_folder("memory://bucket/damaged")
    folder.write(checkpoint(value=1), 1)
    folder.write(checkpoint(value=2), 2)
    with fsspec.open("memory://bucket/damaged/step-000000000002.safetensors", "wb") as file:
        file.write(b"half")
    saved, damaged = folder.read()
    assert saved is not None
    assert saved.state["value"] == 1
    assert len(damaged) == 1


def test_an_unknown_scheme_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        checkpoint_folder("nowhere://bucket/run")


@pytest.mark.parametrize("name", ["local://{tmp}/a[b]c", "local://{tmp}/[x]/c"])
def test_brackets_in_a_url_are_part_of_it(name: str, tmp_path: Path) -> None:
    folder = checkpoint_folder(name.format(tmp=tmp_path))
    assert folder.files() == []
    for steps in (1, 2, 3):
        folder.write(checkpoint(value=steps), steps)
    assert [path.name[-13:-12] for path in folder.files()] == ["3", "2"]
    saved, _ = folder.read()
    assert saved is not None
    assert saved.state["value"] == 3
    folder.clear()
    assert folder.files() == []


class Refusing(fsspec.AbstractFileSystem):
    """A store that answers as clients of buckets do where the key is wrong: with an error of their own."""

    protocol = "refusing"

    class NoCredentialsError(Exception):
        """As botocore's."""

    def ls(self, path: str, detail: bool = True, **options: object) -> list[str]:
        raise self.NoCredentialsError("Unable to locate credentials\nand more")

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise self.NoCredentialsError


def test_a_store_that_does_not_answer_is_one_line() -> None:
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    folder = checkpoint_folder("refusing://bucket/run")
    for act, words in (
        (folder.files, r"refusing://bucket/run: cannot be listed \(Unable to locate credentials\)"),
        (lambda: folder.write(checkpoint(), 1), r"step-0+1.safetensors: cannot be written \(NoCredentialsError\); ear"),
    ):
        with pytest.raises(CheckpointError, match=words) as refused:
            act()
        assert "\n" not in str(refused.value)
