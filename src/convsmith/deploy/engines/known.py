"""Which engines there are, and which of them are installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from convsmith.deploy.engines.engine import Engine
from convsmith.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class EngineKind:
    """A program that runs ONNX files, or one of the ways in which it does.

    `module` is what Python imports, `extra` the extra of convsmith that installs it. With `one_size`, it takes only
    graphs whose images all have one size. Unless it is `judged`, it computes in fewer bits than asked for, by its own
    choice: its difference is told, and no verdict hangs on it.
    """

    name: str
    title: str
    module: str
    extra: str
    opener: Callable[[Path, int], Engine]
    one_size: bool = False
    judged: bool = True

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None

    def open(self, path: Path, threads: int) -> Engine:
        """Opens a file, to be run in this many threads of the CPU.

        Raises UsageError where the engine is not installed, ModelFileError where it cannot run the file.
        """
        if not self.installed:
            raise UsageError(f"{self.name} is not installed: pip install 'convsmith[{self.extra}]'", settings="engines")
        return self.opener(path, threads)


def _onnx_runtime(path: Path, threads: int) -> Engine:
    from convsmith.backend.runtime.session import Session

    return Session(path, threads)


def _openvino(path: Path, threads: int) -> Engine:
    from convsmith.deploy.engines.open_vino import OpenVino

    return OpenVino(path, threads, precision="f32")


def _openvino_default(path: Path, threads: int) -> Engine:
    from convsmith.deploy.engines.open_vino import OpenVino

    return OpenVino(path, threads, precision=None)


def _opencv(path: Path, threads: int) -> Engine:
    from convsmith.deploy.engines.open_cv import OpenCv

    return OpenCv(path, classic=False)


def _opencv_classic(path: Path, threads: int) -> Engine:
    from convsmith.deploy.engines.open_cv import OpenCv

    return OpenCv(path, classic=True)


ENGINES = (
    EngineKind("onnxruntime", "ONNX Runtime", "onnxruntime", "", _onnx_runtime),
    EngineKind("openvino", "OpenVINO", "openvino", "openvino", _openvino),
    EngineKind("openvino-default", "OpenVINO", "openvino", "openvino", _openvino_default, judged=False),
    EngineKind("opencv", "OpenCV", "cv2", "opencv", _opencv),
    EngineKind("opencv-classic", "OpenCV, classic", "cv2", "opencv", _opencv_classic, one_size=True),
)


def engine_kind(name: str) -> EngineKind:
    """The engine of this name. Raises UnknownNameError."""
    for kind in ENGINES:
        if kind.name == name:
            return kind
    raise UnknownNameError("engine", name, [kind.name for kind in ENGINES])
