import pytest
import torch

from convsmith import build, cost_of, create
from convsmith.backend.layers import standardized
from convsmith.zoo.residual.nfnet import GAMMA


@pytest.mark.parametrize("name", [*(f"nfnet_f{n}" for n in range(7)), "nfnet_f4_plus"])
def test_each_size_has_the_papers_parameters_and_multiply_adds(name):
    from convsmith.zoo.certify import certify

    rows = {row.figure: row.verdict for row in certify(name)}
    assert rows["parameters"] == "equal"
    assert rows.get("multiply-adds", "equal") == "equal"


def test_filters_have_mean_0_and_variance_1_over_fan_in_whatever_they_were():
    weight = torch.randn(8, 6, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 7 + 5
    done = standardized(weight, torch.ones(8, 1, 1, 1, dtype=torch.float64), 1e-5)
    variance, mean = torch.var_mean(done, dim=(1, 2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean))
    torch.testing.assert_close(variance, torch.full_like(variance, 1 / 54), rtol=1e-5, atol=0)
    torch.testing.assert_close(standardized(weight, torch.full((8, 1, 1, 1), 3.0, dtype=torch.float64), 1e-5), 3 * done)


def test_a_block_begins_as_its_shortcut():
    net = create("nfnet_f0", classes=3, input=(3, 64, 64))
    module = build(net).eval()
    assert all(module.state_dict()[name] == 0 for name in net.parameters if name.endswith("skipinit_gain"))


def test_signals_keep_their_variance_through_the_stem():
    net = create("nfnet_f0", classes=3, input=(3, 64, 64))
    module = build(net).eval()
    images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    seen = {}
    for name in ("stem.conv1", "stem.conv4"):
        module.get_submodule(name).register_forward_hook(
            lambda m, i, out, name=name: seen.update({name: out.var().item()})
        )
    with torch.inference_mode():
        module(images)
    assert all(0.5 < variance < 2 for variance in seen.values()), seen


def test_squeeze_of_a_block_is_half_its_width_and_groups_have_128_channels():
    net = create("nfnet_f1")
    assert net["stage3.0.se.conv1"].op.channels == 768
    assert net["stage3.0.conv2"].op.groups == 768 // 128


def test_the_shortcut_with_a_convolution_begins_each_stage_only():
    net = create("nfnet_f1")
    assert [node.block for node in net if "downsample.conv" in node.name] == [f"stage{n}.0" for n in (1, 2, 3, 4)]
    assert cost_of(net).params == cost_of(create("timm/dm_nfnet_f1")).params


def test_timms_own_networks_carry_the_factor_in_their_weights():
    """Every convolution but the first and the last gets the same inputs as where activations carry it."""
    net = create("timm/nfnet_f0", classes=3, input=(3, 64, 64))
    other = create("nfnet_f0", classes=3, input=(3, 64, 64))
    factors = [node.op.factor for node in net if node.op.kind == "scale"]
    others = [node.op.factor for node in other if node.op.kind == "scale"]
    assert factors == [GAMMA["gelu"], *others[:-1], GAMMA["gelu"]]
    last = next(node for node in net if node.name == "final_conv")
    assert net[last.inputs[0]].op.kind == "scale"


def test_timms_own_networks_begin_as_their_shortcuts_by_the_last_gain():
    net = create("timm/nfnet_f0", classes=3, input=(3, 64, 64))
    gains = {name: float(gain.abs().max()) for name, gain in build(net).state_dict().items() if name.endswith("gain")}
    assert gains.keys() == {f"{node.name}.gain" for node in net if node.op.kind == "standardized_conv"}
    assert all(
        gain == (0 if name.endswith(".conv4.gain") and "stem" not in name else 1) for name, gain in gains.items()
    )


@pytest.mark.parametrize(
    ("name", "params"),
    [("nfnet_l0", 35.07), ("nfnet_f0", 71.49), ("nfnet_f7s", 499.5)],
)
def test_timms_own_networks_have_its_million_parameters(name, params):
    assert round(cost_of(create(f"timm/{name}")).params / 1e6, 2) == params


def test_padding_is_tensorflows_for_deepminds_weights_only():
    assert create("timm/dm_nfnet_f0")["stem.conv1"].op.padding == "same"
    assert create("timm/nfnet_l0")["stem.conv1"].op.padding == (1, 1, 1, 1)
