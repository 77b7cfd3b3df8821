"""The language that families are written in: functions from symbolic tensors to symbolic tensors.

Every call adds one node to the network under construction. Names come from the enclosing `scope`s and the kind of
layer, numbered: the second convolution within `scope("layer1.0")` is `layer1.0.conv2`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from convsmith.errors import UsageError
from convsmith.network import dialect, ops
from convsmith.network.dims import Dim, Pair, Shape, pair
from convsmith.network.init import HE_FAN_IN, HE_FAN_OUT, LECUN, ONES, ZEROS, Init
from convsmith.network.layers import (
    apply as apply,
    channel_max as channel_max,
    channel_mean as channel_mean,
    constant as constant,
    global_max_pool as global_max_pool,
    group_norm as group_norm,
    instance_norm as instance_norm,
    layer_norm as layer_norm,
    layer_scale as layer_scale,
    leaky_relu as leaky_relu,
    matmul as matmul,
    permute as permute,
    pixel_shuffle as pixel_shuffle,
    prelu as prelu,
    reshape as reshape,
    resize as resize,
    softmax as softmax,
    subtract as subtract,
)
from convsmith.network.network import INPUT, Auxiliary, Network, Node, infer
from convsmith.network.ops.pointwise import Function
from convsmith.network.ops.window import Padding, symmetric

_scope: ContextVar[str] = ContextVar("scope", default="")


class Builder:
    """Nodes collected so far."""

    def __init__(self, shape: Shape) -> None:
        self.input = shape
        self.nodes: list[Node] = []
        self.shapes: dict[str, Shape] = {INPUT: shape}
        self.auxiliary: list[Auxiliary] = []
        self._counts: dict[str, int] = {}

    def add(self, kind: str, op: ops.Op, inputs: Sequence[Tensor], name: str | None, shares: str | None) -> Tensor:
        label = self._label(kind, name)
        sources = tuple([tensor.name for tensor in inputs])
        shape = infer(label, op, [tensor.shape for tensor in inputs])
        self.nodes.append(Node(label, op, sources, shares))
        self.shapes[label] = shape
        return Tensor(self, label, shape)

    def _label(self, kind: str, name: str | None) -> str:
        prefix = _scope.get()
        if name is None:
            key = prefix + kind
            count = self._counts[key] = self._counts.get(key, 0) + 1
            return f"{key}{count}"
        return prefix + name

    def finish(self, name: str, output: Tensor) -> Network:
        net = Network(name, self.input, tuple(self.nodes), output.name, tuple(self.auxiliary))
        net.__dict__["shapes"] = self.shapes  # already inferred, node by node
        return net


class Tensor:
    """A feature map (C, H, W) or vector (F,) that a layer will produce."""

    __slots__ = ("builder", "name", "shape")

    def __init__(self, builder: Builder, name: str, shape: Shape) -> None:
        self.builder = builder
        self.name = name
        self.shape = shape

    @property
    def channels(self) -> Dim:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Tensor({self.name}, {'x'.join(map(str, self.shape))})"


def write(name: str, shape: Shape, family: Callable[[Tensor], Tensor]) -> Network:
    """The network that a function writes, given its input (C, H, W).

    Raises ShapeError, naming the layer, when the input is too small for it.
    """
    builder = Builder(shape)
    token = _scope.set("")
    try:
        output = family(Tensor(builder, INPUT, shape))
    finally:
        _scope.reset(token)
    return builder.finish(name, output)


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Prefix the names of layers added inside: `with scope("layer1.0"):`."""
    token = _scope.set(f"{_scope.get()}{name}.")
    try:
        yield
    finally:
        _scope.reset(token)


def conv(
    x: Tensor,
    channels: Dim,
    kernel: int | Pair,
    stride: int | Pair = 1,
    *,
    padding: Padding | None = None,
    dilation: int | Pair = 1,
    groups: Dim = 1,
    bias: bool | Init = True,
    init: Init = HE_FAN_OUT,
    name: str | None = None,
) -> Tensor:
    """Convolution. Padding keeps the size at stride 1 unless given (`(0, 0, 0, 0)` for none).

    `bias` is whether there is one, or its initialiser where it does not begin at zero.
    """
    kernel, stride, dilation = pair(kernel), pair(stride), pair(dilation)
    if padding is None:
        padding = default_padding(kernel, stride, dilation)
    op = ops.Conv(channels, kernel, stride, padding, dilation, groups, *_bias(bias, init))
    return x.builder.add("conv", op, (x,), name, None)


def _bias(bias: bool | Init, init: Init) -> tuple[bool, Init, Init]:
    """Whether there is a bias, the initialiser of the weights, and that of the bias."""
    return (bias, init, ZEROS) if isinstance(bias, bool) else (True, init, bias)


def again(x: Tensor, layer: Tensor, *, name: str | None = None) -> Tensor:
    """The layer that gives `layer`, applied to another input with the same parameters."""
    node = next(node for node in x.builder.nodes if node.name == layer.name)
    return x.builder.add(node.op.kind, node.op, (x,), name, node.shares or node.name)


def standardized_conv(
    x: Tensor,
    channels: Dim,
    kernel: int,
    stride: int = 1,
    *,
    groups: Dim = 1,
    gain_init: Init = ONES,
    name: str | None = None,
) -> Tensor:
    """Convolution with bias whose filters are standardised."""
    window, step = pair(kernel), pair(stride)
    padding = default_padding(window, step)
    op = ops.StandardizedConv(
        channels, window, step, padding, groups=groups, bias=True, init=HE_FAN_IN, gain_init=gain_init
    )
    return x.builder.add("conv", op, (x,), name, None)


def default_padding(kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Padding:
    """The dialect's padding. At stride 1 and odd kernels both rules add the same."""
    if dialect.current().same_padding and stride != (1, 1):
        return "same"
    return symmetric(kernel, dilation)


def conv_transpose(x: Tensor, channels: Dim, kernel: int, stride: int, *, name: str | None = None) -> Tensor:
    """Transposed convolution that enlarges by `stride`, without padding."""
    return x.builder.add("up", ops.ConvTranspose(channels, pair(kernel), pair(stride)), (x,), name, None)


def table_conv(
    x: Tensor, table: tuple[tuple[int, ...], ...], kernel: int, *, init: Init = LECUN, name: str | None = None
) -> Tensor:
    """Convolution with a connection table: output map i sees the input maps `table[i]`."""
    return x.builder.add("conv", ops.TableConv(table, pair(kernel), init), (x,), name, None)


def linear(
    x: Tensor,
    features: Dim,
    *,
    bias: bool | Init = True,
    init: Init = LECUN,
    name: str | None = None,
) -> Tensor:
    """Dense layer; a feature map is flattened first. `bias` as in `conv`."""
    if len(x.shape) == 3:
        x = flatten(x)
    return x.builder.add("fc", ops.Linear(features, *_bias(bias, init)), (x,), name, None)


def radial_basis(x: Tensor, classes: int, *, name: str | None = None) -> Tensor:
    """Minus squared distances to fixed codes."""
    return x.builder.add("rbf", ops.RadialBasis(classes), (x,), name, None)


def batch_norm(x: Tensor, *, scale: bool = True, init: Init = ONES, name: str | None = None) -> Tensor:
    """Batch normalisation with the dialect's epsilon and momentum."""
    speech = dialect.current()
    op = ops.BatchNorm(speech.norm_eps, speech.norm_momentum, scale and speech.norm_scale, init)
    return x.builder.add("bn", op, (x,), name, None)


def fixed_norm(x: Tensor, *, name: str | None = None) -> Tensor:
    """Normalisation by a mean and a variance for each channel that are given with the weights."""
    return x.builder.add("norm", ops.FixedNorm(), (x,), name, None)


def local_response_norm(
    x: Tensor, size: int = 5, alpha: float = 5e-4, beta: float = 0.75, k: float = 2.0, *, name: str | None = None
) -> Tensor:
    return x.builder.add("lrn", ops.LocalResponseNorm(size, alpha, beta, k), (x,), name, None)


def activation(x: Tensor, function: Function, *, name: str | None = None) -> Tensor:
    return x.builder.add("act", ops.Activation(function), (x,), name, None)


def relu(x: Tensor, *, name: str | None = None) -> Tensor:
    return x.builder.add("relu", ops.Activation("relu"), (x,), name, None)


def affine(x: Tensor, *, name: str | None = None) -> Tensor:
    """A trainable coefficient and bias for each channel."""
    return x.builder.add("affine", ops.Affine(), (x,), name, None)


def scale(x: Tensor, factor: float, *, name: str | None = None) -> Tensor:
    return x.builder.add("scale", ops.Scale(factor), (x,), name, None)


def skip_init(x: Tensor, *, name: str | None = None) -> Tensor:
    """A trained multiple of this residual branch, 0 at first."""
    return x.builder.add("gain", ops.SkipInit(), (x,), name, None)


def dropout(x: Tensor, p: float = 0.5, *, name: str | None = None) -> Tensor:
    return x.builder.add("dropout", ops.Dropout(p), (x,), name, None)


def stochastic_depth(x: Tensor, p: float, *, name: str | None = None) -> Tensor:
    """Drop this residual branch with probability `p`; a branch that is never dropped gets no layer."""
    return x.builder.add("drop", ops.StochasticDepth(p), (x,), name, None) if p else x


def max_pool(
    x: Tensor,
    kernel: int,
    stride: int | None = None,
    *,
    padding: Padding = (0, 0, 0, 0),
    ceil: bool = False,
    name: str | None = None,
) -> Tensor:
    """Max pooling without padding unless given; stride as large as the kernel unless given."""
    op = ops.MaxPool(pair(kernel), pair(stride or kernel), padding, ceil)
    return x.builder.add("pool", op, (x,), name, None)


def avg_pool(
    x: Tensor,
    kernel: int | Pair,
    stride: int | None = None,
    *,
    padding: Padding = (0, 0, 0, 0),
    ceil: bool = False,
    count_padding: bool = False,
    name: str | None = None,
) -> Tensor:
    counted = count_padding or dialect.current().pool_counts_padding
    op = ops.AvgPool(pair(kernel), pair(stride) if stride else pair(kernel), padding, ceil, counted)
    return x.builder.add("pool", op, (x,), name, None)


def adaptive_avg_pool(x: Tensor, size: int, *, name: str | None = None) -> Tensor:
    return x.builder.add("avgpool", ops.AdaptiveAvgPool(pair(size)), (x,), name, None)


def global_avg_pool(x: Tensor, *, name: str | None = None) -> Tensor:
    """The mean of each channel: (C, H, W) -> (C, 1, 1)."""
    return x.builder.add("avgpool", ops.AdaptiveAvgPool((1, 1)), (x,), name, None)


def flatten(x: Tensor, *, name: str | None = None) -> Tensor:
    return x.builder.add("flatten", ops.Flatten(), (x,), name, None)


def add(*branches: Tensor, name: str | None = None) -> Tensor:
    return branches[0].builder.add("add", ops.Add(), branches, name, None)


def multiply(x: Tensor, weights: Tensor, *, name: str | None = None) -> Tensor:
    return x.builder.add("mul", ops.Multiply(), (x, weights), name, None)


def concat(*branches: Tensor, name: str | None = None) -> Tensor:
    return branches[0].builder.add("concat", ops.Concat(), branches, name, None)


def channel_slice(x: Tensor, start: Dim, stop: Dim, *, name: str | None = None) -> Tensor:
    return x.builder.add("slice", ops.Slice(start, stop), (x,), name, None)


def channel_shuffle(x: Tensor, groups: int, *, name: str | None = None) -> Tensor:
    return x.builder.add("shuffle", ops.ChannelShuffle(groups), (x,), name, None)


def pad(x: Tensor, padding: tuple[int, int, int, int] = (0, 0, 0, 0), *, channels: tuple[Dim, Dim] = (0, 0)) -> Tensor:
    """Zeros around the map (top, bottom, left, right), or zero maps before and after its channels."""
    return x.builder.add("pad", ops.Pad(padding, channels), (x,), None, None)


def upsample(x: Tensor, factor: int = 2, *, name: str | None = None) -> Tensor:
    return x.builder.add("upsample", ops.Upsample(pair(factor)), (x,), name, None)


def quantize(x: Tensor, scale: float, zero_point: int = 0, *, bits: int = 8, name: str | None = None) -> Tensor:
    """Each element at the nearest of 2^bits values, `scale` apart, of which number `zero_point` is 0."""
    return x.builder.add("quantize", ops.Quantize(scale, zero_point, bits), (x,), name, None)


def auxiliary(x: Tensor, weight: float) -> None:
    """Make this vector a second output in training, its loss counted `weight`."""
    if len(x.shape) != 1:
        raise UsageError(f"auxiliary head {x.name} must be a vector of class scores")
    x.builder.auxiliary.append(Auxiliary(x.name, weight))


def conv_norm(
    x: Tensor, channels: Dim, kernel: int | Pair, stride: int | Pair = 1, *, groups: Dim = 1, norm_init: Init = ONES
) -> Tensor:
    """Convolution and batch norm; a bias only if the dialect has one there."""
    x = conv(x, channels, kernel, stride, groups=groups, bias=dialect.current().bias_before_norm)
    return batch_norm(x, init=norm_init)


def conv_norm_act(
    x: Tensor,
    channels: Dim,
    kernel: int | Pair,
    stride: int | Pair = 1,
    *,
    groups: Dim = 1,
    function: Function = "relu",
) -> Tensor:
    """Convolution, batch norm, activation."""
    x = conv_norm(x, channels, kernel, stride, groups=groups)
    return relu(x) if function == "relu" else activation(x, function)
