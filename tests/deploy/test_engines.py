"""Every engine that is installed gives what ONNX Runtime gives: on every preprocessing, size of image and network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import convsmith
from convsmith.backend.onnx import Form, to_onnx
from convsmith.backend.preprocess import PreprocessModule
from convsmith.deploy.engines import ENGINES, EngineKind
from convsmith.errors import ModelFileError, UnknownNameError, UsageError
from convsmith.network import INPUT, Network, Node, Preprocess
from convsmith.network.ops import Pad
from convsmith.telemetry import SWITCHES

ROUNDING = 0.02
"""Of 255."""
FLOAT32 = [kind for kind in ENGINES if kind.judged]
OTHERS = [
    pytest.param(kind, id=kind.name, marks=pytest.mark.skipif(not kind.installed, reason=f"no {kind.module}"))
    for kind in FLOAT32[1:]
]
SIZES = [(1, 1), (1, 40), (33, 1), (7, 9), (20, 22), (24, 24), (37, 53), (200, 301)]
"""Smaller than the crop, of its size, larger, and long ones."""
LARGE = [(2000, 3000), (3000, 2000)]


def every_kind() -> Iterator[Preprocess]:
    for channels, orders in ((1, ("RGB",)), (3, ("RGB", "BGR"))):
        for order in orders:
            for resize in (24, 28, (20, 22), (25, 27)):
                for interpolation in ("nearest", "bilinear", "bicubic"):
                    crop = (20, 22) if resize != 24 else (24, 24)
                    mean, std = (0.4, 0.5, 0.6)[:channels], (1.0,) * channels
                    yield Preprocess(channels, crop, resize, mean, std, interpolation, order)  # type: ignore[arg-type]


PADDED = [
    Preprocess(channels, (24, 24), 24, (0.4,) * channels, (1.0,) * channels, interpolation, order, (0.1, 0.2, 0.3))  # type: ignore[arg-type]
    for channels, order in ((1, "RGB"), (3, "BGR"))
    for interpolation in ("nearest", "bilinear", "bicubic")
]
DESCRIPTIONS = [*every_kind(), *PADDED]


def words(preprocess: Preprocess) -> str:
    return (
        f"{preprocess.channels}-{preprocess.order}-{preprocess.resize}-{preprocess.interpolation}-{preprocess.framing}"
    )


def written(folder: Path, preprocess: Preprocess, form: Form | None = None) -> Path:
    """A file that does preprocessing and no more: its logits are the network's input."""
    nothing = Network("nothing", (preprocess.channels, *preprocess.crop), (Node("layer", Pad(), (INPUT,)),), "layer")
    path = folder / "preprocess.onnx"
    path.write_bytes(to_onnx(nothing, {}, preprocess, form=form).SerializeToString())
    return path


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def expected(preprocess: Preprocess, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(PreprocessModule(preprocess)(torch.from_numpy(image)))


def assert_alike(kind: EngineKind, path: Path, preprocess: Preprocess, sizes: list[tuple[int, int]]) -> None:
    engine = kind.open(path, 1)
    for size in sizes:
        image = noise(*size, 3)
        found = engine.run("logits", "image", image)
        np.testing.assert_allclose(
            255 * found, 255 * expected(preprocess, image), rtol=0, atol=ROUNDING, err_msg=f"{kind.name} at {size}"
        )


@pytest.mark.parametrize("preprocess", DESCRIPTIONS, ids=words)
@pytest.mark.parametrize("kind", OTHERS)
def test_preprocessing_is_alike_in_every_engine(kind: EngineKind, preprocess: Preprocess, tmp_path: Path) -> None:
    if not kind.one_size:
        assert_alike(kind, written(tmp_path, preprocess), preprocess, SIZES)
        return
    for size in SIZES[:-1]:
        assert_alike(kind, written(tmp_path, preprocess, Form(size=size)), preprocess, [size])


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", LARGE)
@pytest.mark.parametrize("kind", OTHERS)
def test_photographs_are_alike_in_every_engine(
    kind: EngineKind, size: tuple[int, int], interpolation: str, tmp_path: Path
) -> None:
    preprocess = Preprocess(3, (224, 224), 256, (0.0,) * 3, (1.0,) * 3, interpolation)  # type: ignore[arg-type]
    assert_alike(kind, written(tmp_path, preprocess, Form(size=size if kind.one_size else None)), preprocess, [size])


@pytest.mark.parametrize("kind", OTHERS)
def test_a_batch_is_alike_in_every_engine(kind: EngineKind, tmp_path: Path) -> None:
    preprocess = Preprocess(3, (20, 22), 26, (0.0,) * 3, (1.0,) * 3, "bicubic")
    form = Form(batch=True, size=(37, 53) if kind.one_size else None)
    images = noise(1 if kind.one_size else 3, 37, 53, 3)
    found = kind.open(written(tmp_path, preprocess, form), 1).run("logits", "image", images)
    singles = np.concatenate([expected(preprocess, image) for image in images])
    np.testing.assert_allclose(255 * found, 255 * singles, rtol=0, atol=ROUNDING)


NETWORKS = (
    ("alexnet", 3, 67), ("densenet40_k12", 3, 32), ("efficientnet_b0", 3, 64), ("googlenet", 3, 64),
    ("lenet5", 1, 28), ("mnasnet_a1", 3, 64), ("mobilenet_v2", 3, 64), ("nfnet_l0", 3, 64), ("resnet18", 3, 64),
    ("resnet20", 3, 32), ("resnet50_v2", 3, 64), ("se_resnet18", 3, 64), ("shufflenet_v2_x0_5", 3, 64),
    ("squeezenet1_1", 3, 64), ("vgg11_bn", 3, 32), ("wrn_16_4", 3, 32), ("xception", 3, 71),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "channels", "side"), NETWORKS)
@pytest.mark.parametrize("kind", OTHERS)
def test_probabilities_of_the_zoo_are_alike_in_every_engine(
    kind: EngineKind, name: str, channels: int, side: int, tmp_path: Path
) -> None:
    assert_network_alike(kind, name, channels, side, tmp_path)


@pytest.mark.parametrize(
    ("name", "channels", "side"), [("lenet5", 1, 28), ("resnet20", 3, 32), ("mobilenet_v2", 3, 64)]
)
@pytest.mark.parametrize("kind", OTHERS)
def test_probabilities_are_alike_in_every_engine(
    kind: EngineKind, name: str, channels: int, side: int, tmp_path: Path
) -> None:
    assert_network_alike(kind, name, channels, side, tmp_path)


def assert_network_alike(kind: EngineKind, name: str, channels: int, side: int, folder: Path) -> None:
    network = convsmith.create(name, classes=5, input=(channels, side, side)).inference
    weights = {key: tensor.numpy() for key, tensor in convsmith.build(network, 0).state_dict().items()}
    preprocess = Preprocess(channels, (side, side), side + 4, (0.5,) * channels, (0.25,) * channels)
    size = (37, 53)
    path = folder / "network.onnx"
    form = Form(size=size if kind.one_size else None)
    path.write_bytes(to_onnx(network, weights, preprocess, form=form).SerializeToString())
    image = noise(*size, 3)
    answers = [one.open(path, 1).run("probabilities", "image", image) for one in (ENGINES[0], kind)]
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=1e-4)


def test_an_unknown_engine_is_named() -> None:
    from convsmith.deploy.engines import engine_kind

    with pytest.raises(UnknownNameError, match="opencvv"):
        engine_kind("opencvv")


def test_an_engine_that_is_not_installed_says_how_to_install_it(tmp_path: Path) -> None:
    absent = EngineKind("mars", "Mars", "no_such_module", "mars", ENGINES[0].opener)
    with pytest.raises(UsageError, match=r"engines: mars is not installed: pip install 'convsmith\[mars\]'"):
        absent.open(tmp_path / "a.onnx", 1)


@pytest.mark.parametrize("kind", [pytest.param(ENGINES[0], id="onnxruntime"), *OTHERS])
def test_a_damaged_file_is_refused_in_one_line(kind: EngineKind, tmp_path: Path) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(ModelFileError, match=r"damaged\.onnx") as error:
        kind.open(path, 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", OTHERS)
def test_an_engine_leaves_nothing_in_the_users_home_and_calls_nobody(kind: EngineKind, tmp_path: Path) -> None:
    preprocess = Preprocess(3, (8, 8), 8, (0.0,) * 3, (1.0,) * 3)
    path = written(tmp_path, preprocess, Form(size=(9, 9)))
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys; sys.addaudithook(lambda event, _: event.startswith('socket.') and sys.exit(f'{event}'));"
        "import numpy as np; from pathlib import Path; from convsmith.deploy.engines import engine_kind;"
        f"engine = engine_kind({kind.name!r}).open(Path({str(path)!r}), 1);"
        "engine.run('logits', 'image', np.zeros((9, 9, 3), np.uint8))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES and "XDG" not in name}
    subprocess.run([sys.executable, "-c", code], env=environment | {"HOME": str(home)}, check=True)
    assert [file for file in home.rglob("*") if file.is_file()] == []
