"""convsmith: from a folder of images and a budget to a convolutional network that is designed, costed, trained,
measured, compressed, exported and verified.

    model = convsmith.load_model("model.safetensors")
    print(convsmith.evaluate(model, "photos/"))
    print(convsmith.predict(model, ["photo.jpg"]))
    convsmith.export(model, "model.onnx", "photos/")

Importing this package imports neither torch nor NumPy: whatever needs them is imported when it is first used.

A verb here is a function, in whatever order modules are imported: no submodule of `convsmith` may have the name of one
(importing `convsmith.evaluate` would put the module in the function's place), so packages are called by nouns.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convsmith.cost import Cost, cost_of
from convsmith.errors import ConvsmithError
from convsmith.network import Network, Node, Preprocess
from convsmith.zoo import create, models

if TYPE_CHECKING:
    from convsmith.backend.read import read
    from convsmith.backend.torch import build
    from convsmith.data.dataset import Dataset
    from convsmith.data.open import open_dataset
    from convsmith.deploy.agreement import verify
    from convsmith.deploy.export import export
    from convsmith.deploy.predict import predict
    from convsmith.design.lint import lint
    from convsmith.design.preprocessing import preprocess_for
    from convsmith.evaluation.evaluate import evaluate
    from convsmith.evaluation.features import features
    from convsmith.explain.gradients import gradients
    from convsmith.fitting.designing import design_for
    from convsmith.fitting.fit import fit
    from convsmith.model import Model, load_model, save_model
    from convsmith.model.size_book import size_of
    from convsmith.picture.drawing import svg
    from convsmith.request import Request
    from convsmith.scaling.scale import scale
    from convsmith.searching.search import search
    from convsmith.shrinking.compress import compress
    from convsmith.train import Recipe, Training, default_recipe

__version__ = "0.1.0"

LAZY = {
    "Dataset": "convsmith.data.dataset",
    "Model": "convsmith.model",
    "Recipe": "convsmith.train",
    "Request": "convsmith.request",
    "Training": "convsmith.train",
    "build": "convsmith.backend.torch",
    "compress": "convsmith.shrinking.compress",
    "default_recipe": "convsmith.train",
    "design_for": "convsmith.fitting.designing",
    "evaluate": "convsmith.evaluation.evaluate",
    "export": "convsmith.deploy.export",
    "features": "convsmith.evaluation.features",
    "fit": "convsmith.fitting.fit",
    "inspect": "convsmith.doctor.inspection",
    "gradients": "convsmith.explain.gradients",
    "lint": "convsmith.design.lint",
    "load_model": "convsmith.model",
    "open_dataset": "convsmith.data.open",
    "predict": "convsmith.deploy.predict",
    "preprocess_for": "convsmith.design.preprocessing",
    "read": "convsmith.backend.read",
    "save_model": "convsmith.model",
    "scale": "convsmith.scaling.scale",
    "search": "convsmith.searching.search",
    "size_of": "convsmith.model.size_book",
    "svg": "convsmith.picture.drawing",
    "verify": "convsmith.deploy.agreement",
}
"""Public name -> the module that has it, which is imported when the name is first used."""

__all__ = [
    "ConvsmithError",
    "Cost",
    "Dataset",
    "Model",
    "Network",
    "Node",
    "Preprocess",
    "Recipe",
    "Request",
    "Training",
    "build",
    "compress",
    "cost_of",
    "create",
    "default_recipe",
    "design_for",
    "evaluate",
    "export",
    "features",
    "fit",
    "gradients",
    "inspect",
    "lint",
    "load_model",
    "models",
    "open_dataset",
    "predict",
    "preprocess_for",
    "read",
    "save_model",
    "scale",
    "search",
    "size_of",
    "svg",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
