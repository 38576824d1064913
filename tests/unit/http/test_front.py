"""The front: what the routes ask of a system, the token, and the line that tells a developer where the pages are."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perfkit.core.message import Request
from perfkit.core.names import ERRORS
from perfkit.core.status import Status
from perfkit.dashboard import OverviewData
from perfkit.http.front import Front
from perfkit.http.routes import Routes
from perfkit.http.tokens import TOKEN_FILE
from perfkit.metrics.exposition import Format
from perfkit.system import PerformanceSystem

Make = Callable[..., PerformanceSystem]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make systems that are started, and stop them after the test."""
    made: list[PerformanceSystem] = []

    def make(environment: str = "testing", **settings: Any) -> PerformanceSystem:
        made.append(PerformanceSystem(settings, environment=environment, origin=str(len(made))).start())
        return made[-1]

    yield make
    for system in made:
        system.stop()


def in_files(directory: Path) -> dict[str, Any]:
    return {"store": {"directory": str(directory)}}


def test_it_answers_for_its_system(make: Make) -> None:
    system = make(service="shop", release="1.2")
    front = Front(system)
    assert (front.config, front.clock, front.errors) == (system.config, system.clock, system.errors)
    assert front.health_snapshot().status is Status.HEALTHY
    assert front.expose(Format.PROMETHEUS) == system.export_metrics("prometheus").encode()
    json.loads(front.expose(Format.JSON, names=["perfkit_build_info"]))


@pytest.mark.parametrize("word", ["performance", "health"])
def test_the_overview_stands_without_a_component_that_is_switched_off(make: Make, word: str) -> None:
    system = make(**{word: {"enabled": False}})
    front = Front(system)
    data = front.overview_data()
    assert data.missing == (word,)
    assert data.verdict.headline == f"No verdict: {word} is switched off"
    routes, token = Routes(front), {"authorization": f"Bearer {front.token}"}
    for path in ("/perfkit/", "/perfkit/api/overview"):
        answer = routes.respond(Request(method="GET", path=path, headers=token))
        assert answer is not None
        assert answer.status == 200
    assert json.loads(answer.body)[word] is None


def test_the_overview_has_what_the_dashboard_has(make: Make) -> None:
    system = make(service="shop", release="1.2")
    overview, dashboard = Front(system).overview_data(), system.get_performance_dashboard()
    assert isinstance(overview, OverviewData)
    assert (overview.service, overview.environment, overview.release) == ("shop", "testing", "1.2")
    assert overview.verdict == dashboard.summary.verdict
    assert overview.targets == system.targets
    assert (overview.is_shared, overview.degraded) == (False, "")


def test_a_token_that_is_given_is_the_token(make: Make) -> None:
    assert Front(make(access={"token": "a-token-of-the-user"})).token == "a-token-of-the-user"


def test_without_one_a_worker_in_memory_makes_its_own_and_keeps_it(make: Make) -> None:
    first, second = Front(make()), Front(make())
    assert len(first.token) >= 32
    assert first.token == first.token
    assert first.token != second.token


def test_workers_of_one_directory_share_one_token_that_others_cannot_read(make: Make, tmp_path: Path) -> None:
    first, second = (Front(make("production", **in_files(tmp_path))) for _ in range(2))
    assert first.token == second.token
    (file,) = tmp_path.rglob(TOKEN_FILE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == first.token


def test_a_token_made_before_the_start_becomes_the_shared_one(tmp_path: Path) -> None:
    system = PerformanceSystem(in_files(tmp_path), environment="production")
    front = Front(system)
    before = front.token
    with system:
        assert front.token == before == next(tmp_path.rglob(TOKEN_FILE)).read_text()


def test_a_token_file_that_others_can_read_is_refused_and_counted(make: Make, tmp_path: Path) -> None:
    system = make("production", **in_files(tmp_path))
    directory = system.store.directory
    assert directory is not None
    (directory / TOKEN_FILE).write_text("known-to-everybody-on-this-machine")
    os.chmod(directory / TOKEN_FILE, 0o644)
    front = Front(system)
    assert front.token != "known-to-everybody-on-this-machine"
    assert front.token == front.token
    (family,) = system.store.families({ERRORS.name})
    assert [(point.labels, point.value) for point in family.points] == [(("http", "StoreError"), 1.0)]


def announced(front: Front, capsys: pytest.CaptureFixture[str]) -> str:
    front.announce("http://127.0.0.1:8000")
    return capsys.readouterr().err


def test_in_development_the_ready_url_is_printed_once(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    front = Front(make("development", store={"mode": "memory"}))
    assert announced(front, capsys) == f"perfkit: dashboard http://127.0.0.1:8000/perfkit/?t={front.token}\n"
    assert announced(front, capsys) == ""


def test_of_several_workers_one_prints_it(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fronts = [Front(make("development", **in_files(tmp_path))) for _ in range(3)]
    assert [bool(announced(front, capsys)) for front in fronts] == [True, False, False]


def test_it_is_printed_with_the_paths_of_the_settings(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    http = {"prefix": "/internal", "dashboard_path": "/dash"}
    front = Front(make("development", store={"mode": "memory"}, http=http))
    assert announced(front, capsys).endswith(f" http://127.0.0.1:8000/internal/dash/?t={front.token}\n")


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ("production", {}),
        ("testing", {}),
        ("development", {"http": {"dashboard_path": None}}),
        ("development", {"access": {"access": "off"}}),
        ("development", {"access": {"token": "a-token-of-the-user"}}),
    ],
    ids=["in production", "in tests", "without pages", "without access", "with a token of the user's"],
)
def test_it_is_not_printed(
    environment: str, settings: dict[str, Any], make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    assert announced(Front(make(environment, store={"mode": "memory"}, **settings)), capsys) == ""


def test_a_token_survives_the_removal_of_the_stores_files(tmp_path: Path) -> None:
    with PerformanceSystem(in_files(tmp_path), environment="production") as system:
        front = Front(system)
        before, directory = front.token, system.store.directory
        assert directory is not None
        (directory / TOKEN_FILE).unlink()
        directory.rename(directory.with_name("gone"))
        directory.mkdir(mode=0o700)
        assert front.token == before
        assert (directory / TOKEN_FILE).read_text() == before
