import pytest

import convsmith
from convsmith.errors import UsageError
from convsmith.network import Preprocess
from convsmith.transform.side import at_side


def preprocess(crop: tuple[int, int], resize: int | tuple[int, int]) -> Preprocess:
    return Preprocess(3, crop, resize, (0.5,) * 3, (0.5,) * 3)


def test_resize_grows_with_the_crop() -> None:
    net, resized = at_side(convsmith.create("resnet50"), preprocess((224, 224), 256), 320)
    assert (net.input, resized.crop, resized.resize) == ((3, 320, 320), (320, 320), 366)
    assert net.parameters == convsmith.create("resnet50").parameters


def test_the_own_side_changes_nothing() -> None:
    net, own = convsmith.create("resnet50"), preprocess((224, 224), (256, 256))
    assert at_side(net, own, 224) == (net, own)


def test_sides_keep_their_proportion() -> None:
    _, resized = at_side(convsmith.create("resnet50"), preprocess((224, 112), (224, 112)), 448)
    assert (resized.crop, resized.resize) == ((448, 224), (448, 224))


def test_a_side_that_the_weights_do_not_fit_is_refused() -> None:
    grey = Preprocess(1, (32, 32), 32, (0.5,), (0.5,))
    with pytest.raises(UsageError, match="lenet5 cannot take images of 48x48 with its weights for 32x32"):
        at_side(convsmith.create("lenet5"), grey, 48)
