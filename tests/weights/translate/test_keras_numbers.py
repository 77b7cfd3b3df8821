from hypothesis import given, strategies as st

from convsmith.weights.translate.keras_numbers import renumbered


def named(kind, number):
    return f"{kind}_{number}" if number else kind


@given(numbers=st.sets(st.integers(0, 400), min_size=1), names=st.randoms())
def test_layers_take_a_checkpoints_numbers_in_their_order(numbers, names):
    keys = [f"{named('conv2d', n)}/kernel" for n in numbers]
    names.shuffle(keys)
    prefixes = {f"node{i}": named("conv2d", i) for i in range(len(numbers))}
    expected = {f"node{i}": named("conv2d", n) for i, n in enumerate(sorted(numbers))}
    assert renumbered(prefixes, keys) == expected


def test_kinds_are_counted_apart_and_other_names_stay():
    prefixes = {"a": "conv2d", "b": "batch_normalization", "c": "conv2d_1", "d": "predictions", "e": "conv2d_x"}
    keys = ["conv2d_94/kernel", "conv2d_100/kernel", "batch_normalization_7/beta", "predictions/kernel"]
    assert renumbered(prefixes, keys) == {
        "a": "conv2d_94",
        "b": "batch_normalization_7",
        "c": "conv2d_100",
        "d": "predictions",
        "e": "conv2d_x",
    }


def test_a_layer_that_a_checkpoint_lacks_keeps_its_name_and_is_reported_missing():
    assert renumbered({"a": "conv2d", "b": "conv2d_1"}, ["conv2d_5/kernel"]) == {"a": "conv2d_5", "b": "conv2d_1"}
