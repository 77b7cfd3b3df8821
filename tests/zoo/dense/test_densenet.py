import pytest

from convsmith import cost_of, create
from convsmith.zoo import find
from convsmith.zoo.dense.densenet import KINDS, TABLE_2, bottleneck, cifar_name, plain


@pytest.mark.parametrize(("depth", "kind", "growth", "printed", "error"), TABLE_2)
def test_cifar_densenets_have_table_2_parameters(depth, kind, growth, printed, error):
    assert round(cost_of(create(cifar_name(depth, kind, growth))).params / 1e6, 1) == printed


@pytest.mark.parametrize("depth", [121, 161, 169, 201, 264])
def test_the_name_counts_convolutions_and_the_dense_layer(depth):
    counted = [node for node in create(f"densenet{depth}") if node.op.kind in ("conv", "linear")]
    # Table 1's blocks (6, 12, 64, 48) make 265 layers of DenseNet-264.
    assert len(counted) == {264: 265}.get(depth, depth)


@pytest.mark.parametrize("name", [cifar_name(*row[:3]) for row in TABLE_2])
def test_cifar_depths_count_likewise(name):
    assert (
        len([node for node in create(name) if node.op.kind in ("conv", "linear")])
        == find(name)[0].hyperparameters["depth"]
    )


def test_each_layer_adds_the_growth_rate_and_each_transition_halves():
    net = create("densenet121")
    assert [net.shapes[f"stage1.{i}.concat1"][0] for i in range(6)] == [96, 128, 160, 192, 224, 256]
    assert [net.shapes[f"transition{i}.pool1"] for i in (1, 2, 3)] == [(128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_growth_and_compression_are_free():
    net = create("densenet121", growth=10, theta=0.37)
    assert net.shapes["stage1.5.concat1"][0] == 20 + 6 * 10
    assert net.shapes["transition1.pool1"][0] == 29  # 0.37 * 80, rounded down


def test_a_bottleneck_is_four_times_the_growth():
    assert create("densenet161")["stage2.3.conv1"].op.channels == 4 * 48


def test_the_four_kinds_differ_as_the_paper_says():
    assert {"": (plain, 1.0), "b": (bottleneck, 1.0), "c": (plain, 0.5), "bc": (bottleneck, 0.5)} == KINDS
    params = {kind: cost_of(create(cifar_name(100, kind, 12))).params for kind in KINDS}
    assert params["bc"] < params["b"] < params["c"] < params[""]


def test_growth_rates_as_an_array_cost_what_each_alone_does():
    import numpy as np

    growth = np.array([12, 24, 32])
    together = cost_of(create("densenet121", growth=growth))
    alone = [cost_of(create("densenet121", growth=int(k))) for k in growth]
    assert together.params.tolist() == [cost.params for cost in alone]
    assert together.macs.tolist() == [cost.macs for cost in alone]
