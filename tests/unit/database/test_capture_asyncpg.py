"""asyncpg's hook is tested at the start, without a server."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from perfkit.database import DatabaseOptimizer


def active(database: DatabaseOptimizer) -> dict[str, bool]:
    return {state.name: state.is_active for state in database.snapshot().captures}


def test_the_hook_is_in_and_out_again() -> None:
    original = asyncpg.Connection.fetch
    database = DatabaseOptimizer()
    database.start()
    assert asyncpg.Connection.fetch is not original
    assert active(database)["asyncpg"]
    assert database.snapshot().statements == 0
    database.stop()
    assert asyncpg.Connection.fetch is original


def test_a_hook_that_is_lost_is_told_loudly(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def ineffective(recorder: Any, original: Any, name: str) -> Any:
        return original

    monkeypatch.setattr("perfkit.database.capture.asyncpg.captured", ineffective)
    database = DatabaseOptimizer()
    database.start()
    found = [each.object for each in database.findings() if each.kind == "inactive_capture"]
    assert found == ["asyncpg"]
    assert not active(database)["asyncpg"]
    assert "The statements of asyncpg are not captured" in caplog.text
    database.stop()
