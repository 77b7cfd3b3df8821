"""Gradients as they are, on networks whose behaviour is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

import convsmith
from convsmith.errors import UsageError
from convsmith.explain.gradients import as_taken
from convsmith.explain.measure import Observed, Probe
from convsmith.network import Network, ops
from convsmith.network.builder import conv, global_avg_pool, linear, relu, write
from convsmith.network.init import GLOROT, HE_FAN_OUT, ZEROS, Init
from convsmith.transform.fuse_norm import fuse_norm
from convsmith.transform.stochastic_depth import residual_branch
from convsmith.zoo.registry import VARIANTS

SHAPE = (1, 16, 16)


def initialised(net: Network, init: Init) -> Network:
    return replace(
        net, nodes=tuple(replace(n, op=replace(n.op, init=init)) if isinstance(n.op, ops.Conv) else n for n in net)
    )


def bare(name: str, init: Init, shape: tuple[int, int, int] = SHAPE) -> Network:
    """Without batch norm."""
    return initialised(fuse_norm(convsmith.create(name, input=shape)), init)


def at_start(net: Network) -> str:
    return convsmith.gradients(net, steps=0, batch_size=4).verdict


def test_a_deep_plain_network_with_batch_norm_explodes_and_its_residual_twin_does_not() -> None:
    # Yang et al. 2019 (arXiv 1902.08129): batch norm multiplies gradients by 1.21 for each layer of rectifiers.
    assert at_start(convsmith.create("plain56", input=SHAPE)) == "exploding"
    assert at_start(convsmith.create("resnet56", input=SHAPE)) == "healthy"


def test_without_norm_glorots_initialisation_vanishes_in_the_plain_network_alone() -> None:
    # Half of the variance is lost in each layer of rectifiers (He et al. 2015, arXiv 1502.01852, section 2.2).
    assert at_start(bare("plain56", GLOROT)) == "vanishing"
    assert at_start(bare("resnet56", GLOROT)) == "healthy"


def test_without_norm_hes_initialisation_keeps_the_plain_network_healthy() -> None:
    assert at_start(bare("plain56", HE_FAN_OUT, (1, 32, 32))) == "healthy"


def test_on_small_maps_padding_takes_what_hes_initialisation_keeps() -> None:
    # Of nine taps at the border of a 4x4 map a third fall on zeros, in each of eighteen layers.
    assert at_start(bare("plain56", HE_FAN_OUT)) == "vanishing"


def test_a_shallow_network_is_healthy() -> None:
    assert at_start(convsmith.create("plain20", input=SHAPE)) == "healthy"


def test_the_gradient_is_that_of_one_images_loss() -> None:
    """Without batch norm the images are apart: the batch's figure is the root mean square of theirs alone."""
    net = write("small", (1, 6, 6), lambda x: linear(global_avg_pool(relu(conv(x, 4, 3))), 3))
    images, labels = torch.randn(5, 1, 6, 6), torch.arange(5) % 3
    module, probe = convsmith.build(net), Probe(net)
    together = probe.moment(module, images, labels, 0)
    single = [probe.moment(module, images[i : i + 1], labels[i : i + 1], 0) for i in range(5)]
    for place, layer in enumerate(together.layers):
        own = np.array([moment.layers[place].gradient for moment in single])
        assert layer.gradient == pytest.approx(np.sqrt((own**2).mean()), rel=1e-4)


def test_looking_at_gradients_changes_none() -> None:
    net = convsmith.create("resnet20", input=SHAPE)
    images, labels = torch.randn(4, *SHAPE), torch.tensor([0, 1, 2, 3])
    looked, plain = convsmith.build(net), convsmith.build(net)
    Probe(net).moment(looked, images, labels, 0)
    torch.nn.functional.cross_entropy(plain(images), labels).backward()
    for (name, one), (_, other) in zip(looked.named_parameters(), plain.named_parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)


def test_moments_are_at_powers_and_the_last() -> None:
    flow = convsmith.gradients("lenet5", steps=12, batch_size=4)
    assert [moment.step for moment in flow.moments] == [0, 1, 2, 5, 10, 12]


def test_the_same_seed_gives_the_same_flow() -> None:
    first, second, other = (convsmith.gradients("lenet5", steps=2, batch_size=4, seed=s) for s in (3, 3, 4))
    assert first == second
    assert first != other


def test_a_network_that_diverges_is_told_up_to_there() -> None:
    flow = convsmith.gradients("lenet5", steps=20, batch_size=4, learning_rate=1e30)
    assert flow.moments[-1].step < 20
    assert flow.moments[-1].verdict == "exploding"


def test_a_network_that_starts_at_zero_vanishes() -> None:
    net = write("zero", (1, 8, 8), lambda x: linear(global_avg_pool(relu(conv(x, 8, 3, init=ZEROS))), 2, init=ZEROS))
    assert at_start(net) == "vanishing"


def test_auxiliary_heads_are_trained_with() -> None:
    flow = convsmith.gradients(convsmith.create("googlenet", input=(3, 64, 64), classes=4), steps=0, batch_size=2)
    assert not any(layer.name.startswith("aux") for layer in flow.moments[0].layers)
    assert all(np.isfinite(layer.gradient) for layer in flow.moments[0].layers)


def photos(channels: int) -> convsmith.Dataset:
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 10, channels), np.uint8)
    return convsmith.Dataset.from_arrays(images, [i % 2 for i in range(40)], ("a", "b"))


@pytest.mark.parametrize(("images", "network"), [(1, 3), (3, 1), (3, 3), (1, 1)])
def test_images_come_as_the_network_takes_them(images: int, network: int) -> None:
    net = convsmith.create("lenet5", input=(network, 32, 32))
    flow = convsmith.gradients(net, photos(images), steps=1, batch_size=4)
    assert len(flow.moments) == 2
    assert as_taken(net, photos(images)).crop == (32, 32)


@pytest.mark.parametrize(
    ("setting", "value"), [("steps", -1), ("batch_size", 1), ("learning_rate", 0.0), ("learning_rate", -1.0)]
)
def test_numbers_out_of_range_are_refused_by_name(setting: str, value: float) -> None:
    with pytest.raises(UsageError, match=setting):
        convsmith.gradients("lenet5", **{setting: value})  # type: ignore[arg-type]


def test_a_network_that_gives_maps_is_refused() -> None:
    with pytest.raises(UsageError, match="unet is no classifier: its output is 2x388x388"):
        convsmith.gradients("unet")


def residual_blocks(net: Network) -> list[tuple[str, str, str]]:
    """Sums whose shortcut is the block's input as it is: (sum, branch, shortcut)."""
    found = []
    for node in net:
        branch = residual_branch(net, node)
        if branch is not None and node.name in net.ancestors(net.output):
            shortcut = next(source for source in node.inputs if source != branch)
            if shortcut in net.ancestors(branch):
                found.append((node.name, branch, shortcut))
    return found


def silenced(net: Network, block: str, branch: str) -> Network:
    """The network with this block's branch at zero."""
    zero = replace(net[branch], name="zero", op=ops.Scale(0.0), inputs=(branch,))
    nodes = []
    for node in net:
        if node.name == block:
            nodes.append(zero)
            node = replace(node, inputs=tuple("zero" if i == branch else i for i in node.inputs))
        nodes.append(node)
    return replace(net, nodes=tuple(nodes))


RESIDUAL = (
    "resnet18", "resnet50", "resnet50_v1_5", "resnet50_v2", "resnet20", "resnext29_8x64d", "wrn_16_4", "se_resnet18",
    "mobilenet_v2", "efficientnet_b0", "mnasnet_b1", "nfnet_l0", "xception", "squeezenet1_0_simple_bypass",
)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in RESIDUAL if name in VARIANTS])
def test_with_its_branch_at_zero_a_residual_block_is_the_identity(name: str) -> None:
    """a[l+2] = g(a[l]): what follows the sum gets the block's input, bit for bit."""
    variant = VARIANTS[name]
    side = 64 if variant.input[1] > 64 else 16
    net = convsmith.create(name, input=(variant.input[0], side, side), classes=4)
    blocks = residual_blocks(net)
    assert blocks
    for block, branch, shortcut in (blocks[0], blocks[-1]):
        changed = silenced(net, block, branch)
        observed = Observed(convsmith.build(changed).eval(), {block, shortcut})
        observed.run(torch.randn(2, *changed.input))
        assert torch.equal(observed.outputs[block], observed.outputs[shortcut])


def test_how_near_blocks_are_to_the_identity_is_measured() -> None:
    net = convsmith.create("resnet20", input=SHAPE)
    block, branch, _ = residual_blocks(net)[0]
    flow = convsmith.gradients(silenced(net, block, branch), steps=0, batch_size=4)
    shares = {one.name: one.branch_share for one in flow.moments[0].blocks}
    assert shares[block] == 0
    assert min(share for name, share in shares.items() if name != block) > 0.1


def test_projections_are_no_identities() -> None:
    blocks = (
        convsmith.gradients(convsmith.create("resnet18", input=(3, 32, 32)), steps=0, batch_size=2).moments[0].blocks
    )
    assert [block.identity for block in islice(blocks, 4)] == [True, True, False, True]
