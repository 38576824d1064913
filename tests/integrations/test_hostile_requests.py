"""Whatever strangers send, perfkit does not grow: the short twin of the million in tests/acceptance."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from asgi_driver import exchange, scope_of
from hostile import Attack, assert_bounded, attacked, bare_app, pass_second

from perfkit.core.names import REQUEST_DURATION
from perfkit_asgi import PerfkitMiddleware

TOTAL = 20_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("where", ["memory", "files"])
def test_hostile_requests_leave_bounded_traces(where: str, tmp_path: Path) -> None:
    with attacked(tmp_path if where == "files" else None) as (app, system, clock):
        attack = Attack(app, bare_app(), seed=7)
        asyncio.run(attack.run(TOTAL))
        pass_second(system, clock)
        assert_bounded(app, system, attack)
        assert attack.sent == TOTAL


@pytest.mark.timeout(600)
def test_an_app_that_makes_an_error_class_for_each_request_is_bounded_as_well() -> None:
    numbers = iter(range(6_000))

    async def app(scope: object, receive: object, send: object) -> None:
        raise type(f"Error{next(numbers)}", (Exception,), {})

    async def ask_them_all() -> None:
        for _ in range(6_000):
            answer = await exchange(wrapped, scope_of("GET", "/"))
            assert answer.error is not None

    wrapped = PerfkitMiddleware(app, service="attacked", store={"mode": "memory"})
    asyncio.run(ask_them_all())
    system = wrapped.system
    try:
        (family,) = system.store.families({REQUEST_DURATION.name})
        assert len(family.points) <= system.config.store.max_series_per_family + 1
        others = [point for point in family.points if point.labels[1] == "_other"]
        assert sum(point.value.count for point in others) > 1_000
        overflow = system.store.families({"perfkit_store_overflow_total"})[0].points[0].value
        assert overflow > 1_000
    finally:
        system.stop()
