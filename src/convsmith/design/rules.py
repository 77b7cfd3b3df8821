"""The design rules: from evidence to what every candidate has in common, each choice with its reasons.

Each rule is a function of the evidence that returns its value and a `Decision`. What was not measured leaves the
default, and the decision says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import SMALL_SIDE
from convsmith.design.decision import Decision
from convsmith.design.evidence.gather import GREY_GAIN, keeps_colour
from convsmith.design.evidence.values import Evidence, Scale, percent, points
from convsmith.design.network import Normalization, Padding, Pooling
from convsmith.network.ops.pointwise import Function
from convsmith.train.recipes.default import CROP_AREA

UNMEASURED = "not measured: there was no time for it"

LARGEST_SIDE, MIDDLE_SIDE, SMALLER_SIDE = 128, 96, 64
"""Pixels to which larger images are brought, by how much of their detail tells the classes apart."""

LAST_MAP = 7
"""Pixels of the last map, at least: stages are added as long as it has more than twice as many (He et al. 2015,
table 1, ends at 7; section 4.2 at 8)."""

STRIDE_SIDE = 64
"""Pixels of the first map, at most."""

GLOBAL_REACH, MIDDLE_REACH = 0.5, 0.25
"""Shares of the side: what tells the classes apart is a global pattern above the first, local below the second."""

BLURRED, VERY_BLURRED = 0.25, 0.125
"""Shares of the resolution at which next to nothing is lost where a blurred pattern tells the classes apart."""

HARD = 2
"""The level of a hard task (`level_for`)."""

EASY, MEDIUM = 0.01, 0.06
"""A probe's error with all data, below which few convolutions do."""

POSITION_GAIN = 0.05
"""The accuracy that knowing the place must surely add, for a shallow network to keep it."""

FILTERS = (8, 16, 24, 32)
"""Of the first stage, by how many of a probe's filters pay."""

PLENTY, ENOUGH, FEW = 500, 100, 20
"""Training images a class, below which dropout and transfer come in."""

MOST_FALLING = 0.25
"""The exponent of the learning curve above which data, not the network, limits accuracy."""

FEWEST_NORMED = 32
"""Training images below which a batch is too small for its mean and deviation to stand for the data."""


@dataclass(frozen=True)
class Scheme:
    """What the evidence decides for every candidate. `side` is None where images keep their own size."""

    side: int | None
    channels: int
    stem_kernel: int
    kernel: int
    pooling: Pooling
    stem_padding: Padding
    level: int
    filters: int
    normalization: Normalization
    activation: Function
    position: bool
    dropout: float
    augment: Augment
    transfer: bool
    decisions: tuple[Decision, ...]


def scheme_of(evidence: Evidence, *, side: int | None = None, tight: bool = False) -> Scheme:
    """What the evidence decides. `side` is the input's if it was asked for; `tight` says that parameters, multiply-adds
    or bytes are limited."""
    size, size_why = input_size(evidence, side)
    channels, channels_why = channels_for(evidence)
    stem, kernel, kernel_why = kernels_for(evidence)
    pooling, pooling_why = pooling_for(evidence)
    padding, padding_why = padding_for(evidence, stem)
    level, level_why = level_for(evidence)
    filters, filters_why = filters_for(evidence)
    normalization, normalization_why = normalization_for(evidence)
    function, function_why = activation_for(tight)
    position, position_why = position_for(evidence)
    dropout, dropout_why = dropout_for(evidence)
    augment, augment_why = augment_for(evidence)
    transfer, transfer_why = transfer_for(evidence)
    why = (size_why, channels_why, level_why, filters_why, kernel_why, padding_why, pooling_why, function_why)
    more = (normalization_why, position_why, dropout_why, augment_why, transfer_why)
    return Scheme(
        *(size, channels, stem, kernel, pooling, padding, level, filters, normalization, function),
        *(position, dropout, augment, transfer, (*why, *more)),
    )


def input_size(evidence: Evidence, asked: int | None) -> tuple[int | None, Decision]:
    """The side of the input in pixels; None: the images keep their size."""
    rule = "small images keep their size; larger ones have no more pixels than tell the classes apart"
    source = "EfficientNet (Tan and Le 2019, arXiv 1905.11946): resolution costs multiply-adds by its square"
    short = min(evidence.basics.size)
    if asked is not None:
        return asked, Decision("input size", f"{asked} pixels", "as asked", "", "", "asking for another side")
    if short <= SMALL_SIDE:
        said = f"the images have {evidence.basics.size[0]}x{evidence.basics.size[1]} pixels"
        return None, Decision("input size", "as it is", rule, said, source, f"images of more than {SMALL_SIDE} pixels")
    side, said = LARGEST_SIDE, UNMEASURED
    if evidence.scale is not None:
        detail = evidence.scale.detail
        side = LARGEST_SIDE if detail == 1 else MIDDLE_SIDE if detail > BLURRED else SMALLER_SIDE
        said = f"{_blur(evidence.scale)}"
    side = max(32, min(side, short // 32 * 32))
    changes = "detail that is lost by less blurring asks for more pixels, one that survives more for fewer"
    return side, Decision("input size", f"{side} pixels", rule, said, source, changes)


def channels_for(evidence: Evidence) -> tuple[int, Decision]:
    """1 or 3."""
    rule = f"3, or 1 where colour surely adds less than {GREY_GAIN:.0%} to a probe's accuracy"
    source = "paired comparison on the same images; grey saves two thirds of the first layer"
    channels = 3 if keeps_colour(evidence) else 1
    if evidence.basics.channels == 1:
        said = "every image is grey"
    elif evidence.colour is None:
        said = UNMEASURED
    else:
        colour = evidence.colour
        said = f"in colour {percent(colour.colour)}, in grey {percent(colour.grey)}: {points(colour.gain)}"
    changes = "images in colour, where colour adds accuracy" if channels == 1 else "no gain from colour in a probe"
    return channels, Decision("channels", str(channels), rule, said, source, changes)


def kernels_for(evidence: Evidence) -> tuple[int, int, Decision]:
    """The stem's kernel and that of all other convolutions: odd, small first, larger for global patterns."""
    stem, kernel, said = 3, 3, UNMEASURED
    if evidence.scale is not None:
        reach = evidence.scale.reach
        stem = 7 if reach > GLOBAL_REACH else 5 if reach > MIDDLE_REACH else 3
        kernel = 5 if reach > GLOBAL_REACH and evidence.scale.detail <= BLURRED else 3
        levels = ", ".join(f"{level.accuracy.value:.0%} from {level.pixels:g}" for level in evidence.scale.patch)
        said = (
            f"patches of {reach:.0%} of the side say as much as larger ones: {levels} of {evidence.scale.side} pixels"
        )
    return stem, kernel, Decision(
        "kernels",
        f"{stem}x{stem} first, then {kernel}x{kernel}",
        f"odd; 3x3 for local detail, 5x5 where patches of over {MIDDLE_REACH:.0%} of the side tell more, 7x7 (and 5x5 "
        f"throughout, if blurring costs nothing) over {GLOBAL_REACH:.0%}",
        said,
        "VGG (Simonyan and Zisserman 2014, 2.3); patches alone: BagNets (Brendel and Bethge 2019, arXiv 1904.00760)",
        "larger patches that tell more ask for larger kernels, smaller ones that tell as much for smaller",
    )  # fmt: skip


def pooling_for(evidence: Evidence) -> tuple[Pooling, Decision]:
    """Max, or the mean where blurring loses nothing."""
    scale = evidence.scale
    pooling: Pooling = "mean" if scale is not None and scale.detail <= VERY_BLURRED else "max"
    return pooling, Decision(
        "pooling",
        f"{pooling}, 2x2 with stride 2",
        f"max; the mean where {VERY_BLURRED:.0%} of the resolution is enough: the strongest answer is then noise",
        UNMEASURED if scale is None else _blur(scale),
        "Boureau, Ponce and LeCun 2010, A theoretical analysis of feature pooling",
        "detail that blurring destroys asks for max pooling" if pooling == "mean" else "no loss from strong blurring",
    )


def padding_for(evidence: Evidence, stem_kernel: int) -> tuple[Padding, Decision]:
    """Zeros, or none for the stem where the margin is empty."""
    border = 0 if evidence.scale is None else evidence.scale.border
    need = stem_kernel // 2
    padding: Padding = "none" if border >= need else "zeros"
    return padding, Decision(
        "stride and padding",
        "stride 1, zeros that keep the size" + ("; none in the first layer" if padding == "none" else ""),
        f"zeros keep borders and size; none in the first layer where {need} pixels at the border never change",
        UNMEASURED if evidence.scale is None else f"the margin that never changes is {border} pixels wide",
        "rule of thumb: zero padding keeps borders and size; stride 1 by default",
        f"a margin of {need} pixels or more that never changes"
        if padding == "zeros"
        else "images that fill the margin",
    )


def level_for(evidence: Evidence) -> tuple[int, Decision]:
    """How deep: 0 few convolutions, 1 some, 2 more."""
    error, said = None, UNMEASURED
    if evidence.learning is not None:
        error = evidence.learning.error.value
        said = (
            f"a probe's learning curve comes to {percent(evidence.learning.error)} error with all images; "
            f"{evidence.basics.classes} classes"
        )
    if evidence.complexity is not None:
        said += f"; {percent(evidence.complexity.confusion)} of nearest neighbours are of another class"
        error = evidence.complexity.confusion.value / 2 if error is None else error
    level = 2 if error is None or error >= MEDIUM else 1 if error >= EASY else 0
    return level, Decision(
        "convolutions",
        ("one a stage", "one a stage, three in the last", "three a stage")[level],
        f"by difficulty: a probe's error below {EASY:.0%}, below {MEDIUM:.0%}, or above",
        said,
        "rule of thumb: two or three convolutions suffice for an easy task, more for classes that are alike",
        ("a harder task" if level == 0 else "an easier task" if level == 2 else "an easier or a harder task")
        + " by a probe's error",
    )


def filters_for(evidence: Evidence) -> tuple[int, Decision]:
    """Of the first stage of the balanced candidate; they double with each stage."""
    number, said = 2, UNMEASURED
    if evidence.learning is not None:
        curve = evidence.learning.filters
        best = min(curve, key=lambda point: point.error.value)
        number = next(at for at, point in enumerate(curve) if point.error.low <= best.error.value)
        said = ", ".join(f"{point.error.value:.1%} error with {point.count}" for point in curve)
    return FILTERS[number], Decision(
        "filters",
        f"{FILTERS[number]} in the first stage, twice as many in each further one",
        "grow with depth; at first as many as pay in a probe: the fewest that are not surely worse than the best",
        said,
        "filters grow with depth as in VGG and ResNet; Coates, Lee and Ng 2011, fig. 1, on their number",
        "a probe that gains by more filters, or none by fewer",
    )


def normalization_for(evidence: Evidence) -> tuple[Normalization, Decision]:
    images = evidence.basics.images
    kind: Normalization = "batch" if images >= FEWEST_NORMED else "none"
    return kind, Decision(
        "normalization",
        f"{kind} norm" if kind == "batch" else "none",
        f"batch norm after each convolution, from {FEWEST_NORMED} training images on",
        f"{images:,} training images",
        "Ioffe and Szegedy 2015, arXiv 1502.03167",
        "fewer images" if kind == "batch" else "more images",
    )


def activation_for(tight: bool) -> tuple[Function, Decision]:
    function: Function = "silu" if tight else "relu"
    return function, Decision(
        "activation",
        "SiLU" if tight else "ReLU",
        "ReLU; SiLU where parameters, multiply-adds or bytes are limited, of which it takes none",
        "parameters, multiply-adds or bytes are limited" if tight else "only time is limited",
        "Ramachandran, Zoph and Le 2017, arXiv 1710.05941 (swish)",
        "no such limit" if tight else "a limit on parameters, multiply-adds or bytes",
    )


def position_for(evidence: Evidence) -> tuple[bool, Decision]:
    """Whether the place of things must reach the classifier of a network that is too shallow to see them whole."""
    location = None if evidence.scale is None else evidence.scale.location
    kept = location is not None and location.low > POSITION_GAIN
    return kept, Decision(
        "dense layers",
        "one hidden layer on a 2x2 grid in the shallowest candidate, else none" if kept else "none",
        "the mean over positions goes to the classifier; where the place of a patch tells much and the network does "
        "not see the whole image, a hidden layer of 2/3 of inputs and outputs",
        UNMEASURED if location is None else f"knowing the place of a patch adds {points(location)}",
        "Lin, Chen and Yan 2013, arXiv 1312.4400 (global average pooling); Heaton 2008, chapter 5, on the hidden width",
        "patches that say as much without their place" if kept else "patches that say more with their place",
    )


def dropout_for(evidence: Evidence) -> tuple[float, Decision]:
    each = evidence.basics.images_a_class
    slope = None if evidence.learning is None else evidence.learning.slope.value
    starved = slope is None or slope > MOST_FALLING
    rate = 0.0 if each >= PLENTY or not starved else 0.1 if each >= ENOUGH else 0.3
    curve = UNMEASURED if slope is None else f"a probe's error falls with images to the power of -{slope:.2f}"
    return rate, Decision(
        "dropout",
        f"{rate:g} before the classifier" if rate else "none",
        f"where error falls faster than images^-{MOST_FALLING}: 0.3 below {ENOUGH} images a class, 0.1 below {PLENTY}",
        f"{each:,.0f} training images a class; {curve}",
        "Srivastava et al. 2014; the curve: Hestness et al. 2017, arXiv 1712.00409",
        "fewer images a class, or a curve that falls faster" if not rate else "more images, or a flatter curve",
    )


def augment_for(evidence: Evidence) -> tuple[Augment, Decision]:
    """What may happen to training images. Crops and padding are for the small or large side that the recipe sees."""
    basics, symmetry = evidence.basics, evidence.symmetry
    if symmetry is None:
        allowed, moved, said = basics.flip_named and not basics.characters, True, UNMEASURED
        turned = quarters = False
    else:
        mirror = symmetry["mirror"]
        allowed = basics.flip_named and not symmetry.exchanged and mirror.verdict != "harmful"
        moved = symmetry["shift"].verdict != "harmful"
        turned = symmetry["turn"].verdict == "useful"
        quarters = symmetry["quarter turn"].verdict == "useful" and not basics.characters
        said = "; ".join(f"{change.name} {change.verdict}: {points(change.gain)}" for change in symmetry.changes)
        said += f"; mirroring exchanges {symmetry.exchanged}" if symmetry.exchanged else ""
    large = min(basics.size) > SMALL_SIDE
    rotate = 10.0 if basics.characters or turned else 0.0
    if basics.characters:
        augment = Augment(shift=0.06 if moved else 0.0, rotate=rotate, scale=0.1)
    elif large:
        augment = Augment(resized_crop=CROP_AREA if moved else 0.8, rotate=rotate, flip=allowed)
    else:
        augment = Augment(rotate=rotate, crop_padding=max(1, min(basics.size) // 14) if moved else 0, flip=allowed)
    augment = replace(augment, quarter_turns=quarters)
    return augment, Decision(
        "augmentation",
        described(augment),
        "mirroring unless it is harmful, exchanges classes, or a class's name says a side; shifts or crops unless they "
        "are harmful; turns, small ones and by right angles, where they are useful, and small ones of characters",
        said,
        "paired comparison: a probe that has learned from changed copies too, against one that has not",
        "a change that a probe loses by learning from, or no longer does",
    )


def transfer_for(evidence: Evidence) -> tuple[bool, Decision]:
    """Whether pretrained features are worth a trial."""
    each = evidence.basics.images_a_class
    error = None if evidence.learning is None else evidence.learning.error.value
    small_grey = evidence.basics.channels == 1 and min(evidence.basics.size) <= SMALL_SIDE
    hard = error is None or error > EASY
    transfer = not small_grey and hard and each < 4 * PLENTY
    return transfer, Decision(
        "scratch or transfer",
        "transfer is tried" if transfer else "from scratch",
        f"pretrained features are tried below {4 * PLENTY:,} images a class, except for small grey images and tasks "
        f"with a probe's error below {EASY:.0%}",
        f"{each:,.0f} images a class" + ("" if error is None else f"; a probe's error with all of them: {error:.1%}"),
        "Kornblith, Shlens and Le 2019, arXiv 1805.08974: the fewer images, the more transfer gains",
        "more images a class, or an easier task" if transfer else "fewer images a class, in colour or large",
    )


def described(augment: Augment) -> str:
    """What is done to images, in words."""
    said = [
        *([f"crops of {augment.resized_crop:.0%} of the area or more"] if augment.resized_crop else []),
        *([f"shifts by {augment.shift:.0%}"] if augment.shift else []),
        *([f"turns by {augment.rotate:g} degrees"] if augment.rotate else []),
        *([f"scales by {augment.scale:.0%}"] if augment.scale else []),
        *([f"shifts by {augment.crop_padding} pixels"] if augment.crop_padding else []),
        *(["mirroring"] if augment.flip else []),
        *(["turns by right angles"] if augment.quarter_turns else []),
    ]
    return ", ".join(said) or "none"


def stages_for(size: tuple[int, int], stem_stride: int) -> int:
    """How many stages the maps of an input (height, width) are halved between."""
    side = min(size) / stem_stride
    return max(1 if side < 8 else 2, math.floor(math.log2(max(1.0, side / LAST_MAP))) + 1)


def stride_for(size: tuple[int, int]) -> int:
    """The stem's stride: 1, or as large as leaves `STRIDE_SIDE` pixels."""
    return max(1, math.ceil(min(size) / STRIDE_SIDE))


def convolutions_of(level: int, stages: int) -> tuple[int, ...]:
    """Convolutions in each stage, by depth: 0 few, 1 some, 2 more, 3 most."""
    if stages == 1:
        return (1 + 2 * min(level, 3),)
    counts = {0: [1] * stages, 1: [1] * (stages - 1) + [3], 2: [3] * stages, 3: [5] * stages}
    return tuple(counts[min(level, 3)])


def _blur(scale: Scale) -> str:
    lost = ", ".join(f"{points(level.gain)} with {level.pixels:g}" for level in scale.blur[1:])
    return f"of {scale.side} pixels along a side: {lost or 'too few to blur'}"
