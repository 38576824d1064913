"""How many connections a pool needs: the formula against the simulation, and the advice from real pools."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool

from perfkit.core.spans import begin_exchange, seal_exchange, set_exchange
from perfkit.database import DatabaseOptimizer
from perfkit.database.pool.queueing import (
    Demand,
    demand_of,
    erlang_c,
    replayed_waits,
    sufficient_size,
    wait_quantile,
)


def poisson(rate: float, hold: float, count: int, seed: int) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    at, trace = 0.0, []
    for _ in range(count):
        at += rng.expovariate(rate)
        trace.append((at, rng.expovariate(1.0 / hold)))
    return trace


def test_the_probability_to_wait_is_erlangs() -> None:
    assert erlang_c(1.0, 1) == 1.0
    assert erlang_c(0.5, 1) == pytest.approx(0.5)
    assert erlang_c(2.0, 3) == pytest.approx(4 / 9)
    assert erlang_c(0.0, 3) == 0.0


@pytest.mark.parametrize(("rate", "hold", "servers"), [(100.0, 0.02, 4), (50.0, 0.1, 7), (400.0, 0.01, 6)])
def test_the_formula_agrees_with_the_simulation(rate: float, hold: float, servers: int) -> None:
    trace = poisson(rate, hold, 60_000, seed=1)
    waits = replayed_waits(trace, servers)
    waited = sum(wait > 0.0 for wait in waits) / len(waits)
    assert waited == pytest.approx(erlang_c(rate * hold, servers), abs=0.03)
    p99 = sorted(waits)[int(0.99 * len(waits))]
    assert p99 == pytest.approx(wait_quantile(Demand(rate=rate, hold=hold), servers, 0.99), rel=0.25, abs=0.002)


@pytest.mark.parametrize("seed", range(24))
def test_the_recommended_size_is_the_smallest_sufficient_one(seed: int) -> None:
    rng = random.Random(seed)
    rate, hold = rng.uniform(20, 300), rng.uniform(0.005, 0.1)
    trace = poisson(rate, hold, 4_000, seed)
    size = sufficient_size(demand_of([at for at, _ in trace], [each for _, each in trace]), target=0.01, trace=trace)
    fresh = poisson(rate, hold, 4_000, seed)

    def suffices(servers: int) -> bool:
        waits = sorted(replayed_waits(fresh, servers))
        return waits[math.ceil(0.99 * len(waits)) - 1] <= 0.01

    assert suffices(size)
    assert size == 1 or not suffices(size - 1)
    formula = sufficient_size(Demand(rate=rate, hold=hold), target=0.01)
    assert abs(formula - size) <= max(2, size // 5)


def test_bursts_need_more_than_the_formula_says() -> None:
    trace = [(second * 1.0 + number * 1e-4, 0.05) for second in range(200) for number in range(12)]
    demand = demand_of([at for at, _ in trace], [hold for _, hold in trace])
    assert sufficient_size(demand, target=0.01, trace=trace) == 12


@pytest.fixture
def database() -> Any:
    database = DatabaseOptimizer()
    database.start()
    yield database
    database.stop()


def test_a_pool_that_makes_callers_wait_is_told_with_the_size_it_needs(
    tmp_path: Any, database: DatabaseOptimizer
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}", poolclass=QueuePool, pool_size=1, max_overflow=0)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    (known,) = database._pools._pools.values()
    start = time.perf_counter()
    known.trace.extend((start + second * 0.1 + number * 1e-4, 0.03) for second in range(60) for number in range(4))
    (finding,) = [each for each in database.findings() if each.kind == "pool_too_small"]
    assert (finding.object, finding.evidence["size"], finding.evidence["recommended"]) == ("sqlite-1", 1, 4)
    assert "pool_size=4" in finding.fix["sqlalchemy"]
    engine.dispose()


def test_taking_holding_and_waiting_are_counted(tmp_path: Any, database: DatabaseOptimizer) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}", poolclass=QueuePool, pool_size=2, max_overflow=0)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        database.tick(0.0)
        families = {family.definition.name: family for family in database._store.families()}
        states = {point.labels: point.value for point in families["db_client_connection_count"].points}
        assert states == {("sqlite-1", "used"): 1.0, ("sqlite-1", "idle"): 0.0}
    with engine.connect():
        pass
    families = {family.definition.name: family for family in database._store.families()}
    assert families["db_client_connection_use_time_seconds"].points[0].value.count == 2  # type: ignore[union-attr]
    assert families["db_client_connection_wait_time_seconds"].points[0].value.count == 1  # type: ignore[union-attr]
    engine.dispose()


def test_a_connection_that_outlives_its_request_is_a_leak(tmp_path: Any) -> None:
    from perfkit.core.context import Context
    from perfkit.store import Store
    from perfkit.testing.clock import FakeClock

    clock = FakeClock()
    database = DatabaseOptimizer(context=Context(store=Store(clock=clock), clock=clock))
    database.start()
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}", poolclass=QueuePool)
    spans = begin_exchange()
    leaked = engine.connect()
    leaked.execute(text("SELECT 1"))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert not list(database.findings())
    seal_exchange(spans)
    set_exchange(None)
    database.digest()
    clock.advance(6.0)
    (finding,) = [each for each in database.findings() if each.kind == "connection_leak"]
    assert finding.site is not None
    assert finding.site.startswith("tests/unit/database/test_pool_queueing.py:")
    leaked.close()
    engine.dispose()
    database.stop()


def test_a_connection_held_without_work_is_told_with_its_line(
    tmp_path: Any, database: DatabaseOptimizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfkit.database.pool.pools.IDLE", 0.05)
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}", poolclass=QueuePool)
    spans = begin_exchange()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        time.sleep(0.08)
    seal_exchange(spans)
    (finding,) = list(database.findings())
    assert finding.kind == "idle_in_transaction"
    assert finding.site is not None
    assert finding.site.startswith("tests/unit/database/test_pool_queueing.py:")
    engine.dispose()


def test_a_connection_out_for_long_is_told(
    tmp_path: Any, database: DatabaseOptimizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfkit.database.pool.pools.LONG", 0.01)
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}", poolclass=QueuePool)
    with engine.connect():
        time.sleep(0.02)
        assert [finding.kind for finding in database.findings()] == ["long_transaction"]
    engine.dispose()
