"""Probes of real servers while everything around them is at its worst, and while a worker is being drained."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fleet import PATIENT, TOKEN, Fleet, started
from patience import PATIENCE, until

from perfkit.cli.main import main

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

PROBES = ("/health/live", "/health/ready", "/health/startup", "/health")
CHECKS = 20

UVICORN = "-m uvicorn stressed_app:app --port {port} --log-level warning"
SERVERS = {
    "uvicorn": UVICORN,
    "uvicorn --workers 2": " ".join([UVICORN, "--workers 2", *PATIENT]),
    "gunicorn": "-m gunicorn stressed_app:app -b 127.0.0.1:{port} -w 2 -k uvicorn_worker.UvicornWorker --timeout 120",
}
SERVED = [
    "uvicorn",
    "gunicorn",
    pytest.param("uvicorn --workers 2", marks=pytest.mark.acceptance),  # as the others, but for how it is started
]
MANY = (SERVERS["uvicorn --workers 2"], SERVERS["gunicorn"])
SYNC = "-m gunicorn fleet_wsgi_app:app -b 127.0.0.1:{port} -w 1 --timeout 120"


@contextlib.contextmanager
def served(server: str, folder: Path, **settings: str) -> Iterator[Fleet]:
    variables = {"STRESS_FOLDER": str(folder), **{f"PERFKIT_{name}": value for name, value in settings.items()}}
    with started(server.split(), variables, workers=2 if server in MANY else 0) as running:
        yield running


@contextlib.contextmanager
def requests(running: Fleet, paths: Sequence[str], folder: Path) -> Iterator[list[tuple[int, str]]]:
    """Have requests of *paths* under way; they are released, and their answers there, at the end."""
    answers: list[tuple[int, str]] = []
    threads = [
        threading.Thread(target=lambda path=path: answers.append(running.get(path)), daemon=True) for path in paths
    ]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        (folder / "release").touch()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)


def probe_all(running: Fleet, times: int) -> list[tuple[str, int]]:
    return [(path, running.get(path)[0]) for _ in range(times) for path in PROBES]


def document(running: Fleet) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(running.get("/health", token=True)[1])
    return found


def checks(running: Fleet) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in document(running)["checks"]}


def registered(running: Fleet) -> dict[str, dict[str, Any]]:
    own = {"hangs", "hangs-async", "leaks", "raises", "rubbish"}
    return {name: check for name, check in checks(running).items() if name in own or name.startswith("well-")}


def all_have_answered(found: dict[str, dict[str, Any]]) -> bool:
    return len(found) == CHECKS and all(check["checked_at"] for check in found.values())


def test_bad_checks_harm_neither_the_others_nor_the_probes(tmp_path: Path) -> None:
    with served(UVICORN, tmp_path) as running:
        found = until(lambda: registered(running), all_have_answered)
        found = until(lambda: registered(running), lambda found: found["hangs-async"]["timeouts"] >= 2)
        bad = {name: (check["status"], check["message"]) for name, check in found.items()}
        assert {status for name, (status, _) in bad.items() if name.startswith("well-")} == {"healthy"}
        assert bad["hangs"] == bad["hangs-async"] == ("critical", "timeout after 0.5 s")
        assert bad["raises"] == ("critical", "the check raised ConnectionError")
        assert bad["rubbish"][0] == "critical"
        assert bad["leaks"][0] == "healthy"
        assert "sesame" not in json.dumps(document(running))
        # None of them is critical, so the service goes on, with a warning.
        assert {code for _, code in probe_all(running, 5)} == {200}
        assert document(running)["status"] == "warning"
        # The thread that hangs is one, however often the check was due.
        ran = until(lambda: registered(running)["hangs"]["failures"], lambda failures: failures >= 3)
        assert ran >= 3
        names = json.loads(running.get("/threads")[1])
        assert sum(name.startswith("perfkit-health") for name in names) <= 5


def test_probes_answer_while_the_thread_pool_of_the_framework_is_exhausted(tmp_path: Path) -> None:
    with served(UVICORN, tmp_path) as running:
        until(lambda: registered(running), all_have_answered)
        with requests(running, [*["/hold"] * 40, "/plain"], tmp_path) as answers:
            pool = until(lambda: json.loads(running.get("/pool")[1]), lambda pool: pool["waiting"] >= 1)
            assert pool["busy"] == pool["total"] == 40
            assert {code for _, code in probe_all(running, 20)} == {200}
            assert all_have_answered(registered(running))
            # Nobody got a thread meanwhile: what wants one waits still.
            assert answers == []
        assert sorted(answers) == [(200, '"held"')] * 40 + [(200, '"plain"')]


def test_probes_answer_while_the_loop_is_busy_four_fifths_of_the_time(tmp_path: Path) -> None:
    with served(UVICORN, tmp_path) as running:
        until(lambda: registered(running), all_have_answered)
        with requests(running, ["/work"], tmp_path) as answers:
            assert {code for _, code in probe_all(running, 15)} == {200}
            assert document(running)["is_live"]
            assert all_have_answered(registered(running))
        ((status, text),) = answers
        assert status == 200
        assert json.loads(text)["busy"] >= 0.6


def drain(running: Fleet, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
    return main(["drain", f"http://127.0.0.1:{running.port}", *more])


def ready(running: Fleet) -> int:
    return running.get("/health/ready")[0]


@pytest.mark.parametrize("server", SERVED)
def test_a_drained_service_is_not_ready_in_any_worker_while_requests_in_flight_finish(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(SERVERS[server], tmp_path) as running:
        until(lambda: ready(running), lambda code: code == 200)
        with requests(running, ["/wait"] * 4, tmp_path) as answers:
            until(running.in_flight, lambda number: number >= 4)
            assert drain(running, monkeypatch) == 0
            assert capsys.readouterr().out == "draining\n"
            in_a_row(lambda: ready(running) == 503, 20)
            assert running.get("/health/live")[0] == 200
            assert running.get("/threads")[0] == 200, "who comes all the same is served"
            assert answers == []
        assert answers == [(200, '"waited"')] * 4
        assert drain(running, monkeypatch, "--end") == 0
        assert capsys.readouterr().out == "serving\n"
        in_a_row(lambda: ready(running) == 200, 20)


def test_workers_that_take_the_place_of_drained_ones_are_not_ready_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(f"{SERVERS['gunicorn']} --max-requests 30", tmp_path) as running:
        until(lambda: ready(running), lambda code: code == 200)
        before, pause = set(running.workers()), threading.Event()
        assert drain(running, monkeypatch) == 0

        def all_are_new() -> bool:
            for _ in range(20):
                ready_or_away(running)
            return before.isdisjoint(running.workers()) and len(running.workers()) == 2

        until(all_are_new)
        # Slowly, as a probe comes: each request brings the next replacement nearer.
        until(
            lambda: [ready_or_away(running) for _ in range(8) if not pause.wait(0.25)],
            lambda codes: set(codes) == {503},
        )


def ready_or_away(running: Fleet) -> int:
    """Return the answer of readiness; 0 if the worker ended just then."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return ready(running)
    return 0


def in_a_row(is_so: Callable[[], bool], times: int) -> None:
    """Wait until something is so many times one after the other: whichever worker answers."""
    until(lambda: all(is_so() for _ in range(times)))


@pytest.mark.parametrize("server", SERVED)
def test_sigterm_waits_until_the_load_balancer_has_noticed(server: str, tmp_path: Path) -> None:
    with served(SERVERS[server], tmp_path, HEALTH__DRAIN_ON_SIGTERM="6") as running:
        in_a_row(lambda: ready(running) == 200, 8)
        with requests(running, ["/wait"], tmp_path) as answers:
            until(running.in_flight, lambda number: number >= 1)
            running.signal(signal.SIGTERM)
            in_a_row(lambda: ready(running) == 503, 8)
            assert running.get("/health/live")[0] == 200
            assert running.process.poll() is None
        assert answers == [(200, '"waited"')]
        assert running.process.wait(PATIENCE) in (0, -signal.SIGTERM)


def test_sigterm_of_sync_workers_waits_too(tmp_path: Path) -> None:
    with served(SYNC, tmp_path, HEALTH__DRAIN_ON_SIGTERM="4") as running:
        until(lambda: ready(running), lambda code: code == 200)
        running.signal(signal.SIGTERM)
        until(lambda: ready(running), lambda code: code == 503)
        assert running.get("/items/1") == (200, "1")
        running.process.wait(PATIENCE)
        assert "has no effect" not in running.log.read_text()


def test_where_sigterm_cannot_be_delayed_the_log_says_why(tmp_path: Path) -> None:
    with served(f"{SYNC} --threads 2", tmp_path, HEALTH__DRAIN_ON_SIGTERM="3600") as running:
        until(lambda: ready(running), lambda code: code == 200)
        assert "has no effect" in running.log.read_text()
        assert "outside the main thread" in running.log.read_text()
        running.signal(signal.SIGTERM)
        running.process.wait(PATIENCE)


def test_a_second_sigterm_goes_through_at_once(tmp_path: Path) -> None:
    with served(UVICORN, tmp_path, HEALTH__DRAIN_ON_SIGTERM="3600") as running:
        until(lambda: ready(running), lambda code: code == 200)
        running.signal(signal.SIGTERM)
        until(lambda: ready(running), lambda code: code == 503)
        running.signal(signal.SIGTERM)
        running.process.wait(PATIENCE)


def test_the_command_says_why_it_could_not_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(UVICORN, tmp_path) as running:
        monkeypatch.setenv("PERFKIT_TOKEN", "a-wrong-token-for-the-fleet")
        assert main(["drain", f"127.0.0.1:{running.port}"]) == 4  # it may not
        assert "PERFKIT_TOKEN" in capsys.readouterr().err
        assert ready(running) == 200
    assert main(["drain", f"127.0.0.1:{running.port}"]) == 3  # nobody there
    assert "did not answer" in capsys.readouterr().err


def test_the_command_tells_how_a_service_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(UVICORN, tmp_path) as running:
        url = f"http://127.0.0.1:{running.port}"
        until(lambda: registered(running), all_have_answered)
        monkeypatch.delenv("PERFKIT_TOKEN", raising=False)
        assert main(["health", url]) == 0
        assert capsys.readouterr().out == "warning\n", "a stranger gets the word alone"
        monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
        assert main(["health", url]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("warning\n")
        assert "critical: raises: the check raised ConnectionError" in shown
        assert main(["health", f"{url}/health/live", "--quiet"]) == 0
        assert drain(running, monkeypatch) == 0
        capsys.readouterr()
        assert main(["health", f"{url}/health/ready"]) == 1
        assert main(["health", f"{url}/nowhere"]) == 1
        assert main(["health", f"{url}/health/ready", "--quiet"]) == 1
    assert main(["health", url, "--timeout", "1"]) == 1
