"""Runs the networks of torchvision or timm beside ours of the same names: keys, logits, norms, dropout, input.

    python scripts/compare_libraries.py timm 'seresnet*' 'resnext*'

Needs the library, which convsmith itself does not. Weights are random, logits in float64; a line for each network, and
exit status 1 if one differs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

import convsmith
from convsmith.weights import from_library, to_library
from convsmith.zoo.libraries import NAMES

SIDES = (96, 129)
"""Of square inputs, one odd, for paddings differ there; a network that bears neither is run at its own."""
TOLERANCE = 1e-12


def theirs(library: str, name: str) -> nn.Module:
    """The library's own network, every weight and statistic away from 0 and 1."""
    if library == "timm":
        import timm

        module: nn.Module = timm.create_model(name)
    else:
        from torchvision import models

        module = models.get_model(name)
    generator = torch.Generator().manual_seed(0)
    for key, tensor in module.state_dict().items():
        if key.endswith("running_var") or (tensor.ndim == 1 and key.endswith("weight")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif key.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.2, generator=generator)
    return module.eval()


def differences(alias: str) -> Iterator[str]:
    """What differs between a library's network and ours, in words."""
    library, _, name = alias.partition("/")
    module = theirs(library, name)
    net = convsmith.create(alias)
    weights = from_library(net, module.state_dict(), library)
    if keys := to_library(net, weights, library).keys() ^ module.state_dict().keys():
        yield f"keys {sorted(keys)[:4]}"
    ours = convsmith.build(net)
    for kind, constants in ((nn.BatchNorm2d, ("eps", "momentum")), (nn.Dropout, ("p",))):
        one, other = ({_constants(layer, constants) for layer in m.modules() if isinstance(layer, kind)}
                      for m in (module, ours))  # fmt: skip
        if one != other and not (library == "timm" and kind is nn.Dropout):  # timm drops in functions, not in layers
            yield f"{kind.__name__} {sorted(one)} here {sorted(other)}"
    size = tuple(module.default_cfg["input_size"]) if library == "timm" else net.input
    if size != net.input:
        yield f"input {size} here {net.input}"
    for side in SIDES if _bears(alias, SIDES) else (net.input[1],):
        ours = convsmith.build(convsmith.create(alias, input=(3, side, side))).double().eval()
        ours.load_state_dict(weights)
        image = torch.randn(1, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            expected, actual = module.double()(image), ours(image)
        error = float((actual - expected).norm() / expected.norm())
        if not error < TOLERANCE:
            yield f"logits at {side} by {error:.1e}"


def _constants(layer: nn.Module, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(round(getattr(layer, name), 9) for name in names)


def _bears(alias: str, sides: tuple[int, ...]) -> bool:
    """Whether a network takes inputs of these sides with the weights of its own size."""
    own = convsmith.create(alias).parameters
    try:
        return all(convsmith.create(alias, input=(3, side, side)).parameters == own for side in sides)
    except convsmith.errors.ShapeError:
        return False


def main() -> None:
    library, *patterns = sys.argv[1:]
    failed = False
    for alias in NAMES:
        if any(fnmatchcase(alias, f"{library}/{pattern}") for pattern in patterns or ["*"]):
            found = list(differences(alias))
            print(alias, "; ".join(found) or "equal", flush=True)
            failed |= bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
