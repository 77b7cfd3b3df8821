"""What every engine is to the rest of the program."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray


class Engine(Protocol):
    """An ONNX file, opened in a program that runs it on the CPU."""

    @property
    def version(self) -> str:
        """The version of the program."""
        ...

    @property
    def precision(self) -> str:
        """In what it computes: "float32" or "bfloat16"."""
        ...

    def run(self, output: str, source: str, value: NDArray[Any]) -> NDArray[Any]:
        """The output of this name where the input `source` is `value`.

        Raises ModelFileError where the engine cannot run the graph on it.
        """
        ...
