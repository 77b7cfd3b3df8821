import gc

import torch

from convsmith.data.load.buffer_pool import BufferPool

SHAPE = (4, 3, 8, 8)


def test_memory_that_nobody_holds_is_handed_out_again() -> None:
    memory = BufferPool()
    place = memory.empty(SHAPE).data_ptr()
    elsewhere = [torch.empty(SHAPE) for _ in range(5)]  # what the allocator itself would have given the place to
    assert memory.empty(SHAPE).data_ptr() == place
    assert all(tensor.data_ptr() != place for tensor in elsewhere)


def test_memory_that_a_view_holds_is_not_handed_out() -> None:
    memory = BufferPool()
    view = memory.empty(SHAPE).fill_(1.0)[1:, :, 2].permute(2, 0, 1)
    gc.collect()
    for _ in range(5):
        memory.empty(SHAPE).zero_()
    assert (view == 1).all()


def test_memory_that_backward_needs_is_not_handed_out() -> None:
    memory = BufferPool()
    weight = torch.ones(SHAPE, requires_grad=True)
    product = (weight * memory.empty(SHAPE).fill_(3.0)).sum()
    memory.empty(SHAPE).zero_()
    product.backward()
    assert weight.grad is not None
    assert (weight.grad == 3).all()


def test_another_shape_gets_memory_of_its_own() -> None:
    memory = BufferPool()
    assert memory.empty((2, 2)).shape == (2, 2)
    assert memory.empty((3, 5)).shape == (3, 5)
