import pytest
import torch
from hypothesis import given, strategies as st

from convsmith.data.augment.mixing import Mixing, mix_batch
from convsmith.errors import UsageError

IMAGES = torch.arange(8.0)[:, None, None, None].expand(8, 1, 12, 10)
LABELS = torch.arange(8)


def mixed(mixing: Mixing, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return mix_batch(IMAGES, LABELS, 8, mixing, torch.Generator().manual_seed(seed))


@given(st.integers(0, 10**6), st.floats(0, 4), st.floats(0, 4))
def test_labels_say_what_the_pixels_are_made_of(seed: int, mixup: float, cutmix: float) -> None:
    mixing = Mixing(mixup, cutmix)
    if not mixing:
        return
    images, targets = mixed(mixing, seed)
    torch.testing.assert_close(targets.sum(1), torch.ones(8))
    # Image i is i everywhere, so the mean of a mixture is the mean of its labels.
    torch.testing.assert_close(images.mean((1, 2, 3)), targets @ torch.arange(8.0), atol=1e-4, rtol=0)


def test_mixup_keeps_no_edges_and_cutmix_makes_no_new_values() -> None:
    averaged, _ = mixed(Mixing(mixup=1.0))
    assert all(len(image.unique()) == 1 for image in averaged)
    for seed in range(20):
        cut, targets = mixed(Mixing(cutmix=1.0), seed)
        assert set(cut.unique().tolist()) <= set(range(8))
        assert ((targets > 0).sum(1) <= 2).all()


def test_with_both_each_batch_has_one_of_them() -> None:
    kinds = {float(mixed(Mixing(1.0, 1.0), seed)[0].unique().frac().max()) > 0 for seed in range(30)}
    assert kinds == {True, False}


def test_the_same_seed_mixes_alike() -> None:
    assert torch.equal(mixed(Mixing(0.2, 1.0))[0], mixed(Mixing(0.2, 1.0))[0])


def test_nothing_is_falsy_and_negative_is_refused() -> None:
    assert not Mixing()
    with pytest.raises(UsageError, match="mixup: must be at least 0, not -1"):
        Mixing(mixup=-1)
