"""Four workers of gunicorn, each with its share of the work: every worker's page is right for all of them."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet import TOKEN, Fleet, started
from patience import until

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

SHARES = (1, 2, 3, 4)
VALUES = 25_000
# Threads let a connection live on, and so stay with its worker.
GUNICORN = "-m gunicorn numbers_app:app -b 127.0.0.1:{port} -w 4 --threads 2 --keep-alive 60 --timeout 120"

Series = dict[tuple[str, str], float]


@contextlib.contextmanager
def connection(running: Fleet) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    try:
        yield made
    finally:
        made.close()


def ask(made: http.client.HTTPConnection, path: str) -> str:
    made.request("GET", path, headers={"authorization": f"Bearer {TOKEN}"})
    answer = made.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, text
    return text


def page_of(made: http.client.HTTPConnection) -> Series:
    """Return all samples of the page of the worker that *made* leads to."""
    return {
        (sample["name"], "".join(f"{label}={value}" for label, value in sample["labels"].items())): sample["value"]
        for family in json.loads(ask(made, "/metrics?format=json"))
        for sample in family["samples"]
    }


class Counted:
    """A server whose workers have each done one share."""

    def __init__(self, running: Fleet, folder: Path) -> None:
        self.running, self.folder = running, folder
        until(self._work, lambda done: len(done) == len(SHARES))
        self.pids = {share: int((folder / f"done-{share}").read_text()) for share in SHARES}

    def _work(self) -> list[Path]:
        """Send one request; one after the other, so that the last share is done last."""
        assert self.running.get("/work")[0] == 200
        return list(self.folder.glob("done-*"))

    @contextlib.contextmanager
    def worker(self, share: int) -> Iterator[http.client.HTTPConnection]:
        """Lead to the worker that did *share*."""
        with contextlib.ExitStack() as held:

            def find() -> http.client.HTTPConnection | None:
                made = held.enter_context(connection(self.running))
                return made if int(ask(made, "/pid")) == self.pids[share] else None

            found = until(find)
            assert found is not None
            yield found


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    folder = tmp_path_factory.mktemp("numbers")
    with started(GUNICORN.split(), {"NUMBERS_FOLDER": str(folder)}, workers=4) as running:
        yield Counted(running, folder)


@functools.cache
def exact() -> list[float]:
    values = []
    for share in SHARES:
        generator = random.Random(share)
        values += [generator.lognormvariate(0.0, 2.0) for _ in range(VALUES)]
    return sorted(values)


@pytest.mark.parametrize("share", SHARES)
def test_each_worker_s_page_is_right_for_all_of_them(counted: Counted, share: int) -> None:
    with counted.worker(share) as made:
        # Callbacks are asked once a second; all else is there at once.
        page = until(lambda: page_of(made), lambda page: page.get(("sampled", "")) == 40.0)
    assert page["jobs_total", "kind=kept"] == 1000.0
    assert [page["jobs_total", f"kind=own_{number}"] for number in SHARES] == [0.5] * 4
    joined = {mode: page[f"level_{mode}", ""] for mode in ("sum", "max", "min", "mean", "latest")}
    assert joined == {"sum": 10.0, "max": 4.0, "min": 1.0, "mean": 2.5, "latest": 4.0}
    assert sorted(value for (name, _), value in page.items() if name == "level_per_worker") == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("share", SHARES)
def test_quantiles_of_100_000_values_are_within_6_percent(counted: Counted, share: int) -> None:
    with counted.worker(share) as made:
        page = page_of(made)
    for quantile in (0.5, 0.9, 0.95, 0.99, 0.999):
        at = exact()[int(quantile * len(exact()))]
        assert page["weight", f"quantile={quantile}"] == pytest.approx(at, rel=0.06)
    assert page["weight_count", ""] == page["wait_seconds_count", ""] == 100_000.0
    assert page["weight_sum", ""] == pytest.approx(sum(exact()))


@pytest.mark.parametrize("share", SHARES)
def test_the_health_of_all_workers_is_told_by_each(counted: Counted, share: int) -> None:
    def told(made: http.client.HTTPConnection) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask(made, "/health"))
        return found

    with counted.worker(share) as made:
        health = until(lambda: told(made), lambda health: _share(health)["status"] == "healthy")
    assert {worker["pid"] for worker in health["workers"]} == set(counted.pids.values())
    assert all(worker["is_live"] for worker in health["workers"])


def _share(health: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(check for check in health["checks"] if check["name"] == "share")
    return found


def test_a_killed_worker_takes_its_gauges_along_and_leaves_its_counts(counted: Counted) -> None:
    os.kill(counted.pids[4], signal.SIGKILL)

    def without_the_fourth(page: Series) -> bool:
        return page["level_sum", ""] == 6.0 and page["sampled", ""] == 30.0

    with counted.worker(1) as made:
        page = until(lambda: page_of(made), without_the_fourth)
    assert {mode: page[f"level_{mode}", ""] for mode in ("max", "min", "mean", "latest")} == {
        "max": 3.0,
        "min": 1.0,
        "mean": 2.0,
        "latest": 3.0,
    }
    assert page["jobs_total", "kind=kept"] == 1000.0
    assert page["weight_count", ""] == 100_000.0
