"""What is copied to a device to measure it there: the graphs, and the script that times them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from convsmith.devices.measure import runner
from convsmith.devices.measure.graphs import graph_of
from convsmith.devices.measure.samples import sample_network
from convsmith.devices.measure.timings import graph_name
from convsmith.errors import UsageError
from convsmith.files import replacing

SCRIPT = "profile_device.py"
NETWORKS = 120


def write_kit(path: Path, networks: int = NETWORKS, on_progress: Callable[[str, int, int], None] | None = None) -> None:
    """Writes a zip file of the first `networks` graphs of the design, and the script.

    Raises UsageError for a name without .zip, OutputError where it cannot be written; then nothing is left behind.
    """
    if path.suffix != ".zip":
        raise UsageError(f"{path}: the graphs are written as a .zip file", settings="graphs")
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(Path(runner.__file__), SCRIPT)
        for number in range(networks):
            if on_progress is not None:
                on_progress("writing graphs", number, networks)
            archive.writestr(f"{graph_name(number)}.onnx", graph_of(sample_network(number)))
