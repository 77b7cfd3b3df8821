import copy
from dataclasses import replace

import pytest
import torch

import convsmith
from convsmith.backend.torch import lower
from convsmith.network import ops
from convsmith.network.builder import again, auxiliary, conv, flatten, global_avg_pool, linear, relu, write


def test_every_op_has_a_rule():
    fallback = lower.dispatch(object)
    assert [kind for kind, op in ops.OPS.items() if lower.dispatch(op) is fallback] == []


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "alexnet", "vgg11_bn", "resnet50_v2", "mobilenet_v2"])
def test_state_dict_keys_and_shapes_are_the_networks_parameters(name):
    net = convsmith.create(name, classes=3)
    state = convsmith.build(net).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items() if "num_batches" not in key} == {
        key: parameter.shape for key, parameter in net.parameters.items()
    }


def test_the_forward_pass_is_readable_python():
    code = convsmith.build(convsmith.create("lenet5")).code
    assert "conv1 = self.conv1(x)" in code
    assert "torch.flatten(" in code


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    net = convsmith.create("lenet5")
    first, again, other = (convsmith.build(net, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_he_initialisation_has_the_papers_variance():
    weight = convsmith.build(convsmith.create("resnet18")).state_dict()["layer4.0.conv2.weight"]
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)


def with_auxiliary_head():
    def family(x):
        x = relu(conv(x, 4, 3))
        auxiliary(linear(flatten(global_avg_pool(x)), 5, name="aux"), 0.3)
        return linear(global_avg_pool(conv(x, 8, 3)), 5, name="fc")

    return write("two heads", (3, 8, 8), family)


def test_auxiliary_heads_exist_in_training_only():
    module = convsmith.build(with_auxiliary_head())
    x = torch.randn(2, 3, 8, 8)
    main, head = module(x)
    assert main.shape == head.shape == (2, 5)
    assert module.eval()(x).shape == (2, 5)
    assert len(module.train()(x)) == 2


def test_a_copy_of_a_built_network_keeps_both_modes():
    module = convsmith.build(with_auxiliary_head())
    twin = copy.deepcopy(module)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(twin(x)[1], module(x)[1])
    assert torch.equal(twin.eval()(x), module.eval()(x))


def test_shared_parameters_are_one_tensor_and_count_once():
    def family(x):
        first = conv(x, 3, 3, name="first")
        return linear(global_avg_pool(again(first, first, name="second")), 2)

    net = write("shared", (3, 8, 8), family)
    module = convsmith.build(net)
    assert sum(p.numel() for p in module.parameters()) == convsmith.cost_of(net).params
    assert not any(name.startswith("second") for name in module.state_dict())


def test_a_built_network_traces_and_exports():
    module = convsmith.build(convsmith.create("mobilenet_v2:0.35", input=(3, 32, 32))).eval()
    x = torch.randn(1, 3, 32, 32)
    exported = torch.export.export(module, (x,)).module()
    assert torch.allclose(exported(x), module(x), atol=1e-5)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1, 2**64, 10**40])
def test_a_seed_may_have_any_size(seed: int) -> None:
    net = convsmith.create("lenet5", input=(1, 28, 28))
    once, again = (convsmith.build(net, seed).state_dict() for _ in range(2))
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_a_layer_that_no_output_depends_on_has_its_weights_all_the_same():
    net = convsmith.create("lenet5")
    spare = replace(net["conv1"], name="spare")
    module = convsmith.build(replace(net, nodes=(*net.nodes, spare)))
    assert {"spare.weight", "spare.bias"} <= set(module.state_dict())
