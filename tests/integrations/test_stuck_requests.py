"""Requests that hang in a thread: told while they hang, with place and route, by real servers and all adapters."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from fleet import Fleet, started
from patience import PATIENCE, until

pytestmark = [pytest.mark.server, pytest.mark.timeout(200)]

GUNICORN = "-m gunicorn stuck_app:{app}() -b 127.0.0.1:{{port}} -w 1 --threads 4 --timeout 120"
ROUTES = {"plain": "", "flask": "/hold/<int:number>", "django": "/hold/<int:number>"}


def told(running: Fleet) -> dict[str, Any]:
    status, text = running.get("/told")
    assert status == 200
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("app", ROUTES)
def test_a_request_that_hangs_is_told_while_it_does(app: str, tmp_path: Path) -> None:
    variables = {"STUCK_FOLDER": str(tmp_path), "PERFKIT_PERFORMANCE__STUCK__THRESHOLD": "1"}
    with started(GUNICORN.format(app=app).split(), variables) as running:
        threads = [threading.Thread(target=running.get, args=(f"/hold/{number}",), daemon=True) for number in (1, 2)]
        for thread in threads:
            thread.start()
        found = until(lambda: told(running), lambda found: len(found["stuck"]) >= 2)
        source = Path(__file__).parents[1].joinpath("support", "stuck_app.py").read_text().splitlines()
        line = next(number for number, text in enumerate(source, 1) if "the line that the reports" in text)
        for stuck in found["stuck"]:
            assert (stuck["method"], stuck["route"]) == ("GET", ROUTES[app])
            assert (stuck["function"], stuck["code"].partition(" ")[0]) == ("hang", "time.sleep(0.05)")
            assert stuck["site"].endswith(f"stuck_app.py:{line}") or stuck["site"].endswith(f"stuck_app.py:{line - 1}")
        assert "PK403" in found["findings"]
        assert running.scrape()["perfkit_stuck_requests", ()] == 2.0
        assert "has held the thread" in running.log.read_text()
        (tmp_path / "release").touch()
        for thread in threads:
            thread.join(PATIENCE)
        until(lambda: running.scrape()["perfkit_stuck_requests", ()], lambda count: count == 0.0)
