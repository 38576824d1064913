"""A million hostile requests: slots, series, dictionaries and memory stay where they are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hostile import Attack, attacked_app, bare_app, pass_second, perfkit_of, resident, slope

from perfkit.core.names import ERRORS, REQUEST_DURATION

TOTAL = 1_000_000
ROUND = 10_000
MOST_SERIES = 1_200
MOST_GROWTH = 2.0
"""Bytes a request by which the resident memory may grow over the last half.

Time passes in the first half only, and enough of it for each tier of the history: what is kept of the past grows with
time and with nothing that a stranger sends.
"""

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


@pytest.mark.parametrize("where", ["memory", "files"])
def test_a_million_hostile_requests_do_not_make_perfkit_grow(where: str, tmp_path: Path) -> None:
    app, system, clock = attacked_app(tmp_path if where == "files" else None)
    attack, memory = Attack(app, bare_app(), seed=11), []

    async def run() -> None:
        for number in range(TOTAL // ROUND):
            await attack.run(ROUND)
            if number < TOTAL // ROUND // 2:
                for _ in range(20):
                    pass_second(system, clock)
            memory.append((float((number + 1) * ROUND), float(resident())))

    asyncio.run(run())
    store, life = system.store, perfkit_of(app)._life
    try:
        families = {family.definition.name: family for family in store.families()}
        requests = families[REQUEST_DURATION.name].points
        assert attack.raised == []
        assert ERRORS.name not in families
        assert sum(point.value.count for point in requests) == attack.measured > 0.9 * TOTAL
        assert len(requests) < MOST_SERIES
        assert store.in_flight() == 0
        assert len(life.instrumentation._rows) <= 1.25 * len(requests)
        assert len(life.instrumentation._held) < 20
        assert len(life.routes._places) < 20
        assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 32 * 1024 * 1024
        last_half = memory[len(memory) // 2 :]
        assert slope(last_half) < MOST_GROWTH, [f"{at:.0f}: {size / 2**20:.1f} MiB" for at, size in memory[::10]]
    finally:
        system.stop()
