from __future__ import annotations

import convsmith
from convsmith.deploy.latency import latency_ms


def test_a_network_with_more_work_takes_longer() -> None:
    small = convsmith.create("lenet5", classes=10, input=(1, 28, 28))
    large = convsmith.create("resnet20", classes=10, input=(3, 64, 64))
    assert 0 < latency_ms(small, threads=1) < latency_ms(large, threads=1) < 10_000
