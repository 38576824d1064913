"""The default strategy against the best of all references, scenario by scenario; minutes."""

from __future__ import annotations

import pytest

from benchmarks.balancing.__main__ import AUTO, BUDGET, Table, knows_as_much, measure
from benchmarks.balancing.references import REFERENCES
from benchmarks.balancing.scenarios import SCENARIOS

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(measure(SCENARIOS, [*REFERENCES, *AUTO], seeds=3, requests=12_000, processes=2))


@pytest.mark.parametrize("contestant", AUTO)
def test_auto_is_close_to_the_best_reference_in_every_scenario(table: Table, contestant: str) -> None:
    peers = [name for name in REFERENCES if knows_as_much(name, contestant)]
    ratios = {
        scenario: table.p99(scenario, contestant) / table.p99(scenario, table.best(scenario, peers))
        for scenario in SCENARIOS
    }
    assert not {scenario: ratio for scenario, ratio in ratios.items() if ratio > BUDGET}


@pytest.mark.parametrize("contestant", AUTO)
def test_what_fails_is_hardly_noticed(table: Table, contestant: str) -> None:
    assert table.share("black hole", contestant, "s5") <= 0.25
    assert table.errors("black hole", contestant) <= 0.0005
    for scenario in ("sudden loss", "rolling deploy"):
        assert table.errors(scenario, contestant) <= 0.001
        assert table.attempts(scenario, contestant) <= 1.2
