import pytest

from convsmith import cost_of, create


def size_mb(name):
    return cost_of(create(name)).weights_bytes() / 2**20


def test_squeezenet_has_the_papers_parameters_and_size():
    assert cost_of(create("squeezenet1_0")).params == 1_248_424  # table 1
    assert round(size_mb("squeezenet1_0"), 1) == 4.8  # table 2


def test_the_papers_feature_maps_are_those_of_a_227_input():
    net = create("squeezenet1_0")
    shapes = [net.shapes[name] for name in ("conv1", "pool1", "fire4.concat1", "fire8.concat1", "fire9.concat1")]
    assert shapes == [(96, 111, 111), (96, 55, 55), (256, 55, 55), (512, 27, 27), (512, 13, 13)]


def test_simple_bypass_costs_no_parameters_and_goes_around_every_other_module():
    net = create("squeezenet1_0_simple_bypass")
    assert cost_of(net).params == 1_248_424
    assert [node.stage for node in net if node.op.kind == "add"] == ["fire3", "fire5", "fire7", "fire9"]


def test_complex_bypass_projects_where_the_maps_change():
    net = create("squeezenet1_0_complex_bypass")
    assert [node.stage for node in net if node.name.endswith("bypass")] == ["fire2", "fire4", "fire6", "fire8"]
    assert sum(node.op.kind == "add" for node in net) == 8
    # Table 3 prints 7.7 MB, which no placing of section 6's convolutions gives: a deviation that its card states.
    assert size_mb("squeezenet1_0_complex_bypass") == pytest.approx(6.06, abs=0.01)


def test_version_1_1_computes_2_4_times_less():
    ratio = cost_of(create("squeezenet1_0")).macs / cost_of(create("squeezenet1_1")).macs
    assert ratio == pytest.approx(2.4, abs=0.3)
