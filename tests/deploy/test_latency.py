from __future__ import annotations

import torch

import convsmith
from convsmith.deploy.latency import latency_ms
from convsmith.model import round_to_int8


def test_a_network_with_more_work_takes_longer() -> None:
    small = convsmith.create("lenet5", classes=10, input=(1, 28, 28))
    large = convsmith.create("resnet20", classes=10, input=(3, 64, 64))
    assert 0 < latency_ms(small, threads=1) < latency_ms(large, threads=1) < 10_000


def test_a_model_in_int8_is_timed_in_int8() -> None:
    net = convsmith.create("lenet5")
    preprocess = convsmith.Preprocess(1, (32, 32), 32, (0.5,), (0.5,))
    model = convsmith.Model(net, convsmith.build(net).state_dict(), tuple("0123456789"), preprocess)
    assert latency_ms(round_to_int8(model, [torch.rand(8, 1, 32, 32)])) > 0
