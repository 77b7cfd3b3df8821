"""Networks written to have one fault each, their mended twins, and where the fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convsmith.network.builder import (
    Tensor,
    activation,
    add,
    apply,
    avg_pool,
    batch_norm,
    concat,
    conv,
    conv_norm_act,
    dropout,
    global_avg_pool,
    linear,
    max_pool,
    pad,
    relu,
    scale,
    scope,
    softmax,
    write,
)
from convsmith.network.network import Network
from convsmith.network.ops import Clip

Body = Callable[[Tensor], Tensor]
SHAPE = (3, 24, 24)


def network(body: Body, shape: tuple[int, int, int] = SHAPE) -> Network:
    return write("faulty", shape, body)


@dataclass(frozen=True)
class Fault:
    """A rule, a network that breaks it at `nodes` (the first ones are compared), and one that does not."""

    code: str
    nodes: tuple[str, ...]
    broken: Body
    mended: Body
    shape: tuple[int, int, int] = SHAPE


def head(x: Tensor, classes: int = 10) -> Tensor:
    return linear(global_avg_pool(x), classes, name="fc")


def stack(x: Tensor, count: int, width: int = 32) -> Tensor:
    for _ in range(count):
        x = conv_norm_act(x, width, 3)
    return x


def trunk(x: Tensor) -> Tensor:
    """Three stages that no rule objects to: 32, 64, 128 maps."""
    x = stack(x, 3)
    x = stack(max_pool(x, 2), 2, 64)
    return stack(max_pool(x, 2), 2, 128)


def small(x: Tensor, kernel: int = 3) -> Tensor:
    return trunk(relu(batch_norm(conv(x, 32, kernel, bias=False, name="first"))))


def even(x: Tensor) -> Tensor:
    return small(x, 4)


def early(x: Tensor) -> Tensor:
    x = conv_norm_act(conv_norm_act(x, 32, 7, 4), 32, 3, 2)
    return head(stack(x, 4))


def late(x: Tensor) -> Tensor:
    x = conv_norm_act(conv_norm_act(x, 32, 7), 32, 3, 2)
    return head(stack(x, 4))


def unread(kernel: int) -> Body:
    def body(x: Tensor) -> Tensor:
        x = stack(x, 3)
        x = relu(batch_norm(conv(x, 64, kernel, 2, bias=False, name="strided")))
        return head(stack(x, 4, 64))

    return body


def collapsed(pools: int) -> Body:
    def body(x: Tensor) -> Tensor:
        x = stack(x, 3)
        for _ in range(pools):
            x = max_pool(stack(x, 1), 2)
        x = relu(batch_norm(conv(x, 64, 3, bias=False, name="last")))
        return head(x)

    return body


def padded_below(dead: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        x = stack(x, 3)
        x = pad(x, (0, 1, 0, 1)) if dead else x
        x = relu(batch_norm(conv(x, 64, 2 if not dead else 3, 1, padding=(0, 0, 0, 0), bias=False)))
        return head(stack(max_pool(x, 2), 4, 64))

    return body


def dead_pad(amount: int) -> Body:
    """Of 33 rows, a 3x3 window at stride 2 reads all; a row more is not reached."""

    def body(x: Tensor) -> Tensor:
        x = pad(x, (0, amount, 0, amount)) if amount else x
        x = relu(batch_norm(conv(x, 32, 3, 2, padding=(0, 0, 0, 0), bias=False, name="first")))
        return head(stack(max_pool(stack(x, 3), 2), 4, 64))

    return body


def frame(padding: int) -> Body:
    def body(x: Tensor) -> Tensor:
        x = relu(batch_norm(conv(x, 32, 3, padding=(padding,) * 4, bias=False, name="first")))
        return head(trunk(x))

    return body


def narrow_field(count: int) -> Body:
    def body(x: Tensor) -> Tensor:
        return head(stack(x, count))

    return body


def vgg_like(blocks: int) -> Body:
    """VGG's blocks on small images: Richter et al. 2021 find the deep ones idle."""

    def body(x: Tensor) -> Tensor:
        for block in range(blocks):
            with scope(f"block{block}"):
                x = stack(x, 3, 32 * 2 ** min(block, 3))
                x = avg_pool(x, 3, 2, padding=(1, 1, 1, 1)) if block < blocks - 1 else x
        return head(x)

    return body


def widths(*filters: int) -> Body:
    def body(x: Tensor) -> Tensor:
        for number, width in enumerate(filters):
            x = relu(batch_norm(conv(x, width, 3, bias=False, name=f"stage{number}")))
            x = max_pool(x, 2) if number in (1, 2) else x
        return head(stack(x, 2, filters[-1]))

    return body


def dense(hidden: int, inputs: int = 128, classes: int = 10) -> Body:
    def body(x: Tensor) -> Tensor:
        x = stack(max_pool(trunk(x), 2), 2, inputs)
        x = relu(linear(global_avg_pool(x), hidden, name="hidden"))
        return linear(x, classes, name="fc")

    return body


def flat(pooled: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        x = stack(max_pool(stack(x, 6), 2), 4)
        return linear(global_avg_pool(x) if pooled else x, 100, name="fc")

    return body


def biased(bias: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        x = relu(batch_norm(conv(x, 32, 3, bias=bias, name="first")))
        return head(trunk(x))

    return body


def bare(norm: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        for number in range(12):
            x = conv(x, 32, 3, name=f"conv{number}", bias=not norm)
            x = relu(batch_norm(x) if norm else x)
            x = max_pool(x, 2) if number == 5 else x
        return head(x)

    return body


def deep(shortcut: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        x = conv_norm_act(x, 32, 3)
        for _ in range(11):
            y = stack(x, 2)
            x = add(y, x) if shortcut else y
        return head(x)

    return body


def dropped(before: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        x = dropout(stack(x, 3), 0.2, name="drop") if before else stack(x, 3)
        x = stack(max_pool(trunk(x), 2), 1, 128)
        return linear(dropout(global_avg_pool(x), 0.2), 10)

    return body


def twice(function: str) -> Body:
    def body(x: Tensor) -> Tensor:
        x = stack(x, 3)
        x = activation(x, function, name="second") if function else x  # type: ignore[arg-type]
        return head(trunk(x))

    return body


def linear_pair(bent: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        x = conv(stack(x, 3), 64, 3, name="a")
        x = conv(relu(x) if bent else x, 64, 3, bias=False, name="b")
        return head(stack(max_pool(relu(batch_norm(x)), 2), 4, 64))

    return body


def pooled_only(bent: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        x = conv(stack(x, 3), 64, 3, name="a")
        x = max_pool(relu(x) if bent else x, 2)
        return head(stack(x, 4, 64))

    return body


def ending(last: str) -> Body:
    def body(x: Tensor) -> Tensor:
        logits = head(trunk(x))
        if last == "softmax":
            return softmax(logits, name="last")
        return activation(logits, last, name="last") if last else logits  # type: ignore[arg-type]

    return body


def unused(dead: bool) -> Body:
    def body(x: Tensor) -> Tensor:
        x = stack(x, 3)
        if dead:
            relu(conv(x, 16, 3, name="dead"), name="dead_relu")
        return head(trunk(x))

    return body


def idle(layer: Callable[[Tensor], Tensor] | None) -> Body:
    def body(x: Tensor) -> Tensor:
        x = stack(x, 3)
        return head(trunk(layer(x) if layer else x))

    return body


def wide(width: int) -> Body:
    def body(x: Tensor) -> Tensor:
        x = relu(batch_norm(conv(stack(x, 3), width, 3, bias=False, name="odd")))
        return head(stack(max_pool(x, 2), 4, 128))

    return body


FAULTS = (
    Fault("CS101", ("first",), lambda x: head(even(x)), lambda x: head(small(x))),
    Fault("CS102", ("conv1",), early, late),
    Fault("CS103", ("strided",), unread(1), unread(3)),
    Fault("CS104", ("last",), collapsed(5), collapsed(3), (3, 32, 32)),
    Fault("CS105", ("pad1",), dead_pad(1), dead_pad(0), (3, 33, 33)),
    Fault("CS106", ("first",), frame(3), frame(1)),
    Fault("CS110", ("conv5",), narrow_field(5), narrow_field(16), (3, 32, 32)),
    Fault("CS111", ("block2.conv1", "block2.conv2"), vgg_like(5), vgg_like(3)),
    Fault("CS201", ("stage2",), widths(64, 64, 32), widths(32, 64, 64)),
    Fault("CS202", ("odd",), wide(75), wide(80)),
    Fault("CS301", ("hidden",), dense(150), dense(80)),
    Fault("CS302", ("hidden",), dense(16), dense(80)),
    Fault("CS303", ("hidden",), dense(256), dense(80)),
    Fault("CS304", ("fc",), flat(False), flat(True)),
    Fault("CS401", ("first",), biased(True), biased(False)),
    Fault("CS402", ("conv0", "conv1"), bare(False), bare(True)),
    Fault("CS403", ("conv1", "conv2"), deep(False), deep(True)),
    Fault("CS404", ("drop",), dropped(True), dropped(False)),
    Fault("CS501", ("second",), twice("silu"), twice("")),
    Fault("CS502", ("second",), twice("relu"), twice("")),
    Fault("CS503", ("a", "b"), linear_pair(False), linear_pair(True)),
    Fault("CS504", ("a",), pooled_only(False), pooled_only(True)),
    Fault("CS505", ("last",), ending("softmax"), ending("")),
    Fault("CS505", ("last",), ending("sigmoid"), ending("")),
    Fault("CS506", ("last",), ending("relu"), ending("")),
    Fault("CS601", ("dead", "dead_relu"), unused(True), unused(False)),
    Fault("CS602", ("drop",), idle(lambda x: dropout(x, 0.0, name="drop")), idle(None)),
    Fault("CS602", ("one",), idle(lambda x: scale(x, 1.0, name="one")), idle(None)),
    Fault("CS602", ("joined",), idle(lambda x: concat(x, name="joined")), idle(None)),
    Fault("CS602", ("pool",), idle(lambda x: max_pool(x, 1, name="pool")), idle(None)),
    Fault("CS602", ("clip1",), idle(lambda x: apply(Clip(), x, name="clip1")), idle(None)),
)
