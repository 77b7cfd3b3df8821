"""Reading an `nn.Module`: run once, captured, followed, compared."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy

from convsmith.backend.read.axes import Axes
from convsmith.backend.read.draft import Draft, Read, Value
from convsmith.backend.read.laid import Laid, Layouts, Spot
from convsmith.backend.read.module import outputs, places
from convsmith.backend.read.module.capture import BATCH, Capture, capture, quiet
from convsmith.backend.read.module.heads import heads_of, training_outputs
from convsmith.backend.read.module.image import channels_last
from convsmith.backend.read.module.outputs import Output
from convsmith.backend.read.module.verify import AUTOCAST_TOLERANCE, TOLERANCE, verify
from convsmith.backend.read.module.walk import Walk
from convsmith.errors import ReadError
from convsmith.network.dims import Shape, text
from convsmith.network.network import Auxiliary

IMAGES = 2
"""Images that the module and the network are compared on."""
AUXILIARY_WEIGHT = 0.3
"""What an auxiliary head's loss counts, which no module says (GoogLeNet's paper)."""


def read_module(module: nn.Module, example_shape: Shape, name: str | None = None) -> Read:
    """The network that a module computes in evaluation mode, and its weights by the module's own names.

    `example_shape` is one image as the module takes it, without the batch: (C, H, W), or (H, W, C) for modules that
    hold channels last, whose network takes (C, H, W) all the same. The network is built and compared with the module
    on random images.

    Raises ReadError, naming the line of the module's code, for what has no counterpart in a network.
    """
    module = unwrapped(module)
    _check(module, example_shape)
    with _evaluated(module) as still:
        images = torch.rand(IMAGES, *example_shape, generator=torch.Generator().manual_seed(0))
        images[1] = 2 * images[1] - 1
        found = _run(still, images)
        main = outputs.main_of(found)
        _check_answer(found[main].tensor)
        heads = heads_of(still, images, found[main].tensor) if len(found) == 1 else None
        if heads is None:
            captured = capture(still, torch.zeros(BATCH, *example_shape))
        else:
            found, main = list(heads.found), heads.main
            with training_outputs(still):
                captured = capture(still, torch.zeros(BATCH, *example_shape))
        return _read(still, captured, found, main, images, heads is not None, name)


def _read(
    module: nn.Module,
    captured: Capture,
    found: Sequence[Output],
    main: int,
    images: Tensor,
    has_heads: bool,
    name: str | None,
) -> Read:
    last = channels_last(captured)
    shape = tuple(images.shape[1:])
    paths = {path for path, _ in module.named_modules() if path}
    draft = Draft(name or type(module).__name__, _planes(shape) if last else shape, paths)
    layouts = Layouts(draft, BATCH)
    walk = Walk(module, captured, layouts)
    symbols = walk.run(_image(layouts, last))
    answer = _answer(found[main], symbols[main], layouts)
    others = [i for i in range(len(found)) if i != main]
    auxiliary = []
    for i in others:
        if has_heads:
            head = _answer(found[i], symbols[i], layouts)
            auxiliary.append(Auxiliary(head.name, AUXILIARY_WEIGHT))
            draft.note(f"auxiliary head {head.name}: its loss counts {AUXILIARY_WEIGHT}, which the module does not say")
        else:
            draft.note(f"left out: the output {found[i].name} beside {found[main].name or 'the first'}")
    read = draft.finish(answer, auxiliary)
    expected = [found[main].tensor, *(found[i].tensor for i in others if has_heads)]
    tolerance = AUTOCAST_TOLERANCE if walk.is_autocast else TOLERANCE
    verify(read, images.movedim(-1, 1) if last else images, expected, tolerance)
    return read


def unwrapped(module: nn.Module) -> nn.Module:
    """The module that a wrapper of torch's runs, whose names are the user's."""
    while isinstance(module, (nn.DataParallel, DistributedDataParallel)):
        module = module.module
    original = getattr(module, "_orig_mod", None)  # torch.compile's
    return unwrapped(original) if isinstance(original, nn.Module) else module


def _check(module: nn.Module, example_shape: Shape) -> None:
    name = type(module).__name__
    if len(example_shape) != 3 or not all(isinstance(side, int) and side > 0 for side in example_shape):
        hint = "leave out the batch" if len(example_shape) == 4 else "for example (3, 224, 224)"
        raise ReadError(
            f"example_shape must be one image (channels, height, width), not {tuple(example_shape)}", advice=hint
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise ReadError(f"{name} is a TorchScript module", advice="give the module that it was made from")
    if type(module).forward is nn.Module.forward and "forward" not in vars(module):
        raise ReadError(f"{name} has no forward()", advice="write what it computes as forward(self, x)")
    tensors = [*module.parameters(), *module.buffers()]
    if any(map(is_lazy, tensors)):
        raise ReadError(f"{name} has lazy layers that have no weights yet", advice="call it once on images")
    if any(tensor.is_meta for tensor in tensors):
        raise ReadError(f"{name} is on the meta device: it has no weights", advice="call to_empty, then load them")


@contextmanager
def _evaluated(module: nn.Module) -> Iterator[nn.Module]:
    """The module in evaluation mode, float32, on the CPU: itself if it can be so, left as it was; or a copy."""
    tensors = [*module.parameters(), *module.buffers()]
    if any(t.device.type != "cpu" or (t.is_floating_point() and t.dtype != torch.float32) for t in tensors):
        module = _copied(module)
    modes = [(layer, layer.training) for layer in module.modules()]
    with suppress(NotImplementedError):  # what export made has the mode that it was made in
        module.eval()
    try:
        yield module
    finally:
        with suppress(NotImplementedError):
            module.train(modes[0][1])
        for layer, training in modes:
            layer.training = training


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module).to("cpu", torch.float32)
    except Exception as error:  # modules may copy themselves, in their own code
        raise ReadError(
            f"{type(module).__name__} cannot be copied to float32 on the CPU: {' '.join(str(error).split())}",
            advice="call .float().cpu() on it first",
        ) from error


def _run(module: nn.Module, example: Tensor) -> list[Output]:
    """What the module returns for the example, in its own code: the first to say what is wrong with it."""
    name, sides = type(module).__name__, text(tuple(example.shape[1:]))
    try:
        with torch.no_grad(), quiet():
            found = outputs.outputs_of(module(example.clone()))
    except Exception as error:  # the user's own code, which may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ReadError(
            f"{name} cannot take images {sides}: {reason}", place=places.of_error(error), advice=_wants(module)
        ) from error
    if not found:
        raise ReadError(f"{name} returns no tensor", advice="return the class scores (N, classes)")
    return found


def _check_answer(answer: Tensor) -> None:
    if not answer.is_floating_point():
        raise ReadError(f"the output is {answer.dtype}, not class scores", advice="return the scores themselves")
    if not answer.ndim or answer.shape[0] != IMAGES or answer.ndim not in (2, 4):
        raise ReadError(
            f"the output is {list(answer.shape)} for {IMAGES} images: not class scores (N, classes), nor a map of them "
            "(N, classes, H, W)",
            advice="return one score for each class",
        )


def _wants(module: nn.Module) -> str:
    """What the first layer says about the image."""
    for path, layer in module.named_modules():
        path = path or "it"
        if isinstance(layer, nn.Embedding):
            return f"{path} takes integers: this is no network for images"
        if isinstance(layer, (nn.Conv2d, nn.Conv1d, nn.Conv3d)):
            return f"its first convolution, {path}, takes {layer.in_channels} channels"
        if isinstance(layer, nn.Linear):
            return f"its first layer, {path}, takes {layer.in_features} features"
    return ""


def _image(layouts: Layouts, last: bool) -> Laid:
    """The network's input (C, H, W) as the module takes it."""
    image = layouts.lay(layouts.draft.input)
    return Laid(image.value, image.axes.permuted([0, 2, 3, 1])) if last else image


def _planes(shape: Shape) -> Shape:
    """(C, H, W) of (H, W, C)."""
    return (shape[2], shape[0], shape[1])


def _answer(output: Output, symbol: object, layouts: Layouts) -> Value:
    """The value of the class scores."""
    if not isinstance(symbol, Laid):
        raise ReadError("the output does not depend on the image")
    shape = tuple(output.tensor.shape)
    spot = Spot(layouts.draft, "", "")
    if len(shape) == 4 and shape[2:] == (1, 1):
        layouts.draft.note(f"the output {list(shape[1:])} is read as a vector")
        symbol = Laid(symbol.value, Axes(symbol.axes.dims[:2]))
    return layouts.settle(symbol, spot)
