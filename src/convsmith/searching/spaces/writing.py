"""The networks of a space, written stage by stage: one member, or all of many at once with arrays as sizes.

A family of members is written once. Where a part is optional or repeated, a `Draft` writes it as often as one member
has it, or, with arrays, once, and notes how often each member has it (`cost.totals`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from convsmith.errors import UsageError
from convsmith.network import builder as nn
from convsmith.network.builder import Tensor
from convsmith.network.dims import Dim, Shape
from convsmith.network.network import Network
from convsmith.searching.spaces.space import Choice, Space

Values = Mapping[str, Any]
"""Choice -> its value: that of one member, or an array with one entry for each."""

SQUEEZE = 4
"""Channels that come into a block for each one of its squeeze-and-excitation (Tan et al. 2019, figure 7)."""


class Rule(NamedTuple):
    """What a choice means, and which values it can have."""

    meaning: str
    allowed: Callable[[Any], bool]
    right: str


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and value >= least


COUNT = _whole(1)
KERNEL = Rule("side of the convolutions", lambda value: COUNT(value) and value % 2 == 1, "odd whole numbers")
FILTERS = Rule("channels of the stage", COUNT, "whole numbers of at least 1")
STEM = Rule("channels of the first convolution", COUNT, "whole numbers of at least 1")
LAYERS = Rule("blocks, or convolutions, of the stage", COUNT, "whole numbers of at least 1")
SWITCH = Rule("whether it is there", lambda value: value in (0, 1), "0 and 1")
FUNCTION = Rule("activation", lambda value: value in ("relu", "silu", "hard_swish"), "relu, silu and hard_swish")
GROWTH = Rule("channels that each layer adds", COUNT, "whole numbers of at least 1")
EXPAND = Rule("times the channels within a block", COUNT, "whole numbers of at least 1")
POOLING = Rule("between stages", lambda value: value in ("max", "mean"), "max and mean")
KEPT = Rule("share of channels behind the stage", lambda value: 0 < value <= 1, "numbers above 0, up to 1")

HEADS: dict[str, dict[str, Rule]] = {
    "mbconv": {"stem": STEM, "function": FUNCTION},
    "residual": {"stem": STEM, "function": FUNCTION},
    "dense": {"stem": STEM, "function": FUNCTION},
    "plain": {"stem_kernel": KERNEL, "pooling": POOLING, "function": FUNCTION},
}
"""Kind -> choices for the whole network."""

STAGES: dict[str, dict[str, Rule]] = {
    "mbconv": {"kernel": KERNEL, "expand": EXPAND, "se": SWITCH, "skip": SWITCH, "filters": FILTERS, "layers": LAYERS},
    "residual": {"kernel": KERNEL, "se": SWITCH, "filters": FILTERS, "layers": LAYERS},
    "dense": {"kernel": KERNEL, "growth": GROWTH, "layers": LAYERS, "kept": KEPT},
    "plain": {"kernel": KERNEL, "filters": FILTERS, "layers": LAYERS},
}
"""Kind -> choices for each stage."""


def check_choices(space: Space) -> None:
    """Raises UsageError naming a choice that is missing, unknown, or has a value that it cannot have."""
    rules = dict(HEADS[space.kind])
    for stage in range(1, space.stages + 1):
        rules |= {f"stage{stage}.{name}": rule for name, rule in STAGES[space.kind].items()}
    known = {choice.name: choice for choice in space.choices}
    if missing := sorted(set(rules) - set(known)) or ["stage1.layers"] * (not space.stages):
        raise UsageError(f"the space {space.name} lacks the choice {missing[0]}", settings="space")
    for name, choice in known.items():
        if name not in rules:
            words = f"the space {space.name} has an unknown choice {name}; {space.kind} has: {', '.join(rules)}"
            raise UsageError(words, settings="space")
        _check_values(space, choice, rules[name])
    if space.strides and len(space.strides) != space.stages:
        words = f"the space {space.name} has {len(space.strides)} strides for {space.stages} stages"
        raise UsageError(words, settings="space")


def _check_values(space: Space, choice: Choice, rule: Rule) -> None:
    for value in choice.values:
        if isinstance(value, str) == choice.ordered or not _allowed(rule, value):
            words = f"the space {space.name}: {choice.name} must have {rule.right}, not {value!r}"
            raise UsageError(words, settings="space")


def _allowed(rule: Rule, value: Any) -> bool:
    try:
        return rule.allowed(value)
    except TypeError:  # a word where a number belongs
        return False


@dataclass
class Draft:
    """What is being written. `times` says how often the members have each part; of a single member it stays empty."""

    times: dict[str, Dim] = field(default_factory=dict)
    _prefix: str = ""

    @contextmanager
    def scope(self, name: str) -> Iterator[str]:
        """Names of layers begin with `name` within; what is given is the scope's whole name."""
        before, self._prefix = self._prefix, f"{self._prefix}{name}."
        with nn.scope(name):
            yield self._prefix[:-1]
        self._prefix = before

    def optional(self, x: Tensor, name: str, there: Dim, layers: Callable[[Tensor], Tensor]) -> Tensor:
        """`x` after some layers, for those members that have them; they must keep the shape for the others."""
        if _is_single(there) and not there:
            return x
        with self.scope(name) as whole:
            y = layers(x)
        if not _is_single(there):
            self.times[whole] = there
        return y

    def repeated(self, x: Tensor, first: int, count: Dim, block: Callable[[Tensor], Tensor]) -> Tensor:
        """`x` after `count` blocks, named `first` and on, each of which keeps the shape."""
        if not _is_single(count):
            return self.optional(x, str(first), count, block)
        for number in range(first, first + int(count)):
            x = self.optional(x, str(number), 1, block)
        return x


def _is_single(size: Dim) -> bool:
    return not getattr(size, "ndim", 0)


def written(space: Space, input: Shape, classes: int, values: Values) -> tuple[Network, dict[str, Dim]]:
    """The network with these values, and how often its parts are there where values are arrays.

    Raises ShapeError where the input is too small.
    """
    draft = Draft()
    net = nn.write(space.name, input, lambda image: WRITERS[space.kind](draft, image, space, values, classes))
    return net, draft.times


def _stage(values: Values, stage: int) -> Values:
    """The values of one stage, by their names in it."""
    prefix = f"stage{stage}."
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _classifier(x: Tensor, classes: int) -> Tensor:
    return nn.linear(nn.global_avg_pool(x), classes)


def _mbconv(draft: Draft, x: Tensor, space: Space, values: Values, classes: int) -> Tensor:
    """MNASNet's space (Tan et al. 2019, arXiv 1807.11626, section 4.1): in each stage kernel, expansion,
    squeeze-and-excitation, shortcut, filters and blocks of its own."""
    function = values["function"]
    x = nn.conv_norm_act(x, values["stem"], 3, space.stem_stride, function=function)
    for stage in range(1, space.stages + 1):
        own = {**_stage(values, stage), "function": function}
        with draft.scope(f"stage{stage}"):
            with draft.scope("0"):
                x = _inverted(draft, x, own, space.stride(stage))
            x = draft.repeated(x, 1, own["layers"] - 1, lambda y, own=own: _kept(draft, y, own))  # type: ignore[misc]
    return _classifier(x, classes)


def _kept(draft: Draft, x: Tensor, own: Values) -> Tensor:
    """An inverted bottleneck that keeps the shape, with a shortcut around it or without."""
    y = _inverted(draft, x, own, 1)
    return draft.optional(y, "skip", own["skip"], lambda z: nn.add(x, z))


def _inverted(draft: Draft, x: Tensor, own: Values, stride: int) -> Tensor:
    """1x1 expand, depthwise, squeeze-and-excitation, 1x1 project (Sandler et al. 2018, figure 4)."""
    wide, kernel, function = own["expand"] * x.channels, own["kernel"], own["function"]
    y = draft.optional(x, "expand", own["expand"] > 1, lambda z: nn.conv_norm_act(z, wide, 1, function=function))
    y = nn.conv_norm_act(y, y.channels, kernel, stride, groups=y.channels, function=function)
    y = draft.optional(y, "se", own["se"], lambda z: _excited(z, x.channels, function))
    return nn.conv_norm(y, own["filters"], 1)


def _excited(x: Tensor, inputs: Dim, function: Any) -> Tensor:
    """Squeeze and excitation (Hu et al. 2018)."""
    gate = nn.activation(nn.conv(nn.global_avg_pool(x), (inputs + SQUEEZE - 1) // SQUEEZE, 1), function)
    return nn.multiply(x, nn.activation(nn.conv(gate, x.channels, 1), "sigmoid"))


def _residual(draft: Draft, x: Tensor, space: Space, values: Values, classes: int) -> Tensor:
    """Residual blocks of two convolutions (He et al. 2015, figure 5 left); the first of a stage has a projection."""
    function = values["function"]
    x = nn.conv_norm_act(x, values["stem"], 3, space.stem_stride, function=function)
    for stage in range(1, space.stages + 1):
        own = {**_stage(values, stage), "function": function}
        with draft.scope(f"stage{stage}"):
            with draft.scope("0"):
                y = _branch(draft, x, own, space.stride(stage))
                shortcut = nn.conv_norm(x, own["filters"], 1, space.stride(stage))
                x = nn.activation(nn.add(shortcut, y), function)
            x = draft.repeated(
                *(x, 1, own["layers"] - 1),
                lambda y, own=own: nn.activation(nn.add(y, _branch(draft, y, own, 1)), own["function"]),  # type: ignore[misc]
            )
    return _classifier(x, classes)


def _branch(draft: Draft, x: Tensor, own: Values, stride: int) -> Tensor:
    y = nn.conv_norm_act(x, own["filters"], own["kernel"], stride, function=own["function"])
    y = nn.conv_norm(y, own["filters"], own["kernel"])
    return draft.optional(y, "se", own["se"], lambda z: _excited(z, own["filters"], own["function"]))


def _dense(draft: Draft, x: Tensor, space: Space, values: Values, classes: int) -> Tensor:
    """Dense blocks with bottlenecks, and transitions between them (Huang et al. 2017, DenseNet-BC)."""
    function = values["function"]
    x = nn.conv_norm_act(x, values["stem"], 3, space.stem_stride, function=function)
    for stage in range(1, space.stages + 1):
        own = {**_stage(values, stage), "function": function}
        with draft.scope(f"stage{stage}"):
            x = _grown(draft, x, own)
            if stage < space.stages:
                x = _transition(x, own["kept"], function, space.stride(stage + 1))
    return _classifier(nn.activation(nn.batch_norm(x), function), classes)


def _grown(draft: Draft, x: Tensor, own: Values) -> Tensor:
    """`x` and what each layer adds to it. With arrays there are as many layers as any member has, and what is too much
    for a member is not counted."""
    count, growth, inputs = own["layers"], own["growth"], x.channels
    single = _is_single(count)
    for number in range(int(count if single else count.max())):
        with draft.scope(str(number)) as whole:
            y = nn.activation(nn.batch_norm(x), own["function"])
            y = nn.conv_norm_act(y, 4 * growth, 1, function=own["function"])
            x = nn.concat(x, nn.conv(y, growth, own["kernel"], bias=False))
        if not single:
            draft.times[whole] = count > number
    if single:
        return x
    return draft.optional(x, "own", count * 0, lambda y: nn.channel_slice(y, 0, inputs + count * growth))


def _transition(x: Tensor, kept: Dim, function: Any, stride: int) -> Tensor:
    """A share of the channels, at half the resolution."""
    channels = x.channels * kept
    floor = int(channels) if _is_single(channels) else channels.astype(int)
    x = nn.conv(nn.activation(nn.batch_norm(x), function), floor + (floor == 0), 1, bias=False)
    return nn.avg_pool(x, stride) if stride > 1 else x


def _plain(draft: Draft, x: Tensor, space: Space, values: Values, classes: int) -> Tensor:
    """Convolutions with batch norm, and pooling between stages, by the designer's rules (`design.network`)."""
    function = values["function"]
    for stage in range(1, space.stages + 1):
        own = _stage(values, stage)
        kernel, filters = own["kernel"], own["filters"]
        with draft.scope(f"stage{stage}"):
            if stage == 1:
                x = nn.conv_norm_act(x, filters, values["stem_kernel"], space.stem_stride, function=function)
            else:
                x = _pooled(x, values["pooling"], space.stride(stage))
                x = nn.conv_norm_act(x, filters, kernel, function=function)
            x = draft.repeated(
                *(x, 1, own["layers"] - 1),
                lambda y, filters=filters, kernel=kernel: nn.conv_norm_act(y, filters, kernel, function=function),  # type: ignore[misc]
            )
    return _classifier(x, classes)


def _pooled(x: Tensor, pooling: str, side: int) -> Tensor:
    if side == 1:
        return x
    return nn.max_pool(x, side) if pooling == "max" else nn.avg_pool(x, side)


WRITERS: dict[str, Callable[[Draft, Tensor, Space, Values, int], Tensor]] = {
    "mbconv": _mbconv,
    "residual": _residual,
    "dense": _dense,
    "plain": _plain,
}
