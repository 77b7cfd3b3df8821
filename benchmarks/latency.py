"""Claim: from a table of this machine, the latency of networks that it never saw is predicted without running them.

Over 40 zoo networks at their papers' inputs, batch 1, one thread, in ONNX Runtime and in OpenVINO: median absolute
error at most 10%, 90th percentile at most 20%, rank correlation (Spearman) at least 0.97. For the table, the sampled
networks of `convsmith profile` are measured; no zoo network is among them.

Both are measured in turns, a few sampled networks and then a few of the zoo, so that whatever else the machine does
meets both alike: another core's work alone makes large networks a fifth slower here. Every network of the zoo comes
four times, and its latency is the lower quartile of its runs. What was measured is kept in `--times FOLDER`, from
which it is read again.

    OMP_NUM_THREADS=1 chrt -f 1 python benchmarks/latency.py --times latency/ [--engines onnxruntime,openvino]

(`chrt` keeps other processes off the core that is measured; leave it out where the machine is idle.)
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

import convsmith
from convsmith.devices import DeviceTable, predicted_ms
from convsmith.devices.measure import runner
from convsmith.devices.measure.graphs import graph_of
from convsmith.devices.measure.samples import sample_network
from convsmith.devices.measure.session import ENGINES, NETWORKS as SAMPLED, learn_table
from convsmith.devices.measure.timings import graph_name, read_timings
from convsmith.devices.trust import installed_version
from row import Row, show

NETWORKS = (
    "alexnet", "densenet100_bc_k12", "densenet121", "densenet169", "densenet40_k12", "efficientnet_b0",
    "efficientnet_b2", "efficientnet_lite0", "efficientnet_lite2", "googlenet", "googlenet_bn", "inception_resnet_v1",
    "inception_v2", "inception_v3", "lenet5", "lenet5_caffe", "mnasnet_a1", "mnasnet_b1", "mobilenet_v1",
    "mobilenet_v2", "nasnet_mobile", "nfnet_l0", "plain20", "resnet110", "resnet18", "resnet20", "resnet34",
    "resnet50", "resnet50_v2", "resnext50_32x4d", "se_resnet18", "se_resnet50", "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1", "vgg11", "vgg16_bn", "wrn_40_2", "xception",
)  # fmt: skip

VISITS = 4
"""How often each network of the zoo is timed, over the whole measurement."""
SECONDS_A_VISIT = 0.15
QUANTILE = 0.25

MEDIAN, P90, SPEARMAN = 0.10, 0.20, 0.97
"""What is aimed at."""


def runner_of(engine: str, graph: bytes) -> Callable[[], object]:
    """What runs a graph once, on one thread."""
    if engine == "onnxruntime":
        from convsmith.backend.runtime.session import Session

        session = Session(graph, threads=1)
        shape = session.shape("input")
        image = np.random.default_rng(0).standard_normal(shape, np.float32)
        return lambda: session.run("probabilities", "input", image)
    from convsmith.telemetry import import_openvino

    openvino = import_openvino()
    core = openvino.Core()
    hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(graph), "CPU", hints)
    image = np.random.default_rng(0).standard_normal(tuple(compiled.input(0).shape), np.float32)
    request = compiled.create_infer_request()
    return lambda: request.infer({0: image})


def measure(engine: str, names: tuple[str, ...], networks: int, folder: Path) -> None:
    """Times the sampled networks and those of the zoo in turns, and writes both files of an engine."""
    runs = {}
    for name in names:
        runs[name] = runner_of(engine, graph_of(convsmith.create(name)))
        runs[name]()
    times: dict[str, list[float]] = defaultdict(list)
    left = [name for _ in range(VISITS) for name in names]
    total = len(left)
    lines: list[dict[str, object]] = [runner.header(engine, str(installed_version(engine)), 1)]
    for number in range(networks):
        run_ms, nodes = ENGINES[engine](sample_network(number), 1)
        lines.append({"graph": graph_name(number), "run_ms": run_ms, "nodes": nodes})
        while left and total - len(left) < total * (number + 1) / networks:
            name = left.pop(0)
            first = min(runner.timed(runs[name], 2))  # the caches are another network's
            times[name] += runner.timed(runs[name], int(max(3, min(10, 1000 * SECONDS_A_VISIT / first))))
    (folder / f"{engine}.timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / f"{engine}.zoo.json").write_text(json.dumps(times))


def family_of(name: str) -> str:
    net = convsmith.create(name)
    return net.origin.family if net.origin else name


def report(engine: str, times: dict[str, list[float]], table: DeviceTable) -> list[Row]:
    """Prints each network's line, worst first; the rows of this engine."""
    networks = {name: convsmith.create(name) for name in times}
    real = {name: float(np.quantile(runs, QUANTILE)) for name, runs in times.items()}
    told = {name: predicted_ms(network, table) for name, network in networks.items()}
    error = {name: told[name] / real[name] - 1 for name in times}
    for name in sorted(times, key=lambda name: -abs(error[name])):
        spread = np.quantile(times[name], 0.5) / real[name] - 1
        print(
            f"  {engine:12} {name:22} {real[name]:8.2f} ms measured (median {spread:+.0%}) "
            f"{told[name]:8.2f} predicted {error[name]:+7.1%}",
            file=sys.stderr,
        )
    families = defaultdict(list)
    for name in times:
        families[family_of(name)].append(abs(error[name]))
    worst = sorted(families.items(), key=lambda item: -np.mean(item[1]))
    print("  by family: " + ", ".join(f"{f} {np.mean(e):.1%}" for f, e in worst), file=sys.stderr)
    absolute = np.abs(list(error.values()))
    median, p90 = float(np.median(absolute)), float(np.quantile(absolute, 0.9))
    rank = float(stats.spearmanr(list(real.values()), list(told.values())).statistic)
    what = f"{len(times)} zoo networks, {table.engine}"
    return [
        Row(f"`latency.py`: {what}: median error", f"<= {MEDIAN:.0%}", f"{median:.1%}", median <= MEDIAN),
        Row(f"`latency.py`: {what}: 90th percentile", f"<= {P90:.0%}", f"{p90:.1%}", p90 <= P90),
        Row(f"`latency.py`: {what}: Spearman", f">= {SPEARMAN}", f"{rank:.3f}", rank >= SPEARMAN),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="onnxruntime,openvino")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--times", type=Path, required=True, help="folder of measured times: read if there, else made")
    parser.add_argument("--measure-only", action="store_true", help="write the times, compare nothing")
    asked = parser.parse_args()
    asked.times.mkdir(exist_ok=True)
    engines = asked.engines.split(",")
    for engine in engines:
        if not (asked.times / f"{engine}.zoo.json").is_file():
            started = time.perf_counter()
            measure(engine, tuple(asked.networks.split(",")), SAMPLED, asked.times)
            print(f"{engine}: measured in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if asked.measure_only:
        return 0
    rows = []
    for engine in engines:
        table = learn_table(f"{engine}-1", read_timings(asked.times / f"{engine}.timings.jsonl"))
        rows += report(engine, json.loads((asked.times / f"{engine}.zoo.json").read_text()), table)
    show(rows)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
