"""A million hostile requests: slots, series, dictionaries and memory stay where they are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hostile import Attack, assert_bounded, attacked, bare_app, pass_second, resident, slope

TOTAL = 1_000_000
ROUND = 10_000
MOST_GROWTH = 2.0
"""Bytes a request by which the resident memory may grow over the last half.

Time passes in the first half only, and enough of it for each tier of the history: what is kept of the past grows with
time and with nothing that a stranger sends.
"""

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("where", ["memory", "files"])
def test_a_million_hostile_requests_do_not_make_perfkit_grow(where: str, tmp_path: Path) -> None:
    memory = []
    with attacked(tmp_path if where == "files" else None) as (app, system, clock):
        attack = Attack(app, bare_app(), seed=11)

        async def run() -> None:
            for number in range(TOTAL // ROUND):
                await attack.run(ROUND)
                if number < TOTAL // ROUND // 2:
                    for _ in range(20):
                        pass_second(system, clock)
                memory.append((float((number + 1) * ROUND), float(resident())))

        asyncio.run(run())
        assert_bounded(app, system, attack)
        assert attack.sent == TOTAL
        assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 32 * 1024 * 1024
        last_half = memory[len(memory) // 2 :]
        assert slope(last_half) < MOST_GROWTH, [f"{at:.0f}: {size / 2**20:.1f} MiB" for at, size in memory[::10]]
