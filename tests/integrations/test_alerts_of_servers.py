"""Real servers with four workers: one alert, whoever evaluates, also when that worker is killed."""

from __future__ import annotations

import json
import os
import signal
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from alert_sinks import WebSink
from fleet import Fleet, fleet

from perfkit.alerts.journal import STATE
from perfkit.core.names import REQUEST_DURATION
from perfkit.store.lease import RECORD
from perfkit.store.texts import Texts

pytestmark = pytest.mark.server

RULES = {
    "Requests": {"metric": REQUEST_DURATION.name, "measure": "increase", "window": 600, "above": 20, "for": 0},
    "More": {"metric": REQUEST_DURATION.name, "measure": "increase", "window": 600, "above": 60, "for": 0},
}


def until(is_true: Callable[[], bool], running: Fleet, *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, running.log.read_text()[-3000:]
        time.sleep(0.1)


def leader(directory: Path) -> int:
    """Return the process that holds the lease; 0 if there is none."""
    path = directory / "leader.lease"
    data = path.read_bytes() if path.exists() else b""
    return int(RECORD.unpack(data[: RECORD.size])[4]) if len(data) >= RECORD.size else 0


def is_written(directory: Path) -> bool:
    """Return whether a state in the files says that the receiver was told."""
    texts = Texts()
    texts.open(directory, 999)
    states = (msgspec.msgpack.decode(zlib.decompress(part["body"])) for part in texts.read(STATE) if part["of"] == 1)
    return any(state["told"].get("hook") for state in states)


def serve(running: Fleet, count: int) -> None:
    for number in range(count):
        assert running.get(f"/items/{number}")[0] == 200


def told(sink: WebSink) -> list[tuple[str, str]]:
    return [(each["labels"]["alertname"], each["status"]) for body in sink.json() for each in body["alerts"]]


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_four_workers_send_one_message_and_so_do_those_after_a_kill(server: str, tmp_path: Path) -> None:
    with WebSink().running() as sink:
        receiver = {"type": "webhook", "url": sink.url, "group_wait": 0, "group_interval": 0}
        environment = {
            "PERFKIT_ALERTS__RULES": json.dumps(RULES),
            "PERFKIT_ALERTS__RECEIVERS": json.dumps({"hook": receiver}),
            "PERFKIT_ALERTS__DEFAULT_RULES": "false",
            "PERFKIT_ALERTS__INTERVAL": "1",
            "PERFKIT_STORE__DIRECTORY": str(tmp_path),
            "no_proxy": "127.0.0.1",
            "NO_PROXY": "127.0.0.1",
        }
        with fleet(server, env=environment) as running:
            serve(running, 30)
            until(lambda: told(sink) == [("Requests", "firing")], running)
            until(lambda: is_written(tmp_path), running)
            first = leader(tmp_path)
            assert first in running.workers()
            os.kill(first, signal.SIGKILL)
            until(lambda: leader(tmp_path) not in (0, first), running)
            serve(running, 40)
            until(lambda: ("More", "firing") in told(sink), running)
            assert sorted(told(sink)) == [("More", "firing"), ("Requests", "firing")]
            metrics = running.scrape()
            assert metrics[("perfkit_alerts_firing", (("severity", "warning"),))] == 2.0
