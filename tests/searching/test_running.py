from __future__ import annotations

from noise_space import SPACE, dataset

from convsmith.design.limits import Limits
from convsmith.searching.search import search
from convsmith.searching.settings import SearchSettings


def test_a_search_whose_time_is_over_at_once_still_has_a_first_trial() -> None:
    found = search(
        dataset(), Limits(max_params=400), space=SPACE, settings=SearchSettings(seconds=1e-3, epochs=2, seed=1)
    )
    (only,) = found.trials
    assert only.rungs[0][0] == 1
    assert found.chosen == only
