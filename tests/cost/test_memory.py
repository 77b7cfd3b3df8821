"""Peak memory against a simulation that keeps every tensor until nobody reads it any more."""

from __future__ import annotations

from hypothesis import given, strategies as st

from convsmith import cost_of
from convsmith.cost.memory import peak_live
from convsmith.network import INPUT, Network, Node, builder as nn, ops
from convsmith.network.dims import elements


@st.composite
def graphs(draw: st.DrawFn) -> Network:
    """Maps of different widths: convolutions, sums and concatenations of any earlier ones; at times a flatten."""
    nodes: list[Node] = []
    channels = {INPUT: 2}
    for i in range(draw(st.integers(1, 10))):
        first, second = (draw(st.sampled_from(list(channels))) for _ in range(2))
        if draw(st.booleans()):
            wide = draw(st.integers(1, 6))
            nodes.append(Node(f"n{i}", ops.Conv(wide, (1, 1)), (first,)))
            channels[f"n{i}"] = wide
        else:
            nodes.append(Node(f"n{i}", ops.Concat(), (first, second)))
            channels[f"n{i}"] = channels[first] + channels[second]
    last = nodes[-1].name
    if draw(st.booleans()):
        nodes += [Node("flat", ops.Flatten(), (last,)), Node("fc", ops.Linear(3), ("flat",))]
        last = draw(st.sampled_from(["flat", "fc"]))
    return Network("graph", (2, 3, 3), tuple(nodes), last).inference


def simulated(net: Network) -> int:
    """At each step: what exists already or is being written, and is read now or later."""
    tensor = {INPUT: INPUT}
    for node in net:
        tensor[node.name] = tensor[node.inputs[0]] if isinstance(node.op, ops.Flatten) else node.name
    peaks = [elements(net.input)]
    for now, node in enumerate(net.nodes):
        written = {INPUT, *(tensor[earlier.name] for earlier in net.nodes[: now + 1])}
        read = {tensor[source] for later in net.nodes[now:] for source in later.inputs}
        live = written & (read | {tensor[node.name], tensor[net.output]})
        peaks.append(sum(elements(net.shapes[name]) for name in live))
    return max(peaks)


@given(graphs())
def test_peak_is_the_simulations(net):
    assert peak_live(net) == simulated(net)


def test_a_chain_keeps_two_maps_at_a_time():
    net = nn.write("chain", (2, 4, 4), lambda x: nn.conv(nn.conv(nn.conv(x, 8, 1), 6, 1), 1, 1))
    assert peak_live(net) == (8 + 6) * 16


def test_a_shortcut_stays_alive_across_its_block():
    net = nn.write("block", (4, 4, 4), lambda x: nn.add(x, nn.conv(nn.conv(x, 4, 1), 4, 1)))
    assert peak_live(net) == 3 * 4 * 16


def test_inference_bytes_are_weights_and_peak_by_batch():
    net = nn.write("net", (2, 4, 4), lambda x: nn.conv(x, 8, 1))
    cost = cost_of(net)
    weights, maps = 4 * (2 * 8 + 8), 4 * (2 + 8) * 16
    assert cost.inference_bytes() == weights + maps
    assert cost.inference_bytes(batch=5) == weights + 5 * maps
    assert cost.inference_bytes(bytes_per_value=2) == (weights + maps) // 2


def test_training_keeps_what_the_backward_pass_reads():
    """conv keeps its input, relu its output, max pooling its input (the same map) and its positions."""
    net = nn.write("net", (2, 4, 4), lambda x: nn.max_pool(nn.relu(nn.conv(x, 8, 1)), 2))
    params = 2 * 8 + 8
    saved = 4 * (2 * 16 + 8 * 16) + 8 * (8 * 4)
    assert cost_of(net).training_bytes() == 4 * 3 * params + saved
    assert cost_of(net).training_bytes(batch=3, optimizer_slots=2) == 4 * 4 * params + 3 * saved


def test_views_and_constants_take_no_memory_of_their_own():
    def family(x: nn.Tensor) -> nn.Tensor:
        y = nn.reshape(nn.conv(x, 8, 1), (2, 4, 16))
        return nn.layer_scale(y, 1.0)

    net = nn.write("net", (2, 4, 4), family)
    assert peak_live(net) == 2 * 8 * 16


def test_training_keeps_the_input_of_functions_that_need_it():
    """silu keeps its input, and so does the product by a constant, which itself is a weight."""
    net = nn.write("net", (2, 4, 4), lambda x: nn.layer_scale(nn.activation(nn.conv(x, 8, 1), "silu"), 1.0))
    params = 2 * 8 + 8 + 8
    saved = 4 * (2 * 16 + 8 * 16 + 8 * 16)
    assert cost_of(net).training_bytes() == 4 * 3 * params + saved
