"""Convolutions and dense layers as products of thinner ones, their ranks chosen by the energy that is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from convsmith.compression.low_rank.decompose import (
    CONVOLUTIONS,
    Decomposition,
    Method,
    Rank,
    decompose,
    factor_ops,
    full_rank,
)
from convsmith.compression.outcome import Outcome, Touched, Untouched
from convsmith.errors import UnknownNameError, UsageError
from convsmith.model import Model, fuse_norm
from convsmith.network import Network, Node, ops
from convsmith.network.dims import Shape

PARTS = {2: ("reduce", "restore"), 3: ("reduce", "core", "restore")}
"""What the layers are called, behind the name of the one that they stand for."""


@dataclass(frozen=True)
class LowRank:
    """How a model is factorized.

    - `energy` is the share of a layer's squared weights that its factors keep at least.
    - `convolutions` says how: "spatial" into a vertical and a horizontal one (Jaderberg et al. 2014, arXiv 1405.3866,
      section 2.2), "channel" into one with fewer outputs and a 1x1 (Zhang et al. 2016, arXiv 1505.06798, section 2),
      "tucker" into a 1x1, a thinner one and a 1x1 (Kim et al. 2016, arXiv 1511.06530, section 3). Of 1x1 convolutions
      and dense layers there is only one factorization, the singular value decomposition.
    - `spared` are layers, by name, that are not touched.

    Raises UsageError for a share out of range, UnknownNameError for a method that is not known.
    """

    energy: float = 0.9
    convolutions: Method = "tucker"
    spared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.energy <= 1:
            raise UsageError(f"must be above 0, at most 1, not {self.energy}", settings="energy")
        if self.convolutions not in CONVOLUTIONS:
            raise UnknownNameError("factorization of convolutions", self.convolutions, CONVOLUTIONS)


@dataclass(frozen=True)
class Factors:
    """A layer's factorization: by which method, to which rank (of Tucker's two: outputs, inputs)."""

    layer: str
    method: Method
    rank: Rank


def factorize(model: Model, settings: LowRank) -> Outcome:
    """The model with its layers replaced by factors that keep the energy, where these need fewer multiply-adds.

    Batch norms are folded into the layers before them first, so that the energy is that of what reaches the next
    layer. Train it on: see `retrained`. Raises UnknownNameError for a spared layer that there is not.
    """
    model = fuse_norm(model)
    able, untouched = factorable(model.network, settings.spared)
    chosen, found = [], list(untouched)
    for node in able:
        method = method_for(node.op, settings.convolutions)
        rank = decompose(model.weights[f"{node.name}.weight"], method).rank_for(settings.energy)
        factors = Factors(node.name, method, rank)
        before, after = macs_of(model.network, node, None), macs_of(model.network, node, factors)
        if after < before:
            chosen.append(factors)
        else:
            reason = f"{settings.energy:.0%} of its energy take rank {_told(rank)}, and no fewer multiply-adds"
            found.append(Untouched(node.name, reason))
    return Outcome(with_factors(model, chosen), ranks(model.network, chosen), tuple(found))


def with_factors(model: Model, chosen: Iterable[Factors], known: Mapping[str, Decomposition] | None = None) -> Model:
    """The model with these layers replaced. `known` has decompositions that are done already, by layer.

    Raises UnknownNameError for a layer that there is not.
    """
    by_layer = {factors.layer: factors for factors in chosen}
    names = {node.name for node in model.network}
    for layer in by_layer:
        if layer not in names:
            raise UnknownNameError(f"layer of {model.network.name}", layer, names)
    weights, nodes, alias = dict(model.weights), list[Node](), dict[str, str]()
    for node in model.network:
        inputs = tuple(alias.get(source, source) for source in node.inputs)
        factors = by_layer.get(node.name)
        if factors is None:
            nodes.append(replace(node, inputs=inputs))
            continue
        weight = weights.pop(f"{node.name}.weight")
        done = (known or {}).get(node.name)
        done = done if done is not None and done.method == factors.method else None
        parts = (done or decompose(weight, factors.method)).factors(factors.rank)
        thin = factor_ops(node.op, factors.method, factors.rank)
        made = _chain(node, inputs, thin)
        weights |= {f"{one.name}.weight": part.float() for one, part in zip(made, parts, strict=True)}
        if f"{node.name}.bias" in weights:
            weights[f"{made[-1].name}.bias"] = weights.pop(f"{node.name}.bias")
        nodes.extend(made)
        alias[node.name] = made[-1].name
    return _rebuilt(model, nodes, alias, weights)


def _chain(node: Node, inputs: tuple[str, ...], thin: Sequence[ops.Op]) -> list[Node]:
    made: list[Node] = []
    for part, op in zip(PARTS[len(thin)], thin, strict=True):
        made.append(Node(f"{node.name}.{part}", op, (made[-1].name,) if made else inputs))
    return made


def _rebuilt(model: Model, nodes: list[Node], alias: Mapping[str, str], weights: Mapping[str, Tensor]) -> Model:
    net = model.network
    network = replace(
        net,
        nodes=tuple(nodes),
        output=alias.get(net.output, net.output),
        auxiliary=tuple(replace(head, node=alias.get(head.node, head.node)) for head in net.auxiliary),
        origin=net.origin and net.origin.with_setting("factorized", len(alias)),
    )
    return replace(model, network=network, weights=weights, metrics={})


def factorable(net: Network, spared: Sequence[str] = ()) -> tuple[list[Node], tuple[Untouched, ...]]:
    """The layers that can be factorized, and the other convolutions and dense layers, each with its reason."""
    names = {node.name for node in net}
    for layer in spared:
        if layer not in names:
            raise UnknownNameError(f"layer of {net.name}", layer, names)
    sharing = {name for node in net if node.shares for name in (node.name, node.shares)}
    able, untouched = [], []
    for node in net:
        reason = _reason(node, sharing, spared)
        if reason:
            untouched.append(Untouched(node.name, reason))
        elif isinstance(node.op, ops.Conv | ops.Linear):
            able.append(node)
    return able, tuple(untouched)


def _reason(node: Node, sharing: set[str], spared: Sequence[str]) -> str:
    op = node.op
    if not isinstance(op, ops.Conv | ops.Linear | ops.ConvTranspose | ops.TableConv):
        return ""
    if node.name in spared:
        return "spared"
    if node.name in sharing:
        return "its weights are another layer's too"
    if isinstance(op, ops.ConvTranspose | ops.TableConv | ops.StandardizedConv):
        return f"{op.kind} has no factorization here"
    if isinstance(op, ops.Conv) and op.groups > 1:
        return f"its {op.groups} groups have no weights in common"
    return ""


def method_for(op: ops.Op, convolutions: Method) -> Method:
    """The method for a layer: a dense layer or a 1x1 convolution has only one."""
    return convolutions if isinstance(op, ops.Conv) and op.kernel != (1, 1) else "channel"


def macs_of(net: Network, node: Node, factors: Factors | None) -> int:
    """Multiply-adds of a layer, or of the factors that stand for it."""
    return _counted(net, node, factors)[0]


def params_of(net: Network, node: Node, factors: Factors | None) -> int:
    """Parameters of a layer, or of the factors that stand for it."""
    return _counted(net, node, factors)[1]


def _counted(net: Network, node: Node, factors: Factors | None) -> tuple[int, int]:
    shape: Shape = net.inputs_of(node)[0]
    macs = params = 0
    for op in (node.op,) if factors is None else factor_ops(node.op, factors.method, factors.rank):
        after = op.shape(shape)
        macs += int(op.macs(after, shape))
        for parameter in op.parameters(shape):
            count = 1
            for side in parameter.shape:
                count *= int(side)
            params += count
        shape = after
    return macs, params


SIDES = {1: ("",), 2: (" of its outputs", " of its inputs")}
"""Which of its ranks is meant, where a factorization has two."""


def ranks(net: Network, chosen: Sequence[Factors]) -> tuple[Touched, ...]:
    """What the layers' ranks become."""
    found = []
    for one in chosen:
        whole = full_rank(net.parameters[f"{one.layer}.weight"].shape, one.method)
        for side, full, kept in zip(SIDES[len(whole)], whole, one.rank, strict=True):
            found.append(Touched(one.layer, f"rank{side} ({one.method})", full, kept))
    return tuple(found)


def _told(rank: Rank) -> str:
    return " and ".join(str(part) for part in rank)
