"""Compound scaling of any network: constants, family, and the network of a given size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from convsmith.cost import cost_of
from convsmith.errors import LimitError, UsageError
from convsmith.model import Model
from convsmith.network.network import Network
from convsmith.resolve import file_of, is_code, kind_of, model_of, network_of
from convsmith.scaling.carry import carried
from convsmith.scaling.line import Line, Member, fixed_parts, with_latency, without
from convsmith.scaling.scaled import FoundBy, GridPoint, Scaled, Step, Way, WayName
from convsmith.scaling.target import Target, Unit, said
from convsmith.scaling.trials import Trials
from convsmith.transform.compound import EFFICIENTNET, Constants, Factors

if TYPE_CHECKING:  # without data nothing is trained, and torch is not needed
    from convsmith.data.dataset import Dataset
    from convsmith.fitting.halving import Reached
    from convsmith.scaling.contest import Contest

MOST_PHI = 12
"""A family is not followed further: 4,096 times the multiply-adds."""

SINGLE: dict[WayName, Constants] = {
    "depth only": Constants(2.0, 1.0, 1.0),
    "width only": Constants(1.0, 2**0.5, 1.0),
    "resolution only": Constants(1.0, 1.0, 2**0.5),
}
"""Constants that grow multiply-adds by 2 in one dimension alone."""

APART = 0.5
"""Coefficients between two networks that are trained, at least."""

CLOSE = 0.01
"""How far below its target a network may be without a word."""

Source = Network | Model | str | Path


def scale(
    network: Source,
    data: Dataset | str | Path | None = None,
    *,
    to: Target | str | None = None,
    phi: int | None = None,
    constants: Constants | None = None,
    grid_unit: Unit = "macs",
    trials: Trials = Trials(),  # noqa: B008  (frozen)
    carry: Model | str | Path | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Scaled:
    """The network at another size, with depth, width and resolution scaled together (Tan and Le 2019, section 3.3).

    `network` is anything that `convsmith.resolve.network_of` takes. `to` is the size that is asked for, as `Target.of`
    reads it; without one, the network is that of coefficient `phi`. With both, `phi` says how far the family goes that
    is shown beside it.

    Without `constants` they are found on the train and val splits of `data`: networks at twice the multiply-adds, or at
    twice the ms for one image here (`grid_unit` "ms"), are trained as `trials` says, and compared by successive
    halving. Without data they are EfficientNet's. With data, the ways to scale are trained too, at equal cost.

    Weights are carried over from `carry`, or from `network` where that is a model, so that the scaled network computes
    the same from the start, if it can.

    Raises UsageError for a network of which nothing can be scaled, for weights that cannot be carried over, and where
    neither `to` nor `phi` is given; LimitError for a size that cannot be met; and what opening network and data raise.
    """
    target = Target.of(to) if isinstance(to, str) else to
    if target is None and phi is None:
        raise UsageError("say how large the network is to be", settings=("to", "phi"))
    if phi is not None and not 1 <= phi <= MOST_PHI:
        raise UsageError(f"must be from 1 to {MOST_PHI}, not {phi}", settings="phi")
    if data is None and (asked := tuple(n for n in ("epochs", "seconds") if getattr(trials, n) is not None)):
        raise UsageError("without data nothing is trained: give images, too", settings=asked)
    start = _start(network, carry)
    contest = None if data is None else _contest(network, data, trials.seed)
    net = _network(network) if contest is None else contest.plan.network
    if start is not None:
        _check_start(start, net)
    made = _Scaling(net, target, phi, grid_unit, contest, trials, told).made(constants)
    return made if start is None else made.with_start(carried(start, made.chosen.factors, made.network))


def _contest(network: Source, data: Dataset | str | Path, seed: int) -> Contest:
    """Trainings on the data of the network as it would be trained on them."""
    from convsmith.data.open import open_dataset
    from convsmith.fitting.choice import choose_plan
    from convsmith.request import Request
    from convsmith.scaling.contest import Contest

    dataset = open_dataset(data)
    return Contest(dataset, choose_plan(Request(network=network, seed=seed), dataset).plan, seed)


def _latency_ms(network: Network) -> float:
    from convsmith.deploy.latency import latency_ms

    return latency_ms(network)


def _network(network: Source) -> Network:
    return replace(network_of(network), storage=())


def _start(network: Source, carry: Model | str | Path | None) -> Model | None:
    """The model that weights are carried over from, if there is one."""
    if carry is not None:
        return model_of(carry)
    if isinstance(network, Model):
        return network
    if isinstance(network, Network) or is_code(network):
        return None
    path = file_of(network)
    return model_of(path) if path is not None and kind_of(path) == "model" else None


def _check_start(start: Model, net: Network) -> None:
    """Raises UsageError for weights of another network."""
    if start.network.parameters != net.parameters:
        raise UsageError(
            f"weights of {start.network.name} do not fit {net.name}: they are carried over to scalings of the network "
            "that they were trained in",
            settings="carry",
        )


def _distinct(members: Sequence[Member]) -> tuple[Step, ...]:
    """One step for each network: sizes round, so that two coefficients may give the same one."""
    return tuple(Step(member) for member in {member.network: member for member in members}.values())


@dataclass(frozen=True, eq=False)
class _Scaling:
    """What is scaled, how far, and by which trainings."""

    network: Network
    target: Target | None
    phi: int | None
    grid_unit: Unit
    contest: Contest | None
    trials: Trials
    told: Callable[[str], None]

    def made(self, given: Constants | None) -> Scaled:
        fixed = fixed_parts(self.network)
        searched = given is None and self.contest is not None
        grid = self._grid(fixed) if searched else ()
        constants = grid[0].as_constants if searched else without(given or EFFICIENTNET, fixed)
        # How long trainings are is settled before the constants are known, by those that come first.
        epochs = self._epochs(grid, constants, fixed)
        points: tuple[GridPoint, ...] = ()
        if searched:
            assert self.contest is not None
            points, best = self.contest.ranked(grid, epochs, self.told)
            constants = best.as_constants
            self.told(f"found: {constants}")
        found_by: FoundBy = "searched" if searched else "EfficientNet's" if given is None else "given"
        line = Line(self.network, constants)
        chosen, notes = self._chosen(line)
        family = tuple(line.at(phi) for phi in range(1, (self.phi or self._last_phi(chosen)) + 1))
        ways, missed = self._ways(line, chosen, fixed)
        base = Step(self._timed(Member(0.0, Factors(), cost_of(self.network))))
        trained = self.contest is not None and self.trials.compare
        if trained:
            base, ways = self._trained(base, ways, epochs)
        return Scaled(
            base=base,
            target=str(self.target) if self.target else f"coefficient {self.phi}",
            unit=self._unit,
            constants=constants,
            found_by=found_by,
            fixed=fixed,
            grid=points,
            chosen=chosen,
            family=tuple(self._timed(member) for member in family),
            ways=ways,
            notes=(*notes, *missed),
            data="" if self.contest is None else self.contest.dataset.name,
            epochs=epochs if points or trained else 0,
        )

    @property
    def _unit(self) -> Unit:
        """What sizes are compared in."""
        return "macs" if self.target is None or self.target.unit == "times" else self.target.unit

    def _amount(self) -> float:
        assert self.target is not None
        times = self.target.unit == "times"
        return self.target.amount * (float(cost_of(self.network).macs) if times else 1.0)

    def _timed(self, member: Member) -> Member:
        timed = self._unit == "ms" and member.latency is None
        return with_latency(member, _latency_ms) if timed else member

    def _grid(self, fixed: dict[str, str]) -> tuple[Member, ...]:
        from convsmith.scaling.grid import grid_of  # which needs NumPy

        grid = grid_of(self.network, fixed, unit=self.grid_unit, latency_of=_latency_ms)
        self.told(f"{len(grid)} networks at about twice the {'ms' if self.grid_unit == 'ms' else 'multiply-adds'}")
        return grid

    def _epochs(self, grid: tuple[Member, ...], constants: Constants, fixed: dict[str, str]) -> int:
        if self.contest is None or not (grid or self.trials.compare):
            return 0
        others: list[Member] = []
        if self.trials.compare:
            line = Line(self.network, constants)
            ways, _ = self._ways(line, self._chosen(line)[0], fixed)
            others = [step.member for way in ways for step in way.steps]
        epochs, seconds = self.contest.epochs_for(self.trials, grid, others)
        self.told(
            f"trainings of up to {epochs} epoch{'s' * (epochs != 1)} on {self.contest.dataset.name}: "
            f"about {seconds / 60:.1f} min in all"
        )
        return epochs

    def _chosen(self, line: Line) -> tuple[Member, tuple[str, ...]]:
        """The network that was asked for, and a note where it is clearly smaller than asked."""
        if self.target is None:
            assert self.phi is not None
            return line.at(self.phi), ()
        amount = self._amount()
        member = line.within(amount, self._unit, _latency_ms)
        short_of = 1 - member.figure(self._unit) / amount
        if short_of <= CLOSE:
            return member, ()
        taken = said(member.figure(self._unit), self._unit)
        return member, (f"sizes are whole numbers: nearest from below is {taken}, {short_of:.1%} less than asked",)

    @staticmethod
    def _last_phi(chosen: Member) -> int:
        return min(MOST_PHI, max(1, ceil(chosen.phi)))

    def _ways(self, line: Line, chosen: Member, fixed: dict[str, str]) -> tuple[tuple[Way, ...], tuple[str, ...]]:
        """Compound scaling at coefficient 1, 2... and as asked, and each dimension alone at the same costs."""
        steps = [line.at(phi) for phi in range(1, ceil(chosen.phi)) if phi <= chosen.phi - APART]
        compound = [self._timed(member) for member in (*steps, chosen)]
        ways, missed = [Way("compound", _distinct(compound))], []
        for name, constants in SINGLE.items():
            if name.partition(" ")[0] in fixed:
                continue
            single, found = Line(self.network, constants), []
            for member in compound:
                try:
                    found.append(single.within(member.figure(self._unit), self._unit, _latency_ms))
                except LimitError as error:
                    missed.append(f"{name}: {error.message}")
            if found:
                ways.append(Way(name, _distinct(found)))
        return tuple(ways), tuple(missed)

    def _trained(self, base: Step, ways: tuple[Way, ...], epochs: int) -> tuple[Step, tuple[Way, ...]]:
        """The network and every step of every way, each trained once."""
        contest = self.contest
        assert contest is not None
        known: dict[Network, Reached] = {}

        def trained(step: Step, name: str) -> Step:
            net = step.member.network
            if net not in known:
                known[net] = contest.accuracy(net, epochs)
            reached = known[net]
            self.told(f"{name}, {step.member.factors}: {reached}")
            return replace(step, reached=reached)

        made = tuple(Way(way.name, tuple(trained(step, way.name) for step in way.steps)) for way in ways)
        return trained(base, "as given"), made
