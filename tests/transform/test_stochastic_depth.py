import pytest
import torch

import convsmith
from convsmith.network import builder as nn, ops
from convsmith.transform.stochastic_depth import with_stochastic_depth


def drops(model: str, most: float = 0.3) -> list[tuple[str, float]]:
    net = with_stochastic_depth(convsmith.create(model), most)
    return [(node.inputs[0], node.op.p) for node in net if isinstance(node.op, ops.StochasticDepth)]


@pytest.mark.parametrize(("model", "blocks"), [("resnet18", 8), ("resnet20", 9), ("mobilenet_v2", 10)])
def test_each_residual_branch_is_dropped_the_last_most_often(model: str, blocks: int) -> None:
    probabilities = [p for _, p in drops(model)]
    assert probabilities == pytest.approx([0.3 * (i + 1) / blocks for i in range(blocks)])


def test_the_branch_is_dropped_not_the_shortcut() -> None:
    assert drops("resnet18")[:3] == [
        ("layer1.0.bn2", pytest.approx(0.3 / 8)),
        ("layer1.1.bn2", pytest.approx(0.6 / 8)),
        ("layer2.0.bn2", pytest.approx(0.9 / 8)),
    ]


def test_networks_without_residuals_and_with_their_own_drops_stay_as_they_are() -> None:
    for model in ("vgg16", "googlenet", "efficientnet_b0"):
        net = convsmith.create(model)
        assert with_stochastic_depth(net, 0.3) == net


def test_weights_and_evaluation_are_the_plain_networks() -> None:
    net = convsmith.create("resnet20", input=(3, 32, 32))
    dropped = with_stochastic_depth(net, 0.5)
    assert dropped.inference == net.inference
    plain, module = convsmith.build(net), convsmith.build(dropped)
    module.load_state_dict(plain.state_dict())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(plain.eval()(images), module.eval()(images))


def test_the_sum_with_a_constant_has_no_branch_to_drop() -> None:
    def family(x: nn.Tensor) -> nn.Tensor:
        x = nn.conv(x, 4, 3)
        return nn.linear(nn.add(x, nn.constant(x, (4, 1, 1))), 3)

    net = nn.write("shifted", (3, 4, 4), family)
    assert with_stochastic_depth(net, 0.5) == net
