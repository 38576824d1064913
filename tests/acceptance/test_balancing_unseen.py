"""The default strategy in a world that it was never tuned in, case by case; minutes."""

from __future__ import annotations

import pytest

from benchmarks.balancing_unseen.__main__ import AUTO, BUDGET, PEERS, Verdicts, measure, peers_of
from benchmarks.balancing_unseen.cases import CASES

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    return Verdicts(measure(CASES, [*PEERS, *AUTO], seeds=4, requests=8000, processes=2, first=101))


@pytest.mark.parametrize("contestant", AUTO)
def test_auto_is_close_to_the_best_reference_in_every_case(verdicts: Verdicts, contestant: str) -> None:
    short = {}
    for case in CASES:
        ratio, error = verdicts.ratio(case, contestant, verdicts.best(case, peers_of(contestant)))
        # The best of a dozen is partly the luckiest: what lies within the error is no difference.
        if ratio - error > BUDGET:
            short[case] = (ratio, error)
    assert not short


@pytest.mark.parametrize("contestant", AUTO)
def test_what_fails_is_hardly_noticed(verdicts: Verdicts, contestant: str) -> None:
    assert verdicts.share("a sick one", contestant, "m4") <= 0.25
    assert verdicts.mean("a sick one", contestant, 4) <= 0.0005
    for case in ("a quarter lost", "an upgrade", "flapping"):
        assert verdicts.mean(case, contestant, 4) <= 0.001, case
