"""Keras networks on Keras' torch backend: channels last outside, plain (C, H, W) layers once read."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

import convsmith
from convsmith.backend.read import Read, read

os.environ.setdefault("KERAS_BACKEND", "torch")  # as tests/weights has it: Keras is only ever used so here
keras = pytest.importorskip("keras")
layers = keras.layers
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras runs on another backend"),
]

APPLICATIONS = {
    "ResNet50": 64, "EfficientNetB0": 64, "MobileNetV3Small": 64, "DenseNet121": 64, "Xception": 96, "InceptionV3": 96,
    "VGG16": 64, "EfficientNetV2B0": 64, "ResNet50V2": 64, "ConvNeXtTiny": 64,
}  # fmt: skip


def sequential() -> Any:
    return keras.Sequential([
        layers.Input((16, 16, 3)),
        layers.Conv2D(8, 3, padding="same", strides=2, activation="relu", name="stem"),
        layers.BatchNormalization(name="norm"),
        layers.SpatialDropout2D(0.1, name="drop_maps"),
        layers.MaxPooling2D(name="pool"),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.2, name="drop"),
        layers.Dense(10, activation="softmax", name="predictions"),
    ])  # fmt: skip


def functional() -> Any:
    image = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.SeparableConv2D(8, 3, padding="same", name="separable")(x)
    x = layers.LeakyReLU()(layers.LayerNormalization()(x))
    x = layers.MaxPooling2D(3, 2, padding="same")(layers.AveragePooling2D(3, 2, padding="same")(x))
    y = layers.DepthwiseConv2D(3, padding="same", strides=2)(x)
    y = layers.Conv2DTranspose(8, 3, strides=2, padding="same")(y)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(8, activation="hard_sigmoid")(layers.Dense(4, activation="swish")(gate))
    x = layers.Concatenate()([layers.Multiply()([x, gate]), y])
    x = layers.PReLU(shared_axes=[1, 2])(layers.GroupNormalization(4)(x))
    x = layers.Add()([x, layers.Dropout(0.3, noise_shape=(None, 1, 1, 1))(layers.Conv2D(16, 1)(x))])
    x = layers.ZeroPadding2D(1)(layers.UpSampling2D(interpolation="bilinear")(x))
    return keras.Model(image, layers.Dense(10)(layers.Flatten()(x)))


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv = layers.Conv2D(4, 3, name="conv")
        self.head = keras.Sequential([layers.GlobalMaxPooling2D(), layers.Dense(10, name="fc")], name="head")

    def call(self, x: Any) -> Any:
        return self.head(keras.ops.relu(self.conv(x)))


def subclassed() -> Any:
    model = Subclassed()
    model(np.zeros((1, 12, 12, 3), np.float32))
    return model


def mobilenet() -> Any:
    return keras.applications.MobileNetV2(weights=None, classes=10, input_shape=(96, 96, 3))


def jumbled(model: Any) -> Any:
    """Weights and statistics that are not those of a fresh model."""
    generator = np.random.default_rng(0)
    for variable in model.variables:
        if "seed" not in variable.path:
            noise = generator.standard_normal(variable.shape).astype(np.float32)
            positive = "variance" in variable.path
            variable.assign(1 + 0.1 * abs(noise) if positive else keras.ops.convert_to_numpy(variable) + 0.05 * noise)
    return model


def same(model: Any, side: int) -> Read:
    """The network that was read, after it gave the model's own answers."""
    found = read(model, (side, side, 3))
    images = torch.rand(2, side, side, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(images, training=False)
        built = convsmith.build(found.network).eval()
        built.load_state_dict(found.weights)
        given = built(images.permute(0, 3, 1, 2))
    torch.testing.assert_close(given, expected, atol=1e-4, rtol=1e-4)
    assert found.network.input == (3, side, side)
    trained = sum(int(np.prod(variable.shape)) for variable in model.trainable_weights)
    assert convsmith.cost_of(found.network).params == trained
    return found


def kinds(found: Read) -> Counter[str]:
    return Counter(node.op.kind for node in found.network)


def test_a_sequential_model_has_its_layers_names_and_no_permutes() -> None:
    found = same(jumbled(sequential()), 16)
    assert [(node.name, node.op.kind) for node in found.network] == [
        ("stem", "conv"),
        ("stem.relu", "activation"),
        ("norm", "batch_norm"),
        ("drop_maps.dropout", "dropout"),
        ("pool", "max_pool"),
        ("global_average_pooling2d", "adaptive_avg_pool"),
        ("drop.dropout", "dropout"),
        ("predictions.flatten", "flatten"),
        ("predictions", "linear"),
        ("predictions.softmax", "softmax"),
    ]
    assert found.network["stem"].op.padding == (0, 1, 0, 1)
    assert found.network["norm"].op.momentum == pytest.approx(0.01)
    assert found.notes == ()


def test_a_functional_model_of_many_layers() -> None:
    found = same(jumbled(functional()), 32)
    assert kinds(found)["permute"] == 1  # before Flatten, which goes over (H, W, C)
    assert {"group_norm", "layer_norm", "prelu", "stochastic_depth", "conv_transpose"} <= kinds(found).keys()


def test_a_model_with_a_call_of_its_own() -> None:
    found = same(jumbled(subclassed()), 12)
    assert {"conv.weight", "conv.bias", "head.fc.weight", "head.fc.bias"} == found.weights.keys()


def test_mobilenet_is_plain_convolutions() -> None:
    found = same(jumbled(mobilenet()), 96)
    assert kinds(found) == {
        "conv": 52, "batch_norm": 52, "activation": 35, "add": 10, "adaptive_avg_pool": 1, "flatten": 1, "linear": 1,
        "softmax": 1,
    }  # fmt: skip
    ours = convsmith.cost_of(convsmith.create("keras/MobileNetV2", classes=10, input=(3, 96, 96)))
    assert convsmith.cost_of(found.network).macs == ours.macs


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications_are_read_without_permutes(name: str) -> None:
    side = APPLICATIONS[name]
    model = getattr(keras.applications, name)(weights=None, classes=10, input_shape=(side, side, 3))
    found = same(jumbled(model), side)
    assert kinds(found)["permute"] <= (name == "VGG16")
    assert "reshape" not in kinds(found)
