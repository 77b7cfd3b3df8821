"""Ways to a smaller file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from convsmith.compression.deep_compression import CONV_GAP_BITS, DENSE_GAP_BITS, deep_size
from convsmith.compression.on_grid import on_grid, storable
from convsmith.compression.pruning.gradual import prune_gradually
from convsmith.compression.pruning.magnitude import Pruning, masks_of, prune
from convsmith.compression.rate_distortion import TOLERANCE, measure, quantize_to
from convsmith.compression.sharing import Sharing, share, tuned, with_codebooks
from convsmith.compression.slimming.slim import Slimming, slim
from convsmith.errors import LimitError, UsageError
from convsmith.model import Model, fuse_norm
from convsmith.model.codecs import integers_of
from convsmith.model.file import size_in_bytes
from convsmith.model.rounding import integer_weights, nearest_to_largest, round_weights
from convsmith.shrinking.task import Task, UnreachableError
from convsmith.shrinking.work import Place, Step

LEFT = 0.6
"""Of the weights that are not zero if the model is quantized to the limit at once, the share that is left: fewer, which
training makes up for, and in finer steps."""
LEAST_LEFT = 0.001
"""The share of all weights that is left at least."""
ABOUT = 0.08
"""The share of a size that may be left where it is only to know how many weights that are worth their bits."""
PRUNE_EPOCHS = 2 / 3
"""The share of the epochs in which weights are pruned; in the others those that are left are tuned."""
PRUNE_LR, TUNE_LR, SLIM_LR = 1.0, 0.2, 0.3
"""Shares of the recipe's learning rate: while weights are pruned, on their grid, after channels are gone."""
ROOM = 0.985
"""The share of the limit that is quantized to: integers change while they are tuned, and take a little more."""
SLIM_KEEP = 0.5
"""Parameters that are left where slimming comes first."""
SHARED_BITS = (8, 7, 6, 5, 4, 3, 2, 1)
CONV_BITS, DENSE_BITS = 8, 5
"""Deep Compression's of AlexNet, VGG-16 and LeNet-5 (arXiv 1510.00149, section 5)."""
BISECTIONS = 10
MOST_SPARSE = 0.999


def quantize(task: Task) -> tuple[Step, ...]:
    """Rate-distortion quantization to the limit, without any training."""
    return (_quantized(task, "quantize", task.start, task.limit),)


def prune_and_quantize(task: Task) -> tuple[Step, ...]:
    """Most weights at zero, during a training; the others as in `quantize`, and tuned."""
    return _pruned_and_quantized(task, task.start)


def slim_and_quantize(task: Task) -> tuple[Step, ...]:
    """Half of the parameters go as whole channels first."""

    def make(place: Place) -> Model:
        slimmed = slim(task.start, Slimming(SLIM_KEEP, "params")).model
        return place.retrained(slimmed, task.epochs_of(0.25), SLIM_LR)

    try:
        first = task.step("slim", f"whole channels removed, {SLIM_KEEP:.0%} of the parameters left, trained", make)
    except LimitError as error:
        raise UnreachableError(error.message) from None
    return (first, *_pruned_and_quantized(task, first.model, after="slim-"))


def _pruned_and_quantized(task: Task, model: Model, after: str = "") -> tuple[Step, ...]:
    """As many weights are left as are worth their bits in a file of the limit; they are quantized to it, and tuned."""
    sparsity = 1 - max(LEAST_LEFT, LEFT * _share_left(_to_bytes(task, model, task.limit, ABOUT)))

    pruned = _pruned(task, f"{after}prune", model, sparsity, task.epochs_of(PRUNE_EPOCHS))
    small = _quantized(task, f"{after}quantize" if after else "quantize-pruned", pruned.model, ROOM * task.limit)

    def tune(place: Place) -> Model:
        keeping = on_grid(small.model)
        epochs = task.epochs_of(1 - PRUNE_EPOCHS)
        return storable(
            place.retrained(small.model, epochs, TUNE_LR, after_update=keeping, observers=(keeping.observe,))
        )

    fine = task.step(f"{after}tune", "weights moved along their steps by training", tune)
    if task.fits(fine.figures) and fine.figures.val.value >= small.figures.val.value:
        return pruned, small, fine
    return pruned, small


def _share_left(model: Model) -> float:
    masks = masks_of(model).values()
    return sum(int(mask.sum()) for mask in masks) / max(1, sum(mask.numel() for mask in masks))


def _pruned(task: Task, name: str, model: Model, sparsity: float, epochs: int) -> Step:
    """The smallest weights put to zero, ever more of them, during one training."""

    def make(place: Place) -> Model:
        recipe = place.recipe(model, epochs, PRUNE_LR)
        with place.watched() as watching:
            return prune_gradually(
                model, task.work.dataset, recipe, Pruning(sparsity), folder=place.folder, observers=watching
            ).model

    return task.step(name, f"{sparsity:.1%} of the weights at zero, the smallest, during training", make)


def _quantized(task: Task, name: str, model: Model, size: float) -> Step:
    what = "each weight at the multiple of its layer's step that is worth its bits, coded"
    return task.step(name, what, lambda place: _to_bytes(task, model, size))


def _to_bytes(task: Task, model: Model, size: float, tolerance: float = TOLERANCE) -> Model:
    try:
        return quantize_to(measure(model, task.work.sample(model)), int(size), tolerance=tolerance).model
    except UsageError as error:
        raise UnreachableError(error.message) from None


def prune_only(task: Task) -> tuple[Step, ...]:
    """Magnitude pruning during one training, then 8-bit weights, coded."""
    return _pruned_to_fit(task, "eight-bits", "weights in 8 bits, coded", eight_bits, task.epochs)


def share_only(task: Task) -> tuple[Step, ...]:
    """As many values a layer as fit, by k-means, and tuned."""
    fused = fuse_norm(task.start.inference)
    for bits in SHARED_BITS:
        found = share(fused, Sharing(bits)).model
        if size_in_bytes(found) <= task.limit:
            break
    else:
        raise UnreachableError(f"with 2 values a layer the file has {size_in_bytes(found):,} bytes")
    first = task.step("share", f"each layer's weights at {2**bits} values, by k-means, coded", lambda place: found)
    return (first, *_values_tuned(task, first, task.epochs_of(1.0)))


def deep(task: Task) -> tuple[Step, ...]:
    """Deep Compression: pruned, shared, the values tuned; in our coded file."""
    steps = _pruned_to_fit(
        task, "share", "the weights left at few values a layer, by k-means, coded", shared, task.epochs_of(0.6)
    )
    return (*steps, *_values_tuned(task, steps[-1], task.epochs_of(0.4)))


def _pruned_to_fit(task: Task, name: str, what: str, finish: Callable[[Model], Model], epochs: int) -> tuple[Step, ...]:
    """Pruned by magnitude in one training, to the sparsity at which the model fits once it is finished."""
    sparsity = _sparsity(task, task.start, finish, 0.0)
    first = _pruned(task, "prune", task.start, sparsity, epochs)

    def finished(place: Place) -> Model:
        return finish(prune(first.model, Pruning(_sparsity(task, first.model, finish, sparsity))).model)

    return first, task.step(name, what, finished)


def _sparsity(task: Task, model: Model, finish: Callable[[Model], Model], least: float) -> float:
    """The least sparsity, from `least`, at which the finished model fits."""

    def size(sparsity: float) -> int:
        return size_in_bytes(finish(prune(model, Pruning(sparsity)).model))

    if size(least) <= task.limit:
        return least
    smallest = size(MOST_SPARSE)
    if smallest > task.limit:
        raise UnreachableError(f"with {MOST_SPARSE:.1%} of the weights at zero the file has {smallest:,} bytes")
    low, high = least, MOST_SPARSE
    for _ in range(BISECTIONS):
        # Files shrink as the weights that are left do, so shares of these are halved.
        middle = 1 - ((1 - low) * (1 - high)) ** 0.5
        low, high = (middle, high) if size(middle) > task.limit else (low, middle)
    return high


def eight_bits(model: Model) -> Model:
    """The model with its norms folded away and its weights in 8 bits, the file coded."""
    fused = fuse_norm(model.inference)
    rounded = round_weights(fused, integer_weights(fused.network), nearest_to_largest)
    return replace(rounded, packing="coded", metrics={})


def shared(model: Model) -> Model:
    """The model with its norms folded away and its weights shared in the bits of the paper."""
    fused = fuse_norm(model.inference)
    bits = {key.rpartition(".")[0]: CONV_BITS if fused.weights[key].ndim > 2 else DENSE_BITS for key in masks_of(fused)}
    return share(fused, Sharing(DENSE_BITS, layer_bits=bits)).model


def _values_tuned(task: Task, before: Step, epochs: int) -> tuple[Step, ...]:
    """The step in which shared values are trained; none if that loses accuracy."""

    def make(place: Place) -> Model:
        keys = tuple(key for key, grid in before.model.grids.items() if "codebook" in grid)
        trained = place.retrained(before.model, epochs, TUNE_LR, after_update=tuned(before.model, "mean"))
        return with_codebooks(trained, keys)

    fine = task.step("tune", "the shared values moved by training", make)
    good = task.fits(fine.figures) and fine.figures.val.value >= before.figures.val.value
    return (fine,) if good else ()


def bytes_as_in_the_paper(model: Model) -> int:
    """What a pruned and shared model takes as Deep Compression counts: indices and values Huffman coded, codebooks,
    tables, and all other parameters in 32 bits; no description of the network."""
    total = 0
    for key, weight in model.weights.items():
        codes = integers_of(model.network.storage_of(key), weight, model.grids.get(key, {}))
        if codes is None:
            total += 4 * weight.numel()
            continue
        if weight.count_nonzero() == weight.numel():
            codes = codes - codes.min() + 1  # 0 would stand for a weight that is pruned
        total += deep_size(codes.numpy(), CONV_GAP_BITS if weight.ndim > 2 else DENSE_GAP_BITS).bytes
    return total
