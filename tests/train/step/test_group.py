"""Processes that train together come to what one comes to."""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from convsmith.train.run.hardest_images import read_hardest
from convsmith.train.run.loop import TrainResult
from convsmith.train.step.group import ALONE, Group, GroupBatchNorm, synchronise_batch_norms

TINY = Path(__file__).parents[1] / "tiny.py"


def in_processes(count: int, work: Callable[..., None], *arguments: object) -> None:
    """Runs work(*arguments) in so many processes of one group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_member, (count, port, work, arguments), nprocs=count)


def _member(rank: int, count: int, port: int, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    work(*arguments)
    dist.barrier()  # gloo aborts a process that takes the group down while another still uses it
    dist.destroy_process_group()


def tiny_module() -> ModuleType:
    sys.path.insert(0, str(TINY.parent))
    import tiny

    return tiny


def train(source: str, folder: Path, run_dir: Path, epochs: int = 3) -> TrainResult:
    """Without dropout, whose draws are for the part that a process has: only rounding is left between the two."""
    tiny = tiny_module()
    dataset = tiny.in_files(folder, 101) if source == "files" else tiny.in_memory(101)
    module = tiny.module()
    module[5] = nn.Identity()
    recipe = replace(tiny.recipe(epochs), class_weighting="balanced", clip_norm=1.0, precision="float32")
    return tiny.train(module, dataset, recipe, run_dir)


def train_and_keep(source: str, folder: Path, run_dir: Path, epochs: int = 3) -> None:
    result = train(source, folder, run_dir, epochs)
    torch.save({"weights": dict(result.weights)}, run_dir / f"{dist.get_rank()}.pt")


@pytest.mark.parametrize(("source", "count"), [("memory", 2), ("files", 3)])
def test_several_processes_have_the_losses_and_weights_of_one(source: str, count: int, tmp_path: Path) -> None:
    folder, run_dir = tmp_path / "images", tmp_path / "several"
    folder.mkdir()
    alone = train(source, folder, tmp_path / "one")
    in_processes(count, train_and_keep, source, folder, run_dir)
    together = train(source, folder, run_dir)  # reads what the group has finished
    assert [entry.epoch for entry in together.history] == [1, 2, 3]
    for one, several in zip(alone.history, together.history, strict=True):
        assert several.train_loss == pytest.approx(one.train_loss, rel=1e-5)
        assert several.val_loss == pytest.approx(one.val_loss, rel=1e-4)
        assert several.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-3)
        assert several.val_accuracy == pytest.approx(one.val_accuracy, abs=0.051)  # one image of 20
    for name, value in alone.weights.items():
        torch.testing.assert_close(together.weights[name], value, rtol=1e-3, atol=1e-5)
    names = [[image.name for image in read_hardest(run)] for run in (run_dir, tmp_path / "one")]
    assert names[0] == names[1]
    kept = [torch.load(run_dir / f"{rank}.pt", weights_only=True)["weights"] for rank in range(count)]
    assert all(torch.equal(kept[0][name], other[name]) for other in kept[1:] for name in other)


def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path) -> None:
    in_processes(2, train_and_keep, "memory", tmp_path, tmp_path / "a", 3)
    # As if stopped after the first epoch: what it knows of the later ones is gone.
    checkpoints = sorted((tmp_path / "a" / "checkpoint").iterdir())
    checkpoints[-1].unlink()
    resumed, alone = train("memory", tmp_path, tmp_path / "a"), train("memory", tmp_path, tmp_path / "b")
    assert resumed.history[-1].train_loss == pytest.approx(alone.history[-1].train_loss, rel=1e-5)


def normalise(parts: list[Tensor], folder: Path) -> None:
    rank = dist.get_rank()
    layer = nn.BatchNorm2d(3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
        layer.bias.copy_(torch.tensor([0.1, 0.0, -0.3]))
    layer = layer.double()
    synchronise_batch_norms(layer, Group.current())
    part = parts[rank].requires_grad_()
    result = layer(part)
    (result**3).sum().backward()
    group = Group.current()
    group.all_reduce_gradients(layer)
    torch.save(
        {
            "out": result.detach(),
            "grad": part.grad,
            "weight": layer.weight.grad,
            "bias": layer.bias.grad,
            **{f"state/{name}": value for name, value in layer.state_dict().items()},
        },
        folder / f"{rank}.pt",
    )


def test_batch_norm_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = 5 * torch.randn(7, 3, 4, 4, dtype=torch.float64) + 2
    parts = [whole[:4].clone(), whole[4:].clone()]
    in_processes(2, normalise, parts, tmp_path)
    saved = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    layer = nn.BatchNorm2d(3).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
        layer.bias.copy_(torch.tensor([0.1, 0.0, -0.3]))
    expected = layer(whole.requires_grad_())
    (expected**3).sum().backward()
    torch.testing.assert_close(torch.cat([s["out"] for s in saved]), expected.detach())
    torch.testing.assert_close(torch.cat([s["grad"] for s in saved]), whole.grad)
    for one in saved:
        torch.testing.assert_close(one["weight"], layer.weight.grad)
        torch.testing.assert_close(one["bias"], layer.bias.grad)
        for name, value in layer.state_dict().items():
            torch.testing.assert_close(one[f"state/{name}"], value)


def test_alone_nothing_changes() -> None:
    value = torch.ones(3)
    assert ALONE.all_reduce(value) is value
    assert ALONE.all_gather("x") == ["x"]
    layer = nn.Sequential(nn.BatchNorm2d(3))
    synchronise_batch_norms(layer, ALONE)
    assert type(layer[0]) is nn.BatchNorm2d
    assert Group.current() == ALONE
    assert not isinstance(layer[0], GroupBatchNorm)
    assert "RANK" not in os.environ
