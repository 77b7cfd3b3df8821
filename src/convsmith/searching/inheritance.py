"""Trials that begin with the weights of a finished neighbour."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from convsmith.files import write_bytes
from convsmith.model.inherited import inherited, share_inherited
from convsmith.network.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optuna.trial import FrozenTrial
    from torch import Tensor

LEAST_SHARE = 0.5
"""Of a network's weights that a neighbour must have, for the network to begin with them."""


@dataclass(frozen=True, eq=False)
class KeptWeights:
    """Weights of the trials that went to their end: a file of each in a folder, or in memory without one."""

    folder: Path | None
    _memory: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    def keep(self, number: int, weights: Mapping[str, Tensor]) -> None:
        """Raises OutputError."""
        if self.folder is None:
            self._memory[number] = dict(weights)
            return
        from safetensors.torch import save

        self.folder.mkdir(exist_ok=True)
        write_bytes(self._file(number), save({key: value.contiguous() for key, value in weights.items()}))

    def of(self, number: int) -> dict[str, Tensor] | None:
        """None where there are none: the trial ran elsewhere, or its file is gone or damaged."""
        if self.folder is None:
            return self._memory.get(number)
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self._file(number))
        except (OSError, SafetensorError):
            return None

    def _file(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{number}.safetensors"


def neighbours_weights(
    kept: KeptWeights,
    net: Network,
    seed: int,
    trials: Sequence[FrozenTrial],
    network_of: Callable[[FrozenTrial], Network],
) -> tuple[int, dict[str, Tensor]] | None:
    """The number of the finished trial that has most of the weights of `net`, and the weights that `net` begins with;
    None where none has `LEAST_SHARE` of them. Of equals the first."""
    done = [trial for trial in trials if trial.user_attrs.get("ended") == "finished"]
    shares = sorted(((share_inherited(net, network_of(trial)), trial) for trial in done), key=lambda one: -one[0])
    for share, trial in shares:
        if share < LEAST_SHARE:
            break
        if (parent := kept.of(trial.number)) is not None:
            from convsmith.backend.torch import build

            fresh = build(net, seed).state_dict()
            return trial.number, inherited(net, {key: fresh[key] for key in net.parameters}, parent)
    return None
