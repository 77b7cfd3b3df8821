import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, strategies as st

from convsmith.backend.layers import MaxPool2d
from convsmith.backend.pooling import is_slow, max_pool_2x2


@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(2, 9), st.integers(2, 9), st.integers(1, 4), st.integers(0, 99)
)
def test_values_and_gradients_are_torchs_also_of_equal_numbers(
    count: int, channels: int, height: int, width: int, different: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(different, (count, channels, height, width), generator=generator).float().requires_grad_()
    theirs, ours = F.max_pool2d(x, 2), max_pool_2x2(x)
    assert torch.equal(ours, theirs)
    gradient = torch.randn(theirs.shape, generator=generator)
    assert torch.equal(torch.autograd.grad(ours, x, gradient)[0], torch.autograd.grad(theirs, x, gradient)[0])


def test_without_gradients_values_are_the_same() -> None:
    x = torch.randn(2, 3, 7, 6)
    assert torch.equal(max_pool_2x2(x), F.max_pool2d(x, 2))


def test_only_what_torch_does_number_by_number_is_done_otherwise() -> None:
    x = torch.randn(2, 3, 8, 8)
    assert is_slow(x)
    assert not is_slow(x.contiguous(memory_format=torch.channels_last))
    assert not is_slow(x.bfloat16())
    assert not is_slow(x[..., :1])


@pytest.mark.parametrize(("kernel", "stride", "padding"), [((3, 3), (2, 2), (0, 0)), ((2, 2), (2, 2), (1, 1))])
def test_other_windows_are_torchs(kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> None:
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(MaxPool2d(kernel, stride, padding)(x), F.max_pool2d(x, kernel, stride, padding))
