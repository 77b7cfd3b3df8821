import pytest
import torch
from torch import nn

from convsmith.train.step.ema import ExponentialMovingAverage


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


def fill(module: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)


def test_after_the_beginning_the_average_moves_by_one_minus_decay() -> None:
    net = module()
    fill(net, 1.0)
    average = ExponentialMovingAverage(net, decay=0.9)
    fill(net, 2.0)
    average.update(step=1000)
    assert average.shadow["0.weight"].unique().item() == pytest.approx(1.1)


def test_at_the_beginning_the_average_forgets_the_random_weights_quickly() -> None:
    net = module()
    fill(net, 0.0)
    average = ExponentialMovingAverage(net, decay=0.999)
    fill(net, 1.0)
    average.update(step=0)
    assert average.shadow["0.weight"].unique().item() == pytest.approx(0.9)


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    net = module()
    average = ExponentialMovingAverage(net, decay=0.9)
    net(torch.rand(8, 4))
    average.update(step=1000)
    statistics = net.state_dict()
    assert torch.allclose(average.shadow["1.running_mean"], 0.1 * statistics["1.running_mean"])
    assert average.shadow["1.num_batches_tracked"] == 1


def test_the_average_shares_no_memory_with_the_module() -> None:
    net = module()
    average = ExponentialMovingAverage(net, decay=0.9)
    before = average.shadow["0.weight"].clone()
    fill(net, 5.0)
    assert torch.equal(average.shadow["0.weight"], before)
