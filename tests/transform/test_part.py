import pytest
import torch

from convsmith import build, cost_of, create, models
from convsmith.errors import UnknownNameError, UsageError
from convsmith.network.storage import FloatStorage, with_storage
from convsmith.transform.fuse_norm import fuse_norm
from convsmith.transform.part import classifier_of, stages, trunk_and_head, up_to, with_classes
from convsmith.transform.quantize import Range, quantize_activations

OWN = [name for name in models() if "/" not in name and name != "lenet5_1998"]


@pytest.mark.parametrize("name", OWN)
def test_another_classifier_makes_the_network_that_create_makes(name):
    net = create(name)
    assert with_classes(net, 7).nodes == create(name, classes=7).nodes


@pytest.mark.parametrize("name", OWN)
def test_trunk_and_head_have_all_parameters_but_the_auxiliary_heads(name):
    net = create(name, classes=5)
    trunk, head = trunk_and_head(net)
    assert head.input == trunk.shapes[trunk.output]
    assert {**trunk.parameters, **head.parameters} == net.inference.parameters
    assert cost_of(trunk).macs + cost_of(head).macs == cost_of(net).macs


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "googlenet"])
def test_the_head_of_the_trunk_is_the_network(name):
    net = create(name, classes=3, input=(3, 64, 64))
    trunk, head = trunk_and_head(net)
    whole = build(net, seed=1).eval()
    modules = [build(part).eval() for part in (trunk, head)]
    for module in modules:
        module.load_state_dict({key: whole.state_dict()[key] for key in module.state_dict()})
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(modules[1](modules[0](image)), whole(image))


@pytest.mark.parametrize("name", OWN)
def test_stages_hold_every_layer_with_weights_once(name):
    net = create(name)
    grouped = [layer for stage in stages(net) for layer in stage]
    weighted = [node.name for node in net.inference if net.parameters_of(node)]
    assert sorted(grouped) == sorted(weighted)
    assert stages(net)[-1] == (classifier_of(net).name,)


def test_a_resnet_has_a_stem_four_stages_and_a_classifier():
    first = [stage[0] for stage in stages(create("resnet50"))]
    assert first == ["conv1", "layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1", "layer4.0.conv1", "fc"]


def test_googlenets_auxiliary_heads_split_no_stage():
    assert len(stages(create("googlenet"))) == 5


def test_a_network_up_to_a_layer_gives_that_layers_output():
    net = create("resnet18", input=(3, 64, 64))
    part = up_to(net, "layer2.1.relu2")
    assert part.shapes[part.output] == (128, 8, 8)
    assert {node.name for node in part} < {node.name for node in net}
    assert "fc" not in {node.name for node in part}


def test_an_unknown_layer_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"layer of resnet18 'layer2.1.relu9'; nearest: layer2"):
        up_to(create("resnet18"), "layer2.1.relu9")


def test_a_network_without_a_learned_classifier_cannot_get_another():
    with pytest.raises(UsageError, match="lenet5_1998 does not end in a dense layer"):
        with_classes(create("lenet5_1998"), 7)


def test_parts_are_no_longer_the_network_that_they_come_from():
    net = create("resnet18", input=(3, 64, 64))
    trunk, head = trunk_and_head(net)
    assert trunk.origin is None
    assert head.origin is None
    assert up_to(net, "layer2.1.relu2").origin is None


def test_another_classifier_leaves_the_origin():
    net = create("torchvision/googlenet")
    assert with_classes(net, 7).origin == net.origin
    assert net.inference.origin == net.origin


def test_parts_keep_how_their_parameters_are_stored():
    whole = create("resnet18", input=(3, 64, 64))
    net = with_storage(whole, {"conv1.weight": FloatStorage("float16"), "fc.weight": FloatStorage("bfloat16")})
    trunk, head = trunk_and_head(net)
    assert [stored.parameter for stored in trunk.storage] == ["conv1.weight"]
    assert [stored.parameter for stored in head.storage] == ["fc.weight"]
    assert up_to(net, "layer2.1.relu2").storage == trunk.storage


def test_a_fused_or_quantized_network_says_that_it_is_no_longer_what_its_name_says():
    net = create("torchvision/resnet18", input=(3, 64, 64))
    fused = fuse_norm(net)
    assert (fused.origin.family, fused.origin.setting("fuse_norm")) == ("resnet", True)
    ranges = dict.fromkeys(("input", *(node.name for node in fused)), Range(0.0, 1.0))
    assert quantize_activations(fused, ranges).origin.setting("quantize_activations") == 8
    assert net.origin.as_named
