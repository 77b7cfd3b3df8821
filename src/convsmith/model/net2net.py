"""Models that start from a smaller one and compute the same (Chen et al. 2016, Net2Net, arXiv 1511.05641)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING
from zlib import crc32

from convsmith.errors import UsageError
from convsmith.model.model import Model
from convsmith.network import ops
from convsmith.network.network import Network, Node
from convsmith.network.ops import Parameter
from convsmith.transform.channels import channels_of
from convsmith.transform.channels.channels import KEPT, Channels, Slot, Units
from convsmith.transform.depth import Copy, scale_depth_traced
from convsmith.transform.stochastic_depth import residual_branch
from convsmith.transform.width import scale_width

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-4
"""How far outputs may be apart, as a share of the largest."""
CHECK_IMAGES = 2
UNEVENNESS = 0.5
"""How much larger or smaller than an equal share a copy's part may be: equal copies would stay equal for ever."""


def deeper(model: Model, factor: float) -> Model:
    """The model with `factor` times the blocks in each stage (`transform.scale_depth`), which computes the same.

    A new residual block copies its neighbour (or, behind one that changes the number of channels, is initialised anew),
    with the last norm or layer of its branch at zero. In a plain network new
    convolutions are identities, behind rectifiers. New batch norms have mean 0 and variance 1: the outputs are equal in
    evaluation.

    Raises UsageError for a factor below 1, and naming the layer that cannot be the identity: one that changes the
    number of channels, a dense block, which adds channels.
    """
    if factor < 1:
        raise UsageError(f"depth multiplier {factor}: to carry weights over it must be at least 1")
    net, copies = scale_depth_traced(model.network, factor)
    weights = dict(model.weights)
    for copy in copies:
        weights.update(_identity(net, copy, model.weights))
    return _checked(model, net, {key: weights[key] for key in net.parameters})


def wider(model: Model, factor: float, seed: int = 0) -> Model:
    """The model with `factor` times the channels (`transform.scale_width`), which computes the same.

    Which channels can be copies of which follows from the graph (`transform.channels`). What reads a channel and its
    copies gets its weight in parts that add up to it. They are about equal, by `seed`; the paper's are equal, and
    copies that nothing else tells apart would then stay copies.

    Raises UsageError for a factor below 1, and naming the layer whose channels cannot be copied.
    """
    if factor < 1:
        raise UsageError(f"width multiplier {factor}: to carry weights over it must be at least 1")
    net = scale_width(model.network, factor)
    before, after = channels_of(model.network), channels_of(net)
    sources = _sources(before, after)
    shares = _shares(sources, Random(seed))
    weights = dict(model.weights)
    for old, new in zip(before.slots, after.slots, strict=True):
        weights[new.parameter] = _copied(weights[new.parameter], old, new, sources, shares)
    for key, parameter in net.parameters.items():
        if tuple(weights[key].shape) != tuple(parameter.shape):
            raise UsageError(f"{key.rpartition('.')[0]}: its channels cannot be copied")
    return _checked(model, net, weights)


def _identity(net: Network, copy: Copy, weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Weights with which a new block gives what it gets."""
    import torch

    ended = branch_end(net, [net[new] for new, _ in copy])
    for new, old in copy:
        node = net[new]
        for parameter in net.parameters_of(node):
            key = f"{new}.{parameter.name}"
            if ended is None:
                yield key, _neutral(net, node, parameter.name)
            elif node is ended and parameter.trainable and not _standardized_weight(node, parameter.name):
                yield key, torch.zeros(parameter.shape)
            else:
                yield key, _taken_over(parameter, weights[f"{old}.{parameter.name}"], key)


def _taken_over(parameter: Parameter, original: Tensor, key: str) -> Tensor:
    """A copy of the neighbour's; initialised anew behind a block that changes the number of channels."""
    import torch

    from convsmith.backend.initialise import fill

    if tuple(original.shape) == tuple(parameter.shape):
        return original.clone()
    made = torch.empty(parameter.shape)
    fill(made, parameter.init, torch.Generator().manual_seed(crc32(key.encode())))
    return made


def _standardized_weight(node: Node, parameter: str) -> bool:
    return isinstance(node.op, ops.StandardizedConv) and parameter == "weight"


def branch_end(net: Network, block: Sequence[Node]) -> Node | None:
    """The last layer with weights of a residual branch; None in a block without a sum."""
    sums = [node for node in block if residual_branch(net, node) is not None]
    if not sums:
        return None
    name = residual_branch(net, sums[-1])
    assert name is not None
    node = net[name]
    while not net.parameters_of(node):
        gates = [net[source] for source in node.inputs if isinstance(net[source].op, ops.Constant)]
        node = gates[0] if gates else net[node.inputs[0]]
    return node


def _neutral(net: Network, node: Node, parameter: str) -> Tensor:
    """A parameter's value with which the layer is the identity. Raises UsageError where there is none."""
    import torch

    op, shape = node.op, net.parameters[f"{node.name}.{parameter}"].shape
    if isinstance(op, ops.BatchNorm):
        values = {"weight": (1 + op.eps) ** 0.5 if op.scale else 1.0, "running_var": 1.0 if op.scale else 1 - op.eps}
        return torch.full(shape, values.get(parameter, 0.0))
    if isinstance(op, ops.Conv) and op.channels == net.inputs_of(node)[0][0] and all(side % 2 for side in op.kernel):
        if parameter == "weight" and not isinstance(op, ops.StandardizedConv):
            return torch.nn.init.dirac_(torch.empty(shape), groups=op.groups)
        return torch.zeros(shape)
    if isinstance(op, ops.Linear) and op.features == net.inputs_of(node)[0][-1]:
        return torch.eye(op.features) if parameter == "weight" else torch.zeros(shape)
    if isinstance(op, ops.PReLU):
        return torch.ones(shape)
    raise UsageError(f"{node.name}: a new {op.kind} here cannot give what it gets, so no weights can be carried over")


def _sources(before: Channels, after: Channels) -> list[int]:
    """For each unit of the wider network the one that it copies, which is in the same layers. Originals come first."""
    if [slot[:3] for slot in before.slots] != [slot[:3] for slot in after.slots]:
        raise UsageError(f"{after.network.name}: at another width its channels go together in another way")
    originals: dict[frozenset[int], list[int]] = defaultdict(list)
    for unit, places in enumerate(_places(before)):
        originals[places].append(unit)
    counts: dict[frozenset[int], int] = defaultdict(int)
    found = []
    for places in _places(after):
        same = originals.get(places)
        if not same:
            layer = after.slots[min(places)].node
            raise UsageError(f"{layer}: its channels go together in another way at another width: not copied")
        found.append(same[counts[places] % len(same)])
        counts[places] += 1
    return found


def _places(channels: Channels) -> list[frozenset[int]]:
    """The slots that each unit is in."""
    found: list[set[int]] = [set() for _ in range(channels.units)]
    for place, slot in enumerate(channels.slots):
        for unit in slot.units:
            if unit != KEPT:
                found[unit].add(place)
    return [frozenset(places) for places in found]


def _shares(sources: Sequence[int], random: Random) -> list[float]:
    """Each unit's part of what its original's readers weigh it with; those of an original and its copies sum to 1."""
    raw = [1 + random.uniform(-UNEVENNESS, UNEVENNESS) for _ in sources]
    totals: dict[int, float] = defaultdict(float)
    for source, part in zip(sources, raw, strict=True):
        totals[source] += part
    return [part / totals[source] for source, part in zip(sources, raw, strict=True)]


def _copied(tensor: Tensor, old: Slot, new: Slot, sources: Sequence[int], shares: Sequence[float]) -> Tensor:
    """A parameter brought to its new length along one axis."""
    import torch

    tensor = tensor.index_select(old.axis, torch.tensor(_indices(old, new, sources)))
    if new.role != "input":
        return tensor
    scale = torch.tensor([1.0 if unit == KEPT else shares[unit] for unit in new.units], dtype=tensor.dtype)
    return tensor * scale.reshape([-1 if axis == new.axis else 1 for axis in range(tensor.dim())])


def _indices(old: Slot, new: Slot, sources: Sequence[int]) -> list[int]:
    """For each index of the wider axis the index that it copies. A unit's n-th place copies its original's n-th."""
    originals = _where(old.units)
    wider_places = _where(new.units)
    if len(wider_places.get(KEPT, ())) != len(originals.get(KEPT, ())):
        raise UsageError(f"{new.node}: its channels cannot be copied")
    found = [0] * len(new.units)
    for unit, places in wider_places.items():
        copied = originals[KEPT if unit == KEPT else sources[unit]]
        if len(copied) != len(places):
            raise UsageError(f"{new.node}: its channels cannot be copied one by one")
        for place, original in zip(places, copied, strict=True):
            found[place] = original
    return found


def _where(units: Units) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for place, unit in enumerate(units):
        found[unit].append(place)
    return found


def _checked(model: Model, net: Network, weights: Mapping[str, Tensor]) -> Model:
    """The model, once it is seen to give the same on random images. Raises UsageError otherwise."""
    import torch

    changed = {key for key, tensor in weights.items() if model.weights.get(key) is not tensor}
    net = replace(net, storage=tuple(stored for stored in net.storage if stored.parameter not in changed))
    made = replace(model, network=net, weights=weights, metrics={})
    images = torch.randn(CHECK_IMAGES, *net.input, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = model.module()(images), made.module()(images)
    apart = float((before - after).abs().max() / before.abs().max().clamp_min(1e-12))
    if not apart <= TOLERANCE:
        raise UsageError(f"{net.name}: weights cannot be carried over: outputs would be {apart:.2g} apart")
    return made
