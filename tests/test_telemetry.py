"""Nothing that convsmith imports may report home: the switches are set before the import that would read them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import convsmith
from convsmith.telemetry import SWITCHES

WATCH = """
import os, sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {library!r}:
            print(os.environ.get({variable!r}))
            raise SystemExit(0)

sys.meta_path.insert(0, Watch())
{statement}
sys.exit("never imported")
"""


@pytest.mark.parametrize(
    ("library", "variable", "statement"),
    [
        ("onnxruntime", "ORT_DISABLE_TELEMETRY", "import convsmith.backend.runtime.session"),
        ("onnxruntime", "ORT_DISABLE_TELEMETRY", "import convsmith; convsmith.export"),
        ("onnxruntime", "ORT_DISABLE_TELEMETRY", "import convsmith.backend.read.onnx"),
        ("ray", "RAY_USAGE_STATS_ENABLED", "from convsmith.cluster.connect import import_ray; import_ray()"),
    ],
)
@pytest.mark.parametrize("own", [None, "mine"])
def test_a_switch_is_set_before_the_import(library: str, variable: str, statement: str, own: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    environment |= {} if own is None else {variable: own}
    code = WATCH.format(library=library, variable=variable, statement=statement)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (own or SWITCHES[variable])


SOURCE = Path(convsmith.__file__).parent
HOMES = {name: {"telemetry.py"} for name in ("openvino", "cv2")} | {
    # The script that is copied to other devices runs without convsmith, and sets the switch itself.
    "onnxruntime": {"telemetry.py", "devices/measure/runner.py"},
    "ray": {f"cluster/{name}.py" for name in ("connect", "predict", "train")},
}


@pytest.mark.parametrize(("library", "homes"), HOMES.items())
def test_what_reports_home_is_imported_in_one_place(library: str, homes: set[str]) -> None:
    found = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.partition(".")[0] == library for name in names):
                found.add(file.relative_to(SOURCE).as_posix())
    assert found == homes


def test_onnx_runtime_leaves_nothing_in_the_users_home(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES and "XDG" not in name}
    code = (
        "import numpy as np, convsmith; from convsmith.deploy.latency import latency_ms;"
        "latency_ms(convsmith.create('lenet5'))"
    )
    subprocess.run([sys.executable, "-c", code], env=environment | {"HOME": str(tmp_path)}, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def can_trace() -> bool:
    """Whether system calls can be watched here: a container may forbid it."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


WAIT = 5
"""Seconds after the work: what reports does it in the background, a few seconds after the import."""

WORK = f"""
import time
import numpy as np
import convsmith
labels = np.arange(40) % 2
noise = np.random.default_rng(0).integers(0, 90, (40, 28, 28), np.uint8)
images = noise + 90 * labels.astype(np.uint8)[:, None, None]
data = convsmith.Dataset.from_arrays(images, labels)
made = convsmith.fit(data, "lenet5", convsmith.Request(epochs=1, precision="float32"), out="run")
convsmith.predict("run/model.onnx", images[0])
time.sleep({WAIT})
"""


@pytest.mark.skipif(not can_trace(), reason="needs strace, and leave to use it")
def test_nobody_is_spoken_to(tmp_path: Path) -> None:
    """No process of a training, export and prediction so much as opens a socket of the internet."""
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES and "XDG" not in name}
    trace = tmp_path / "trace"
    watch = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=socket,connect,sendto", "-o", str(trace)]
    done = subprocess.run(
        [*watch, sys.executable, "-c", WORK],
        env=environment | {"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in trace.read_text().splitlines() if "AF_INET" in line] == []
