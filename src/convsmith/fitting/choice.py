"""From a request and data to a run's plan: network, preprocessing, recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

from convsmith.backend.read import read
from convsmith.data.checks.framing import framing_for
from convsmith.data.dataset import Dataset
from convsmith.deploy.latency import latency_ms
from convsmith.design.choose import choose, within
from convsmith.design.preprocessing import own_side, preprocess_for, with_channels
from convsmith.errors import UsageError
from convsmith.fitting.asked import recipe_for, with_asked
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.rivals import best_way
from convsmith.model import Model
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.request import Request
from convsmith.resolve import file_of, is_code, kind_of, model_of, network_of
from convsmith.train.recipes.default import fine_tuned
from convsmith.train.recipes.named import DEFAULT, usual_epochs
from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.run.plan import RunPlan
from convsmith.train.tune.pace import seconds_an_image
from convsmith.transform.part import with_classes
from convsmith.transform.side import at_side


def choose_plan(request: Request, dataset: Dataset, told: Callable[[str], None] = lambda line: None) -> Chosen:
    """Decides on network, preprocessing and recipe, before anything is measured in training.

    Where no network is named, the data are looked at, networks are designed and compared; `told` hears of it.

    Raises LimitError naming a limit that cannot be met, UnknownNameError, UsageError for settings that contradict each
    other or the network; and as `convsmith.resolve` does for what is meant by a word.
    """
    images = len(dataset.split("train"))
    if isinstance(request.batch_size, int) and request.batch_size > images:
        told(f"batch {images:,}, which is all training images: {request.batch_size:,} were asked for")
        request = replace(request, batch_size=images)  # the learning rate is scaled by it
    if request.pretrained is not None:
        return _from_pretrained(request, dataset)
    if request.network is None:
        return best_way(request, dataset, told)
    if isinstance(request.network, nn.Module):
        return _own_module(request, dataset, request.network)
    given = _given(request, dataset)
    if isinstance(given, Model):
        return _carried_on(request, dataset, given)
    network, reason, preprocess = (
        _own_network(request, dataset, given) if isinstance(given, Network) else _from_zoo(request, dataset, given)
    )
    recipe = recipe_for(request, network, dataset, preprocess)
    if recipe.fine_tuning != FineTuning():
        raise UsageError(
            f"{recipe.name} trains some layers of a trained network further: give that as pretrained", settings="recipe"
        )
    return Chosen(RunPlan(network, reason, preprocess, with_asked(request, recipe, network)))


def _given(request: Request, dataset: Dataset) -> Network | Model | str:
    """What is meant by the network of a request: a value, or the name of a zoo network.

    The code of a module is read with an image of the size that the data suggest.
    """
    source = request.network
    if isinstance(source, Network | Model):
        return source
    if is_code(source):
        preprocess = preprocess_for(dataset, request.side, request.framing)
        return network_of(source, input=(preprocess.channels, *preprocess.crop))
    path = file_of(source)
    if path is None:
        return str(source)
    return model_of(source) if kind_of(path) in ("model", "checkpoint") else network_of(source)


def _from_zoo(request: Request, dataset: Dataset, name: str) -> tuple[Network, str, Preprocess]:
    preprocess = preprocess_for(dataset, request.side or own_side(name, dataset.size), request.framing)
    images = len(dataset.split("train"))
    choice = choose(
        *(len(dataset.classes), (preprocess.channels, *preprocess.crop), images, request.limits),
        *(latency_ms, seconds_an_image),
        epochs=request.epochs or usual_epochs(request.recipe or DEFAULT, images),
        model=name,
    )
    return choice.network, choice.reason, preprocess


def _own_network(request: Request, dataset: Dataset, network: Network) -> tuple[Network, str, Preprocess]:
    """A user's network with a classifier for these classes, and images as its input has them.

    Raises UsageError where its input is not one that the images can have.
    """
    channels, height, width = network.input
    if channels not in (1, 3):
        raise UsageError(f"{network.name} takes {channels} channels; images have 1 or 3", settings="network")
    # An input that is not square is there to take pictures of its proportions whole.
    framing = request.framing or (None if height == width else "squash")
    preprocess = with_channels(preprocess_for(dataset, height, framing), channels)
    if height != width:
        resize = max(height, width) if framing == "crop" else (height, width)
        preprocess = replace(preprocess, crop=(height, width), resize=resize)
    if network.classes != len(dataset.classes):
        network = with_classes(network, len(dataset.classes))
    return *_within(request, network, preprocess, f"{network.name}: as given"), preprocess


def _own_module(request: Request, dataset: Dataset, module: nn.Module) -> Chosen:
    """A user's module, read for images of the size that the data suggest, with the weights that it has."""
    own = preprocess_for(dataset, request.side, request.framing)
    network, weights = read(module, (own.channels, *own.crop))
    changed, reason, preprocess = _own_network(request, dataset, network)
    same = network.classes == len(dataset.classes)
    names = dataset.classes if same else tuple(str(number) for number in range(network.classes))
    recipe = recipe_for(request, changed, dataset, preprocess)
    start = Model(network, weights, names, preprocess)
    return Chosen(RunPlan(changed, reason, preprocess, with_asked(request, recipe, changed)), start)


def _carried_on(request: Request, dataset: Dataset, start: Model) -> Chosen:
    """A model of the same classes, at another side if asked."""
    if start.classes != dataset.classes:
        raise UsageError(
            f"{start.network.name} has different classes from {dataset.name}; give it as pretrained instead",
            settings="network",
        )
    network, preprocess = _at_asked_side(request, start)
    preprocess = preprocess.framed(request.framing or preprocess.framing)
    network, reason = _within(request, network, preprocess, f"{network.name}: trained further")
    recipe = recipe_for(request, network, dataset, preprocess)
    return Chosen(RunPlan(network, reason, preprocess, with_asked(request, recipe, network)), start)


def _from_pretrained(request: Request, dataset: Dataset) -> Chosen:
    """The pretrained network with a classifier for these classes; its preprocessing, at another size if asked, and
    in another framing if asked or if new classes show at the ends that it crops."""
    start = model_of(request.pretrained)
    network, preprocess = _at_asked_side(request, start)
    kept = preprocess.framing != "crop" or start.classes == dataset.classes
    preprocess = preprocess.framed(request.framing or (preprocess.framing if kept else framing_for(dataset).framing))
    network = with_classes(network, len(dataset.classes))
    network, reason = _within(request, network, preprocess, f"{network.name}: pretrained, from {_word(request)}")
    tuning = request.tuning(network)
    seed = request.seed or 0
    if request.recipe in (None, DEFAULT):
        recipe = fine_tuned(network, dataset, preprocess, tuning, epochs=request.epochs, seed=seed)
    else:
        recipe = recipe_for(request, network, dataset, preprocess)
        if recipe.fine_tuning == FineTuning():
            recipe = replace(recipe, learning_rate=recipe.learning_rate / 10, fine_tuning=tuning)
        else:
            _check_own_tuning(recipe, tuning, start.classes == dataset.classes)
    return Chosen(RunPlan(network, reason, preprocess, with_asked(request, recipe, network)), start)


def _word(request: Request) -> str:
    source = request.pretrained
    return str(source) if isinstance(source, str | Path) else "a model"


def _at_asked_side(request: Request, start: Model) -> tuple[Network, Preprocess]:
    network, preprocess = replace(start.network, storage=()), start.preprocess
    return (network, preprocess) if request.side is None else at_side(network, preprocess, request.side)


def _within(request: Request, network: Network, preprocess: Preprocess, reason: str) -> tuple[Network, str]:
    choice = within(network, request.limits, latency_ms, reason)
    return choice.network, choice.reason


def _check_own_tuning(recipe: Recipe, tuning: FineTuning, same_classes: bool) -> None:
    """Raises UsageError where a recipe that says what is trained cannot be followed."""
    if tuning != FineTuning():
        raise UsageError(
            f"the recipe {recipe.name} says what is trained: leave these out",
            settings=("freeze", "layer_decay", "unfreeze_every"),
        )
    if not same_classes:
        raise UsageError(f"the recipe {recipe.name} is for a model of these very classes: fine-tune it on them first")
