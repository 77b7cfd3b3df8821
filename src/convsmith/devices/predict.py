"""A network's latency on a device, from its table."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.devices.plan import plan
from convsmith.devices.table import DeviceTable
from convsmith.devices.unit import Unit
from convsmith.network import Network


@dataclass(frozen=True)
class OperatorTime:
    """An operator that the engine runs, the layers that it computes, and its predicted ms.

    `guessed`: nothing of its kind was measured on the device, and the nearest kind stands in.
    """

    unit: Unit
    layers: tuple[str, ...]
    ms: float
    guessed: bool


@dataclass(frozen=True)
class Prediction:
    """The predicted latency of one image: `ms` in all, of which `run_ms` belong to no operator."""

    ms: float
    run_ms: float
    operators: tuple[OperatorTime, ...]

    @property
    def guessed(self) -> tuple[str, ...]:
        """The layers of whose kind nothing was measured."""
        return tuple(layer for operator in self.operators if operator.guessed for layer in operator.layers[:1])

    def by_layer(self) -> dict[str, float]:
        """ms by layer: an operator's are those of its first layer; layers that are fused into others have none.

        A change of layout counts with the operator that it is for, or else with the one before.
        """
        found: dict[str, float] = {}
        for operator in self.operators:
            first = operator.layers[0]
            found[first] = found.get(first, 0.0) + operator.ms
        return found


def predict(network: Network, table: DeviceTable) -> Prediction:
    """What each of a network's operators takes for one image on the device that the table is of.

    Raises ShapeError where layers do not fit.
    """
    planned = plan(network, table.engine.name)
    known = table.ms([one.unit for one in planned])
    operators = tuple(
        OperatorTime(one.unit, one.layers, known[one.unit], table.kind_for(one.unit)[0] != one.unit.kind)
        for one in planned
    )
    return Prediction(table.run_ms + sum(one.ms for one in operators), table.run_ms, operators)


def predicted_ms(network: Network, table: DeviceTable) -> float:
    """The predicted milliseconds of one image, without running anything.

    Operators that have been predicted before are looked up, so that a search keeps one table for all its networks.
    """
    planned = plan(network, table.engine.name)
    known = table.ms([one.unit for one in planned])
    return table.run_ms + sum([known[one.unit] for one in planned])
