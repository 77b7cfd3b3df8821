"""What rules ask of a network, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from convsmith.cost.cost import Cost, cost_of
from convsmith.network import ops
from convsmith.network.dims import Shape
from convsmith.network.network import INPUT, Network, Node

if TYPE_CHECKING:
    from convsmith.design.lint.images import ImageFacts

Kinds: TypeAlias = tuple[type[ops.Op], ...]

CONVS: Kinds = (ops.Conv, ops.TableConv)
WEIGHTED: Kinds = (*CONVS, ops.ConvTranspose, ops.Linear, ops.RadialBasis)
"""Layers that are linear in their input and have weights."""
NORMS: Kinds = (ops.BatchNorm, ops.GroupNorm, ops.InstanceNorm, ops.LayerNorm, ops.RMSNorm)
CURVES: Kinds = (
    ops.LeakyReLU, ops.ELU, ops.CELU, ops.Softplus, ops.Hardshrink, ops.Softshrink, ops.Clip, ops.PReLU, ops.Softmax,
)  # fmt: skip
FUNCTIONS = frozenset(
    [
        "relu",
        "relu6",
        "sigmoid",
        "tanh",
        "scaled_tanh",
        "silu",
        "hard_sigmoid",
        "hard_swish",
        "gelu",
        "gelu_tanh",
        "selu",
        "mish",
        "softsign",
        "log_sigmoid",
        "tanhshrink",
    ]
)
"""Functions of `Activation` that networks use as activations; the others are arithmetic."""
POINTWISE: Kinds = (ops.Activation, ops.BatchNorm, ops.Add, ops.Concat, ops.Scale, ops.Multiply)
"""What sees one position, and is so common that it need not be asked."""
NOISE: Kinds = (ops.Dropout, ops.AlphaDropout, ops.StochasticDepth)
SPATIAL = 3
"""Axes of a feature map."""


def is_activation(op: ops.Op) -> bool:
    return isinstance(op, CURVES) or (isinstance(op, ops.Activation) and op.function in FUNCTIONS)


def kernel_of(op: ops.Op) -> tuple[int, int]:
    """(height, width) of a convolution's kernel, (1, 1) of what is none."""
    return op.kernel if isinstance(op, (ops.Conv, ops.TableConv)) else (1, 1)


def looks_around(op: ops.Op) -> bool:
    """Whether this is a convolution that sees more than one position."""
    return isinstance(op, CONVS) and kernel_of(op) != (1, 1)


def is_depthwise(op: ops.Op) -> bool:
    return isinstance(op, ops.Conv) and op.groups > 1 and op.groups == op.channels


def _sees_all(node: Node, inputs: list[Shape]) -> bool:
    """Whether an output of the op sees whole rows or columns."""
    return any(axis in node.op.whole(i, *inputs) for i in range(len(inputs)) for axis in (1, 2))


@dataclass(frozen=True, eq=False)
class Facts:
    """A network whose shapes fit, and what is known of the images that it is for."""

    net: Network
    images: ImageFacts | None = None

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        return self.net.shapes

    @cached_property
    def cost(self) -> Cost:
        return cost_of(self.net)

    @cached_property
    def params(self) -> Mapping[str, int]:
        """Trained parameters by layer."""
        return {row.name: int(row.params) for row in self.cost.layers}

    @cached_property
    def main(self) -> frozenset[str]:
        """What the output depends on."""
        return frozenset(self.net.ancestors(self.net.output))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that the output depends on, in order."""
        return tuple(node for node in self.net if node.name in self.main)

    @cached_property
    def readers(self) -> Mapping[str, list[Node]]:
        """Who reads each output: nodes, auxiliary heads' included."""
        found: dict[str, list[Node]] = {name: [] for name in (INPUT, *(node.name for node in self.net))}
        for node in self.net:
            for source in dict.fromkeys(node.inputs):
                found[source].append(node)
        return found

    @cached_property
    def sharing(self) -> frozenset[str]:
        """Layers whose parameters another has too."""
        return frozenset(name for node in self.net if node.shares for name in (node.name, node.shares))

    @cached_property
    def outputs(self) -> frozenset[str]:
        """The main output and those of auxiliary heads."""
        return frozenset((self.net.output, *(head.node for head in self.net.auxiliary)))

    @cached_property
    def trunk(self) -> tuple[Node, ...]:
        """The nodes that every path from the image to the output passes."""
        from_image: set[str] = {INPUT}
        ordered = []
        for node in self.nodes:
            if any(source in from_image for source in node.inputs):
                from_image.add(node.name)
                ordered.append(node)
        place = {node.name: i for i, node in enumerate(ordered)}
        furthest = {
            name: max((place[r.name] for r in self.readers[name] if r.name in place), default=0) for name in from_image
        }
        trunk, reach = [], furthest[INPUT]
        for i, node in enumerate(ordered):
            if reach <= i:
                trunk.append(node)
            reach = max(reach, furthest[node.name])
        return tuple(trunk)

    @cached_property
    def classifier(self) -> Node | None:
        """The last layer with weights before the output, if one path leads from it there."""
        node = self.net[self.net.output]
        while not isinstance(node.op, WEIGHTED):
            if len(node.inputs) != 1 or node.inputs[0] == INPUT:
                return None
            node = self.net[node.inputs[0]]
        return node

    def alone_behind(self, node: Node, kinds: Kinds, *, through: Kinds = ()) -> Node | None:
        """The one reader of a node, if it is of these kinds; nodes of kinds `through` with one reader are passed."""
        while node.name not in self.outputs and len(self.readers[node.name]) == 1:
            node = self.readers[node.name][0]
            if isinstance(node.op, kinds):
                return node
            if not isinstance(node.op, through):
                return None
        return None

    def before(self, node: Node) -> Iterator[Node]:
        """The node and all that it depends on."""
        needed = self.net.ancestors(node.name)
        return (other for other in self.net if other.name in needed)

    def side(self, name: str) -> int:
        """The shorter side of a feature map; 1 for what is none."""
        shape = self.shapes[name]
        return int(min(shape[1:])) if len(shape) == SPATIAL else 1

    @cached_property
    def field_sides(self) -> Mapping[str, tuple[float, float]]:
        """By node, the longer side of the receptive field along the path that sees least, and along the one that sees
        most; none where maps have ended. `Cost.fields` is exact where branches are apart, and four times slower."""
        shapes = self.shapes
        known: dict[str, tuple[float, float, float]] = {INPUT: (1.0, 1.0, 1.0)}
        for node in self.nodes:
            paths = [known[source] for source in node.inputs if source in known]
            if not paths or len(shapes[node.name]) != SPATIAL:
                continue
            least, most, step = paths[0]
            if len(paths) > 1:
                least, _, step = min(paths)
                most = max(other[1] for other in paths if other[2] == step)  # a gate has another step
            if not isinstance(node.op, POINTWISE):
                inputs = [shapes[source] for source in node.inputs]
                if any(len(shape) != SPATIAL for shape in inputs) or _sees_all(node, inputs):
                    continue
                windows = node.op.windows(shapes[node.name], *inputs)
                window = max(windows, key=lambda one: one.extent)
                more = (window.extent - 1) * step
                least, most, step = least + more, most + more, step * window.stride
            known[node.name] = least, most, step
        return {name: (least, most) for name, (least, most, _) in known.items()}

    def shortest(self, counts: Callable[[Node], int | None]) -> Mapping[str, tuple[int, str | None]]:
        """By node, the least sum over paths from the image of what `counts` gives, and the input that it comes by.

        Where `counts` gives None the sum starts again at 0. Constants are on no path.
        """
        found: dict[str, tuple[int, str | None]] = {INPUT: (0, None)}
        for node in self.nodes:
            known = [(found[source][0], source) for source in node.inputs if source in found]
            if known:
                least, source = min(known, key=lambda item: item[0])
                own = counts(node)
                found[node.name] = (0, None) if own is None else (least + own, source)
        return found

    def path(self, found: Mapping[str, tuple[int, str | None]], end: str) -> Iterator[str]:
        """The nodes of a shortest path to `end`, from the first."""
        backwards = []
        place: str | None = end
        while place is not None and place != INPUT:
            backwards.append(place)
            place = found[place][1]
        return reversed(backwards)
