"""What engines fuse, and in which layout they keep feature maps. Held against their own profiles when a device is
measured: a table says how much of the measured time these rules explain."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.devices.unit import Unit

CONVOLUTIONS = ("stem", "pointwise", "conv", "depthwise", "grouped")
HOSTS = (*CONVOLUTIONS, "transposed", "dense")

SCALES = ("scale", "channel_scale")
"""Multiplication by one number, and by one for each channel."""
RECTIFIERS = ("relu", "relu6", "clip", "leaky_relu", "sigmoid", "tanh", "hard_sigmoid")


@dataclass(frozen=True)
class Rules:
    """How an engine goes from layers to operators. By default nothing is fused.

    - `norm_hosts`: kinds of operator whose weights absorb the batch norm or scale behind them.
    - `functions`: for each kind of operator, the functions that it absorbs in any layout; `blocked_functions`: what
      convolutions in blocked layout absorb in addition.
    - `sum_hosts`: kinds that absorb a sum with another map.
    - `chains`: elementwise layers join the operator before them however many there are (OpenVINO's).
    - `block`: channels in a block of the layout that convolutions ask for; 0 for an engine that has one layout.
      Channels are filled up to it from a multiple of `alignment`.
    - `keeps_blocks`: functions that run in either layout.
    - `shares`: equal layers without weights that read the same are computed once.
    """

    norm_hosts: tuple[str, ...] = ()
    functions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    blocked_functions: tuple[str, ...] = ()
    sum_hosts: tuple[str, ...] = ()
    chains: bool = False
    block: int = 0
    alignment: int = 4
    keeps_blocks: tuple[str, ...] = ()
    shares: bool = True

    def absorbs(self, host: Unit, unit: Unit) -> bool:
        """Whether `unit`, which reads what `host` alone gives to it, is fused into it."""
        if self.chains:
            return unit.kind in ("function", "batch_norm") and (host.kind in HOSTS or _elementwise(host))
        if host.function and not (host.kind == "batch_norm" and host.blocked):
            return False
        if unit.kind == "batch_norm" or unit.function in SCALES:
            return host.kind in self.norm_hosts and host.inputs == 1
        if unit.kind != "function":
            return False
        known = dict(self.functions).get(host.kind, ())
        return unit.function in known or (host.blocked and unit.function in self.blocked_functions)

    def adds(self, host: Unit, unit: Unit) -> bool:
        """Whether a sum of two maps is fused into the operator that gives one of them."""
        if self.chains and _elementwise(host):
            return unit.kind in ("sum", "product")
        bare = not host.function or (host.kind == "batch_norm" and host.blocked)
        two = unit.kind == "sum" and unit.inputs == 2 and unit.function != "gate"
        return two and host.kind in self.sum_hosts and host.inputs == 1 and bare

    def wants_blocks(self, unit: Unit) -> bool:
        """Whether an operator runs in blocked layout, wherever its input comes from."""
        if not self.block:
            return False
        channels_in, channels_out = unit.input[0], unit.output[0]
        if unit.kind == "depthwise" and channels_in == channels_out:
            return channels_out % self.alignment == 0
        if unit.kind in ("depthwise", "grouped"):
            each = (channels_in // unit.groups, channels_out // unit.groups)
            return unit.kind == "grouped" and each[0] % self.block == each[1] % self.block == 0
        if unit.kind in CONVOLUTIONS:
            return channels_in < self.block or channels_in % self.alignment == 0
        return unit.kind in ("max_pool", "avg_pool") and channels_in % self.block == 0

    def reads_plain(self, unit: Unit) -> bool:
        """Whether a blocked operator takes its input in plain layout: a convolution of few channels."""
        return unit.kind in CONVOLUTIONS and unit.groups == 1 and unit.input[0] < self.block

    def stays_blocked(self, unit: Unit) -> bool:
        """Whether an operator runs in blocked layout where all its inputs are in it."""
        if not self.block:
            return False
        if unit.kind == "mean":
            return len(unit.output) == 3 and unit.input[0] % self.block == 0
        if unit.kind == "concat":
            return unit.output[1:] == unit.input[1:]
        if unit.kind in ("sum", "product"):
            return unit.function == ""
        if unit.kind == "batch_norm":
            return unit.function == "batch_norm"
        return unit.kind == "function" and unit.function in (*self.keeps_blocks, "channel_scale")


def _elementwise(unit: Unit) -> bool:
    """Whether each element of the output depends on the same element of the inputs alone, weights apart."""
    return unit.kind in ("function", "sum", "product", "batch_norm")


ONNXRUNTIME = Rules(
    norm_hosts=CONVOLUTIONS,
    functions=(*((kind, RECTIFIERS) for kind in CONVOLUTIONS), ("dense", RECTIFIERS)),
    blocked_functions=("relu", "sigmoid", "tanh", "hard_swish", "gelu"),
    sum_hosts=(*CONVOLUTIONS, "batch_norm"),
    block=16,
    keeps_blocks=("relu", "sigmoid", "tanh", "silu", "gelu", "hard_sigmoid"),
)
OPENVINO = Rules(chains=True, sum_hosts=CONVOLUTIONS)
EAGER = Rules(shares=False)

RULES = {"onnxruntime": ONNXRUNTIME, "openvino": OPENVINO, "pytorch": EAGER}


def rules_of(engine: str) -> Rules:
    """The rules of an engine by name; ONNX Runtime's for one that is not known."""
    return RULES.get(engine, ONNXRUNTIME)
