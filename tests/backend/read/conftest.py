"""The tests of reading use the layers that the tests of lowering and ONNX list."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
