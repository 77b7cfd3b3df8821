"""Runs side by side: what differs in their settings and in their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convsmith.report.record import RunRecord, mapping


def settings(run: RunRecord) -> dict[str, Any]:
    """Everything decided before training, by dotted names: `recipe.augment.flip`."""
    data, network = run.data, run.network
    tuned = mapping(run.header and run.header.provenance.get("tuned"))
    return {
        "network": None if network is None else network.name,
        "input": None if network is None else list(network.input),
        "pretrained": run.plan.get("start"),
        "reason": run.plan.get("reason"),
        **_flat("teacher", _teacher(mapping(run.plan.get("taught_by")))),
        **_flat("data", {name: data.get(name) for name in ("name", "fingerprint")}),
        **_flat("preprocess", mapping(run.plan.get("preprocess"))),
        **_flat("recipe", run.recipe),
        **_flat("arithmetic", mapping(tuned.get("arithmetic"))),
        "decoders": tuned.get("decoders"),
        **_flat("versions", mapping(run.header and run.header.provenance.get("versions"))),
    }


def results(run: RunRecord) -> dict[str, Any]:
    """The results of a run: `to_json` of its record, and what only a finished run has."""
    metrics, summary = mapping(run.header and run.header.metrics), mapping(run.summary)
    return {
        **run.to_json(),
        "loss": mapping(metrics.get("loss")) or None,
        "calibration_error": mapping(metrics.get("calibration_error")) or None,
        "latency_ms": summary.get("latency_ms"),
        "weights": mapping(run.header and run.header.provenance).get("weights"),
    }


def differences(runs: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """The settings that differ between runs: name -> a value for each run, None where it has none."""
    each = [settings(run) for run in runs]
    names = dict.fromkeys(name for one in each for name in one)
    values = {name: [one.get(name) for one in each] for name in names}
    return {name: found for name, found in values.items() if any(value != found[0] for value in found)}


def _teacher(taught: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: taught[name] for name in ("teacher", "network", "distillation", "accuracy") if name in taught}


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(f"{prefix}.{name}", value) if isinstance(value, Mapping) else {f"{prefix}.{name}": value}
    return flat
