"""Every reference: equal parameters, multiply-adds, and logits in float64, through the library's own names."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

import convsmith
from convsmith.weights import from_library

REFERENCES = sorted((Path(__file__).parents[1] / "reference").glob("*__*.json"))


def weights_by_rule(reference):
    """The weights that a reference was computed with (shared rule: seeded by each key's checksum)."""
    state = {}
    for key, shape in reference["state"]:
        if key.endswith(("num_batches_tracked", "normalization/count")):
            continue
        n = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
        last = key.replace("/", ".").split(".")[-1]
        if last in ("running_var", "moving_variance"):
            state[key] = 1 + 0.1 * np.abs(n)
        elif last in ("running_mean", "moving_mean", "bias", "beta"):
            state[key] = 0.1 * n
        elif len(shape) == 1:
            state[key] = 1 + 0.1 * n
        else:
            state[key] = n * math.sqrt(2 / fan(reference["source"], key, shape))
    return state


def fan(source, key, shape):
    if source != "keras":
        return math.prod(shape[1:])
    depthwise = key.endswith("depthwise_kernel") or (len(shape) == 4 and shape[3] == 1 and "depthwise" in key)
    return math.prod(shape[:2] if depthwise else shape[:-1])


def load(path):
    reference = json.loads(path.read_text())
    return reference, convsmith.create(f"{reference['source']}/{reference['name'].removesuffix(':1.0')}")


@pytest.mark.parametrize("path", REFERENCES, ids=lambda p: p.stem)
def test_has_the_references_parameters_and_macs(path):
    reference, net = load(path)
    cost = convsmith.cost_of(net)
    assert list(net.input) == reference["input"]
    assert cost.params == reference["params"]
    assert reference["macs"] in (None, cost.macs)


LOGITS = [path for path in REFERENCES if "logits_l2" in json.loads(path.read_text())]


@pytest.mark.parametrize("path", sorted(set(REFERENCES) - set(LOGITS)), ids=lambda p: p.stem)
def test_the_largest_have_at_least_the_references_keys_and_shapes(path):
    reference, net = load(path)
    state = {key: torch.zeros((), dtype=torch.float16).expand(shape) for key, shape in reference["state"]}
    assert from_library(net, state, reference["source"]).keys() == net.parameters.keys()


@pytest.mark.parametrize("path", LOGITS, ids=lambda p: p.stem)
def test_has_the_references_logits(path):
    reference, net = load(path)
    module = convsmith.build(net).double().eval()
    module.load_state_dict(from_library(net, weights_by_rule(reference), reference["source"]))
    image = torch.from_numpy(np.random.RandomState(0).standard_normal((1, *net.input)))
    with torch.inference_mode():
        logits = module(image)[0].numpy()
    # Keras takes means and dense layers in float32 even where the model is float64.
    noise = 3e-7 if reference["source"] == "keras" else 1e-9
    assert np.allclose(logits[:8], reference["logits_first8"], rtol=1e-6, atol=noise * reference["logits_l2"])
    assert np.linalg.norm(logits) == pytest.approx(reference["logits_l2"], rel=1e-6)
    assert int(logits.argmax()) == reference["logits_argmax"]
