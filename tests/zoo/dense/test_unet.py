import numpy as np
import pytest
import torch

from convsmith import build, cost_of, create
from convsmith.errors import ShapeError


def test_572_pixels_give_scores_of_388():
    net = create("unet")
    assert net.input == (1, 572, 572)
    assert net.shapes[net.output] == (2, 388, 388)


def test_it_has_the_papers_23_convolutions():
    assert sum(node.op.kind in ("conv", "conv_transpose") for node in create("unet")) == 23


def test_channels_grow_and_shrink_again_as_in_figure_1():
    net = create("unet")
    down = [net.shapes[f"down.{i}.relu2"] for i in range(5)]
    assert down == [(64, 568, 568), (128, 280, 280), (256, 136, 136), (512, 64, 64), (1024, 28, 28)]
    up = [net.shapes[f"up.{i}.relu2"] for i in (3, 2, 1, 0)]
    assert up == [(512, 52, 52), (256, 100, 100), (128, 196, 196), (64, 388, 388)]


def test_the_middle_of_a_map_is_joined():
    net = create("unet")
    assert net["up.3.pad1"].op.padding == (-4, -4, -4, -4)
    assert net["up.0.pad1"].op.padding == (-88, -88, -88, -88)


def test_both_kinds_have_the_same_parameters():
    assert cost_of(create("unet")).params == cost_of(create("unet_padded")).params == 31_030_658


@pytest.mark.parametrize("side", [16, 32, 64, 112])
def test_padded_scores_are_as_large_as_the_image(side):
    net = create("unet_padded", classes=3, input=(3, side, side))
    assert net.shapes[net.output] == (3, side, side)


def test_odd_sizes_lose_their_last_rows():
    net = create("unet_padded", input=(1, 45, 50), maps=4)
    assert net.shapes[net.output] == (2, 32, 48)
    assert build(net).eval()(torch.randn(1, 1, 45, 50)).shape == (1, 2, 32, 48)


def test_too_small_an_image_says_what_is_large_enough():
    with pytest.raises(ShapeError, match="smallest square input is 188x188"):
        create("unet", input=(1, 96, 96))


def test_onnx_crops_as_torch_does():
    import onnxruntime

    from convsmith.backend.onnx import to_onnx

    net = create("unet", input=(1, 188, 188), maps=2)
    module = build(net).eval()
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    image = np.random.RandomState(0).standard_normal((1, 1, 188, 188)).astype(np.float32)
    session = onnxruntime.InferenceSession(to_onnx(net, state).SerializeToString())
    scores = session.run(["logits"], {session.get_inputs()[0].name: image})[0]
    with torch.inference_mode():
        assert np.allclose(scores, module(torch.from_numpy(image)).numpy(), atol=1e-5)
