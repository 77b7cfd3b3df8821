"""A scaled network that starts from a trained one (net2net, Chen et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from convsmith.errors import UsageError
from convsmith.model import Model
from convsmith.model.net2net import deeper, wider
from convsmith.network.network import Network
from convsmith.transform.compound import Factors
from convsmith.transform.part import takes_side
from convsmith.transform.side import preprocess_at


@dataclass(frozen=True, eq=False)
class Carried:
    """A model of the scaled network; `same_outputs` says whether it computes what the trained one does, `how` in words
    what was done."""

    model: Model
    same_outputs: bool
    how: str


def carried(model: Model, factors: Factors, network: Network) -> Carried:
    """The scaled `network`, which is `model`'s by `factors`, with weights that follow from the model's.

    New blocks give what they get and new channels are copies, so that outputs are the same; a larger input sees the
    image larger, with the same weights, and is another thing to learn.

    Raises UsageError where the network gets smaller, and naming the layer where weights cannot be carried over.
    """
    if min(factors.depth, factors.width) < 1:
        raise UsageError(
            f"the scaled {network.name} is smaller than the trained one, and only a larger one can compute the same: "
            "compression makes smaller ones"
        )
    made = wider(deeper(model, factors.depth), factors.width)
    if made.network.input == network.input:
        return Carried(replace(made, network=network), True, "the same outputs as the trained network")
    height, width = network.input[1:]
    if not takes_side(made.network, (height, width)):
        raise UsageError(
            f"{made.network.name} cannot take images of {height}x{width} with its weights: give constants with "
            "resolution 1",
            settings="constants",
        )
    preprocess = replace(preprocess_at(made.preprocess, height), crop=(height, width))
    seen = f"the weights of the trained network, whose outputs differ because images are {height} pixels high"
    return Carried(replace(made, network=network, preprocess=preprocess), False, seen)
