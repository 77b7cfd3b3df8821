import pytest
import torch

from convsmith import build, cost_of, create
from convsmith.network.builder import conv, write

# Table 1 in its units of 1024: parameters in K by module, but for (5a), which it prints as 1072.
TABLE_1 = {"stage3.0": 159, "stage3.1": 380, "stage4.0": 364, "stage4.1": 437, "stage4.4": 840, "stage5.1": 1388}


def test_the_bottleneck_example_costs_ten_times_less_through_16_channels():
    def through(x, maps):
        return conv(conv(x, maps, 1), 32, 5) if maps else conv(x, 32, 5)

    costs = [cost_of(write("example", (192, 28, 28), lambda x, m=maps: through(x, m))).macs for maps in (0, 16)]
    assert costs[0] == 120_422_400
    assert round(costs[1] / 1e6, 1) == 12.4


def test_googlenet_has_the_papers_parameters_and_operations_in_units_of_1024():
    rows = [row for row in cost_of(create("googlenet")).layers if row.inference]
    weights = sum(row.params - row.output[0] for row in rows if row.params)
    assert round(weights / 1024 / 1000, 1) == 6.8
    assert round(sum(row.macs for row in rows) / 2**20 / 1000, 1) == 1.5


@pytest.mark.parametrize(("module", "printed"), TABLE_1.items())
def test_modules_have_the_parameters_of_table_1(module, printed):
    rows = cost_of(create("googlenet")).layers
    ours = sum(row.params - row.output[0] for row in rows if row.node.block == module and row.params) / 1024
    assert ours == pytest.approx(printed, rel=0.02)


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_two_heads_of_weight_0_3_train_and_vanish_in_evaluation(name):
    net = create(name, classes=5)
    assert [(head.node, head.weight) for head in net.auxiliary] == [("aux1.fc2", 0.3), ("aux2.fc2", 0.3)]
    assert not any(node.name.startswith("aux") for node in net.inference)
    module = build(create(name, classes=5, input=(3, 64, 64)))
    image = torch.randn(2, 3, 64, 64)
    assert [tuple(output.shape) for output in module(image)] == [(2, 5)] * 3
    assert module.eval()(image).shape == (2, 5)


def test_the_paper_has_5x5_convolutions_and_no_norm_where_torchvision_has_3x3_and_batch_norm():
    kernels = {name: create(name)["stage3.0.conv5"].op.kernel for name in ("googlenet", "googlenet_bn")}
    assert kernels == {"googlenet": (5, 5), "googlenet_bn": (3, 3)}
    kinds = {name: {node.op.kind for node in create(name)} for name in kernels}
    assert "batch_norm" not in kinds["googlenet"]
    assert "local_response_norm" in kinds["googlenet"] - kinds["googlenet_bn"]


def test_heads_can_be_left_out():
    assert cost_of(create("googlenet", aux=0)).params == 6_998_552
    assert create("googlenet", aux=0).auxiliary == ()


def test_modules_are_blocks_of_the_papers_stages():
    net = create("googlenet")
    assert net["stage4.1.conv3"].block == "stage4.1"
    assert [net.shapes[f"stage{i}.{j}.concat1"][0] for i, j in ((3, 0), (3, 1), (4, 4), (5, 1))] == [
        256,
        480,
        832,
        1024,
    ]
