import pytest

from convsmith import cost_of, create
from convsmith.zoo import find

NAMES = [f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0")]


@pytest.mark.parametrize("name", NAMES)
def test_shufflenet_has_the_papers_parameters_and_multiply_adds(name):
    cost, printed = cost_of(create(name)), find(name)[0].published
    assert round(cost.params / 1e6, 1) == printed.params_m
    # The layers of table 5 have up to 1.5% less than table 8 prints (the card says so).
    assert cost.macs / 1e9 == pytest.approx(printed.gmacs, rel=0.016)


def test_half_of_the_channels_pass_a_unit_untouched():
    net = create("shufflenet_v2_x1_0")
    assert net.shapes["stage2.1.slice1"] == net.shapes["stage2.1.slice2"] == (58, 28, 28)
    assert net["stage2.1.concat1"].inputs[0] == "stage2.1.slice1"


def test_stages_have_4_8_and_4_units_of_equal_width():
    net = create("shufflenet_v2_x1_0")
    assert [net.shapes[f"stage{s}.{i}.shuffle1"][0] for s, i in ((2, 3), (3, 7), (4, 3))] == [116, 232, 464]
