"""A run's folder: the names of its files, and whether a process is at work in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convsmith.errors import UsageError

PLAN_FILE = "run.json"
LOG_FILE = "log.jsonl"
MODEL_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"
START_FILE = "start.safetensors"
"""The model whose weights the run starts from, where it has one."""
TEACHER_FILE = "teacher.safetensors"
"""The model that the run's network learns from, where it has one."""
SUMMARY_FILE = "summary.json"
REPORT_FILE = "report.html"
HARDEST_FILE = "hardest.json"
LOCK_FILE = "running.lock"
"""Held by the process at work, and free again however that process ends."""

WAIT = 2.0
"""Seconds to wait for the lock: whoever lists the runs holds it for a moment."""


@contextmanager
def running(run_dir: Path) -> Iterator[None]:
    """Holds the folder. Raises UsageError if another process of this machine does, or it cannot be written."""
    from filelock import FileLock, Timeout

    lock = FileLock(run_dir / LOCK_FILE)
    try:
        lock.acquire(timeout=WAIT)
    except Timeout:
        raise UsageError(f"{run_dir} is being trained by another process; wait for it, or stop it") from None
    except OSError as error:
        raise UsageError(f"cannot write to the folder {run_dir}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


def is_running(run_dir: Path) -> bool:
    """Whether a process of this machine holds the folder."""
    from filelock import FileLock, Timeout

    path = run_dir / LOCK_FILE
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # not ours to write, so nothing can be known
        return False
    lock.release()
    return False
