"""Many clients and many servers in simulated time: what no single client can show."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.balancing.__main__ import simulate
from benchmarks.balancing.references import REFERENCES
from benchmarks.balancing.scenarios import SCENARIOS
from benchmarks.balancing.simulation import Outcome, Setup, Simulation
from perfkit.load_balancer import STRATEGIES, LoadBalancer

AUTO = ["auto", "auto, reports", "auto, probes"]


def run(setup: Setup, *, requests: int = 6000, reports: bool = False, strategy: str = "auto", seed: int = 5) -> Outcome:
    def make(**arguments: Any) -> LoadBalancer:
        return LoadBalancer(strategy, **arguments)

    return Simulation(setup, make, seed=seed, requests=requests, reports=reports, probes=strategy == "prequal").run()


@pytest.mark.parametrize("contestant", AUTO)
def test_a_black_hole_gets_a_quarter_of_its_share_at_most_and_hurts_nobody(contestant: str) -> None:
    outcome = simulate("black hole", contestant, 5, 8000)
    assert outcome.received["s5"] <= sum(outcome.received.values()) / 20 / 4
    assert outcome.error_share <= 0.0005


@pytest.mark.parametrize("contestant", AUTO)
@pytest.mark.parametrize("scenario", ["sudden loss", "rolling deploy"])
def test_loss_and_deploys_are_hardly_noticed_within_the_budget(scenario: str, contestant: str) -> None:
    outcome = simulate(scenario, contestant, 5, 8000)
    assert outcome.error_share <= 0.001
    assert outcome.attempts <= 1.03 * len(outcome.latencies)


@pytest.mark.parametrize("reports", [False, True])
def test_when_sixty_percent_fail_the_rest_is_not_overrun(reports: bool) -> None:
    def prepare(simulation: Simulation) -> None:
        for backend in simulation.backends[:12]:
            backend.failing = 1.0

    outcome = run(Setup(prepare=prepare, load=0.3, retries=0), requests=12_000, reports=reports)
    assert max(outcome.received.values()) <= 2.0 * sum(outcome.received.values()) / 20
    assert outcome.error_share <= 0.35


@pytest.mark.parametrize("reports", [False, True])
def test_when_all_fail_the_load_is_at_most_a_fifth_more(reports: bool) -> None:
    def prepare(simulation: Simulation) -> None:
        for backend in simulation.backends:
            backend.failing = 1.0

    outcome = run(Setup(prepare=prepare, retries=3), requests=8000, reports=reports)
    assert outcome.attempts <= 1.21 * 8000


def test_a_server_that_comes_back_gets_half_of_its_share_at_most_in_the_first_second() -> None:
    def prepare(simulation: Simulation) -> None:
        backend = simulation.backends[4]

        def drain(_: float) -> None:
            for balancer in simulation.balancers:
                balancer.drain_server("s4")

        def restore(_: float) -> None:
            for balancer in simulation.balancers:
                balancer.restore_server("s4")
            simulation.at(simulation.now, lambda _: counts.append(received()))
            simulation.at(simulation.now + 1.0, lambda _: counts.append(received()))

        def received() -> tuple[int, int]:
            return backend.received, sum(each.received for each in simulation.backends)

        simulation.at(2.0, drain)
        simulation.at(5.0, restore)

    got = of = 0
    for seed in range(5, 9):
        counts: list[tuple[int, int]] = []
        run(Setup(prepare=prepare), requests=5000, seed=seed)
        (before, all_before), (after, all_after) = counts
        assert after > before
        got, of = got + after - before, of + all_after - all_before
    assert got <= 0.5 * of / 20


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_world(strategy: str) -> None:
    first, second = (run(SCENARIOS["half failing"], requests=800, strategy=strategy, reports=True) for _ in range(2))
    assert first.latencies == second.latencies
    assert first.received == second.received


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_runs_to_its_end(scenario: str) -> None:
    outcome = simulate(scenario, "auto", 1, 600)
    assert len(outcome.latencies) == 600
    assert outcome.attempts >= 600


@pytest.mark.parametrize("reference", REFERENCES)
def test_every_reference_answers_every_request(reference: str) -> None:
    outcome = simulate("key affinity" if reference.startswith("ring") else "half failing", reference, 1, 400)
    assert len(outcome.latencies) == 400
