"""Rules that need the images."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.design.lint.facts import Facts
from convsmith.design.lint.finding import Fault, rule
from convsmith.network.describe import short

PARAMS_PER_IMAGE = 100
"""Parameters for each training image above which a network is too large for its data. Of the networks that learned
ImageNet's 1,281,167 images from random weights by their own papers, VGG-16 and VGG-19 have most: 108 and 112, and they
needed dropout of 0.5 on all that is dense; ResNet-50 has 20."""

LARGEST_UPSCALE = 2.0
"""Times the images' own side above which the input is called too large."""


@rule(
    "CS701",
    "too-many-parameters",
    rationale="A network with far more parameters than the images can teach learns them by heart.",
    source="Zhang et al. 2017 (arXiv 1611.03530): a network memorises random labels once it has more parameters than "
    "images; the bound is VGG's on ImageNet (Simonyan and Zisserman 2014, table 2)",
)
def too_many_parameters(facts: Facts) -> Iterator[Fault]:
    if facts.images is None:
        return
    params, count = int(facts.cost.params), facts.images.train_images
    if params > PARAMS_PER_IMAGE * count:
        largest = max(facts.params, key=lambda name: facts.params[name])
        yield Fault(
            (largest,),
            f"{short(params)} parameters for {count:,} training images, {params / count:,.0f} for each; this layer has "
            f"most, {short(facts.params[largest])}",
            f"at most {short(PARAMS_PER_IMAGE * count)} parameters (a width multiplier, a smaller network), or "
            "pretrained weights with most layers frozen",
        )


@rule(
    "CS702",
    "needless-colour",
    rationale="Where every image is grey, three channels hold the same numbers thrice.",
    source="design rule: 3 colour channels, or 1 where colour adds nothing that tells classes apart",
)
def needless_colour(facts: Facts) -> Iterator[Fault]:
    if facts.images is not None and facts.images.channels == 1 and facts.net.input[0] == 3:
        first = tuple(node.name for node in facts.readers["input"])
        yield Fault(first, "it reads 3 channels, and every image is grey", "one channel")


@rule(
    "CS703",
    "lost-colour",
    rationale="A network of one channel cannot see the colour that the images have.",
    source="design rule: 3 colour channels, or 1 where colour adds nothing that tells classes apart",
)
def lost_colour(facts: Facts) -> Iterator[Fault]:
    if facts.images is not None and facts.images.channels == 3 and facts.net.input[0] == 1:
        first = tuple(node.name for node in facts.readers["input"])
        yield Fault(first, "it reads 1 channel, and the images have colour", "three channels, unless colour is noise")


@rule(
    "CS704",
    "upscaled-input",
    rationale="Enlarging images adds pixels, and multiply-adds, but no detail.",
    source="Tan and Le 2019 (arXiv 1905.11946), section 3: resolution pays where the images have it",
)
def upscaled_input(facts: Facts) -> Iterator[Fault]:
    if facts.images is None:
        return
    sides, own = facts.net.input[1:], facts.images.size
    if min(sides) > LARGEST_UPSCALE * min(own):
        first = tuple(node.name for node in facts.readers["input"])
        why = f"the input is {sides[0]}x{sides[1]}, the median training image {own[0]}x{own[1]}"
        yield Fault(first, why, "an input of the images' size, and strides that suit it")


@rule(
    "CS705",
    "other-classes",
    rationale="The outputs are the classes, one each.",
    source="the data set's classes",
)
def other_classes(facts: Facts) -> Iterator[Fault]:
    if facts.images is not None and int(facts.shapes[facts.net.output][0]) != facts.images.classes:
        last = facts.classifier.name if facts.classifier else facts.net.output
        outputs = int(facts.shapes[facts.net.output][0])
        why = f"the network has {outputs:,} outputs, the data {facts.images.classes:,} classes"
        yield Fault((last,), why, f"{facts.images.classes:,} outputs")
