"""Collects what torchvision, timm and Keras have by each name: parameters and multiply-adds.

    python scripts/collect_peers.py FOLDER

FOLDER holds `models/LIBRARY__NAME.json`, computed by running the libraries, and `published_torchvision.json`, the
metadata of torchvision's published weights, whose multiply-adds have three decimals.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "src/convsmith/zoo/peers.json"


def main() -> None:
    folder = Path(sys.argv[1])
    peers: dict[str, dict[str, float]] = {}
    for row in json.loads((folder / "published_torchvision.json").read_text())["rows"]:
        peers[f"torchvision/{row['model']}"] = {"params": row["params"], "gmacs": row["gops"]}
    for path in sorted((folder / "models").glob("*__*.json")):
        reference = json.loads(path.read_text())
        name = f"{reference['source']}/{reference['name'].removesuffix(':1.0')}"
        macs = {} if reference["macs"] is None else {"macs": reference["macs"]}
        peers[name] = {"params": reference["params"], **macs}
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(peers[name])}" for name in sorted(peers))
    OUT.write_text("{\n" + rows + "\n}\n")
    print(f"{OUT}: {len(peers)} networks")


if __name__ == "__main__":
    main()
