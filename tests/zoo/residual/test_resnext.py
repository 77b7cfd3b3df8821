import pytest
import torch

from convsmith import build, cost_of, create
from convsmith.network.builder import write
from convsmith.zoo import find
from convsmith.zoo.residual.resnet import bottleneck

TABLE_3 = {50: (2, 4, 8, 32), 101: (2, 4, 8, 32)}
WIDTHS = {2: 40, 4: 24, 8: 14, 32: 4}


@pytest.mark.parametrize("name", ["resnext29_8x64d", "resnext50_32x4d"])
def test_resnext_has_the_papers_parameters(name):
    assert round(cost_of(create(name)).params / 1e6, 1) == find(name)[0].published.params_m  # tables 1 and 7


def test_resnext29_16x64d_has_the_papers_parameters_cut_off_to_one_digit():
    assert int(cost_of(create("resnext29_16x64d")).params / 1e5) / 10 == 68.1  # table 7


def test_resnext50_costs_what_table_1_says():
    assert round(cost_of(create("resnext50_32x4d")).macs / 1e9, 1) == 4.2


@pytest.mark.parametrize(("depth", "groups"), [(depth, groups) for depth in TABLE_3 for groups in TABLE_3[depth]])
def test_cardinality_grows_at_the_cost_of_resnet(depth, groups):
    # Table 2: widths chosen to keep the complexity.
    ours, plain = cost_of(create(f"resnext{depth}_{groups}x{WIDTHS[groups]}d")), cost_of(create(f"resnet{depth}_v1_5"))
    assert ours.params / plain.params == pytest.approx(1, abs=0.03)
    assert ours.macs / plain.macs == pytest.approx(1, abs=0.05)


def test_a_block_of_groups_equals_parallel_paths_summed():
    # Figure 3: (a) is (c). Each path takes its maps of the first and second convolution, its columns of the third.
    net = write("block", (256, 7, 7), lambda x: bottleneck(x, 64, 1, groups=32, group_width=4))
    module = build(net).eval()
    x = torch.randn(1, 256, 7, 7)
    first, second, third = (module.get_submodule(f"conv{i}").weight for i in (1, 2, 3))
    scale = 1 / (1 + 1e-5) ** 0.5  # fresh norms only divide by sqrt(1 + eps)
    total = x.clone()
    for group in range(32):
        maps = slice(4 * group, 4 * group + 4)
        y = torch.relu(torch.nn.functional.conv2d(x, first[maps]) * scale)
        y = torch.relu(torch.nn.functional.conv2d(y, second[maps], padding=1) * scale)
        total += torch.nn.functional.conv2d(y, third[:, maps]) * scale
    assert torch.allclose(module(x), torch.relu(total), atol=1e-4)


@pytest.mark.parametrize(("d", "inner"), [(4, 128), (8, 256), (16, 512), (48, 1536)])
def test_inner_maps_double_with_each_stage(d, inner):
    net = create(f"resnext101_32x{d}d")
    for stage in range(4):
        op = net[f"layer{stage + 1}.1.conv2"].op
        assert (op.channels, op.groups) == (inner * 2**stage, 32)
        assert net.shapes[f"layer{stage + 1}.1.conv3"][0] == 256 * 2**stage
