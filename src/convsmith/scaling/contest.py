"""Short trainings of scaled networks on the user's own data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from convsmith.cost import cost_of
from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.halving import Reached, epochs_in_all, successive_halving
from convsmith.fitting.trials import accuracy_of, short_training
from convsmith.network.network import Network
from convsmith.scaling.line import Member
from convsmith.scaling.scaled import GridPoint
from convsmith.scaling.trials import Trials
from convsmith.train.recipes.default import default_batch
from convsmith.train.recipes.named import DEFAULT, recipe_named
from convsmith.train.run.plan import RunPlan
from convsmith.train.run.run import DivergedError
from convsmith.train.tune.pace import seconds_an_image
from convsmith.transform.side import preprocess_at

USUAL_EPOCHS, MOST_EPOCHS = 8, 60
"""Epochs of a short training where neither epochs nor time is asked for; and the most that a long time is used for."""


@dataclass(frozen=True, eq=False)
class Contest:
    """The data, and the plan by which the network itself would be trained."""

    dataset: Dataset
    plan: RunPlan
    seed: int = 0

    def chosen(self, network: Network, epochs: int) -> Chosen:
        """A training of a scaled network by the default recipe, on images of its size."""
        height, width = network.input[1:]
        preprocess = replace(preprocess_at(self.plan.preprocess, height), crop=(height, width))
        recipe = recipe_named(DEFAULT, network, self.dataset, preprocess, epochs=epochs, seed=self.seed)
        return Chosen(RunPlan(network, f"{network.name}: scaled", preprocess, recipe))

    def ranked(
        self, grid: Sequence[Member], epochs: int, told: Callable[[str], None]
    ) -> tuple[tuple[GridPoint, ...], Member]:
        """What each network of the grid came to, and the most accurate of those that were trained to the end; of equals
        the one with the fewest parameters."""

        def tell(index: int, reached: Reached) -> None:
            told(f"{grid[index].factors}: {reached}")

        results = successive_halving([self.chosen(member.network, epochs) for member in grid], self.dataset, tell)
        points = tuple(GridPoint(member, reached) for member, reached in zip(grid, results, strict=True))
        finished = [point for point in points if point.reached.finished]
        best = max(finished, key=lambda point: (point.reached.value, -int(point.member.cost.params)))
        return points, best.member

    def accuracy(self, network: Network, epochs: int) -> Reached:
        """What one training comes to."""
        training = short_training(self.chosen(network, epochs), self.dataset)
        try:
            training.advance()
        except DivergedError:
            return Reached(epochs, None, finished=True)
        return Reached(epochs, accuracy_of(training, self.dataset), finished=True)

    def epochs_for(self, trials: Trials, grid: Sequence[Member], others: Sequence[Member]) -> tuple[int, float]:
        """(epochs, seconds): how long the longest trainings are, and about how long all of them take.

        The network itself is timed; the others' time is taken to go by their multiply-adds. Raises UsageError where
        there is no time for one epoch of each.
        """
        net = self.plan.network
        images = len(self.dataset.split("train"))
        each = seconds_an_image(net, default_batch(images)) * images / float(cost_of(net).macs)
        mean = sum(float(member.cost.macs) for member in grid) / max(1, len(grid))
        rest = sum(float(member.cost.macs) for member in others)

        def seconds(epochs: int) -> float:
            return each * (mean * epochs_in_all(epochs, len(grid)) + rest * epochs)

        if trials.seconds is None:
            epochs = trials.epochs or USUAL_EPOCHS
            return epochs, seconds(epochs)
        if seconds(1) > trials.seconds:
            raise UsageError(
                f"{trials.seconds:.0f} s are too few: an epoch of each of {len(grid) + len(others)} networks takes "
                f"about {seconds(1):.0f} s here",
                settings="seconds",
            )
        epochs = max(count for count in range(1, MOST_EPOCHS + 1) if seconds(count) <= trials.seconds)
        return epochs, seconds(epochs)
