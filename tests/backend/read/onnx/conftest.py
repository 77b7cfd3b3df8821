"""Makes the layers that the exporter is tested on importable here: what it writes must come back."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
