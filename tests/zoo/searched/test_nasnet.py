import pytest
import torch

from convsmith import build, cost_of, create
from convsmith.network.builder import write
from convsmith.weights import from_library, to_library
from convsmith.zoo import find
from convsmith.zoo.searched.nasnet import fitted, largest, largest_of_padded, mean, mean_of_padded

SIZES = {"nasnet_mobile": (4, 1056), "nasnet_large": (6, 4032)}


@pytest.mark.parametrize("name", SIZES)
def test_nasnet_has_the_papers_multiply_adds(name):
    cost, printed = cost_of(create(name, aux=0)), find(name)[0].published.gmacs
    assert round(cost.macs / 1e9, 3 if printed < 1 else 1) == printed  # tables 2 and 3


def test_nasnet_mobile_has_the_papers_parameters():
    assert round(cost_of(create("nasnet_mobile", aux=0)).params / 1e6, 1) == 5.3


def test_nasnet_large_has_the_papers_parameters_if_the_norms_statistics_count_cut_off():
    cost = cost_of(create("nasnet_large", aux=0))
    assert int((cost.params + sum(row.buffers for row in cost.layers)) / 1e5) / 10 == 88.9


@pytest.mark.parametrize(("name", "sizes"), SIZES.items())
def test_three_stages_of_n_normal_cells_double_their_maps_up_to_p(name, sizes):
    cells, penultimate = sizes
    net = create(name)
    blocks = dict.fromkeys(node.block for node in net if node.stage.startswith("stage"))
    assert len(blocks) == 3 * cells + 2
    assert [net.shapes[f"stage{stage}.{cells}.concat1"][0] for stage in (1, 2, 3)] == [
        penultimate // 4,
        penultimate // 2,
        penultimate,
    ]


def test_cells_consist_of_the_operations_of_figure_4():
    net = create("nasnet_mobile")
    for block, sums, kernels in (("stage1.2", 5, [3] * 6 + [5] * 4), ("stage2.0", 5, [3, 3, 5, 5, 5, 5, 7, 7, 7, 7])):
        ops = [node.op for node in net if node.block == block]
        assert sum(op.kind == "add" for op in ops) == sums
        assert sorted(op.kernel[0] for op in ops if op.kind == "conv" and op.groups > 1) == kernels
    pools = [node.op.kind for node in net if node.block == "stage2.0" and node.op.kind.endswith("pool")]
    assert sorted(pools) == ["avg_pool", "avg_pool", "max_pool", "max_pool"]


def test_only_large_looks_past_the_input_of_a_reduction():
    for name, source in (("nasnet_mobile", "stage1.4.concat1"), ("nasnet_large", "stage1.5.concat1")):
        net = create(name)
        assert net["stage2.1.relu1"].inputs == (source,)


def test_a_smaller_cells_input_is_every_other_pixel_beside_those_in_between():
    module = build(write("fitted", (1, 5, 5), lambda x: fitted(x, largest(x), 2))).eval()
    for name in ("conv1", "conv2"):
        module.get_submodule(name).weight.data.fill_(1)
    pixels = torch.arange(25.0).reshape(1, 1, 5, 5)
    even, odd = (module(pixels)[0] * (1 + 1e-5) ** 0.5).round()
    assert even.tolist() == [[0, 2, 4], [10, 12, 14], [20, 22, 24]]
    assert odd.tolist() == [[6, 8, 0], [16, 18, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("pool", "corner"), [(largest, -1.0), (largest_of_padded, 0.0), (mean, -1.0), (mean_of_padded, -4 / 9)]
)
def test_libraries_differ_in_what_padding_does_to_a_pooling(pool, corner):
    module = build(write("pool", (1, 5, 5), pool)).eval()
    assert module(-torch.ones(1, 1, 5, 5))[0, 0, 0, 0].item() == pytest.approx(corner)


@pytest.mark.parametrize("side", [3, 33, 64])
def test_the_auxiliary_head_bears_any_size(side):
    net = create("nasnet_mobile", classes=10, input=(3, side, side))
    assert len(net.auxiliary) == 1
    assert len(create("keras/NASNetMobile").auxiliary) == 0


def test_keras_weights_are_read_with_and_without_name_scopes():
    net = create("keras/NASNetMobile", classes=4, input=(3, 32, 32))
    weights = build(net).state_dict()
    state = to_library(net, weights, "keras")
    scoped = {f"normal_A_block_0/{key}" if key.startswith("normal") else key: value for key, value in state.items()}
    for form in (state, scoped):
        read = from_library(net, form, "keras")
        assert all(torch.equal(read[key], weights[key]) for key in net.parameters)
