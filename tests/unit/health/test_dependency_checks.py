"""The ready-made checks, against real sockets and databases."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.core.checks import CheckResult
from perfkit.core.context import Context
from perfkit.core.errors import ConfigurationError, MissingDependencyError
from perfkit.core.status import Status
from perfkit.health import HealthChecker, database_check, django_check, http_check, redis_check, tcp_check
from perfkit.store import Store, StoreSettings

HEALTHY, CRITICAL, UNKNOWN = Status.HEALTHY, Status.CRITICAL, Status.UNKNOWN


class Answers(BaseHTTPRequestHandler):
    """Answers as the path says: a status, or a redirect to what follows."""

    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["authorization"]))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/to/"))
        else:
            self.send_response(int(self.path[1:4]))
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[int]:
    Answers.seen.clear()
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("path", "expect", "status"),
    [
        ("/200", None, HEALTHY),
        ("/204", None, HEALTHY),
        ("/404", None, CRITICAL),
        ("/503", None, CRITICAL),
        ("/404", 404, HEALTHY),
        ("/401", {200, 401}, HEALTHY),
        ("/200", 204, CRITICAL),
        ("/to//200", None, HEALTHY),
        ("/to//to//200", None, HEALTHY),
        ("/to/http://elsewhere.invalid/200", None, CRITICAL),
        ("/to//to//to//to//to//200", None, CRITICAL),
    ],
)
def test_http_is_judged_by_its_status(web: int, path: str, expect: Any, status: Status) -> None:
    check = http_check(f"http://127.0.0.1:{web}{path}", expect=expect, timeout=30.0)
    assert check().status is status


def test_http_sends_headers_and_credentials_and_shows_neither(web: int) -> None:
    check = http_check(f"http://user:hunter2@127.0.0.1:{web}/200", timeout=30.0)
    assert check().status is HEALTHY
    assert Answers.seen == [("/200", "Basic dXNlcjpodW50ZXIy")]
    assert "hunter2" not in repr(check)


@pytest.mark.parametrize(
    "url", ["", "ftp://a/b", "http://", "http://a b/", "http://a:99999/", "//a", "http://a/\r\nx:y"]
)
def test_a_url_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be asked"):
        http_check(url)


@pytest.mark.parametrize("value", ["sesame\n", "sesame\x00", "sesame€"])
def test_a_header_that_cannot_be_sent_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be sent") as caught:
        http_check("http://127.0.0.1:1/", headers={"x-key": value})
    assert "sesame" not in str(caught.value)


def test_tcp_connects_or_raises(web: int, nobody: int) -> None:
    assert tcp_check("127.0.0.1", web, timeout=30.0)().status is HEALTHY
    with pytest.raises(ConnectionRefusedError):
        tcp_check("127.0.0.1", nobody)()
    with pytest.raises(ConfigurationError, match="port 0"):
        tcp_check("127.0.0.1", 0)


@contextlib.contextmanager
def redis(answers: dict[bytes, bytes]) -> Iterator[int]:
    """A server that answers each first word of a command as told, in one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                while count := lines.readline():
                    words = []
                    for _ in range(int(count[1:])):
                        lines.readline()
                        words.append(lines.readline().strip())
                    connection.sendall(answers.get(words[0], b"-ERR unknown\r\n"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)


def test_redis_answers_its_ping_by_url_without_any_package() -> None:
    with redis({b"AUTH": b"+OK\r\n", b"PING": b"+PONG\r\n"}) as port:
        assert redis_check(f"redis://u:p@127.0.0.1:{port}", timeout=30.0)().status is HEALTHY
    with redis({b"PING": b"-NOAUTH Authentication required\r\n"}) as port:
        check = redis_check(f"redis://127.0.0.1:{port}", timeout=30.0)
        with pytest.raises(ConnectionError, match="NOAUTH"):
            check()


def test_redis_is_asked_by_the_app_s_own_client() -> None:
    class Client:
        def ping(self) -> bool:
            return True

    class Async:
        async def ping(self) -> bool:
            return True

    assert redis_check(Client())().status is HEALTHY
    assert asyncio.run(redis_check(Async())()).status is HEALTHY
    for wrong in (object(), "http://a", "redis://"):
        with pytest.raises(ConfigurationError):
            redis_check(wrong)


def test_a_database_is_asked_by_engine_url_or_function(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    assert database_check(engine)().status is HEALTHY
    assert database_check(f"sqlite:///{path}")().status is HEALTHY
    assert database_check(lambda: sqlite3.connect(path))().status is HEALTHY
    with pytest.raises(sqlalchemy.exc.OperationalError):
        database_check(engine, query="SELECT * FROM missing")()
    engine.dispose()


def test_an_async_engine_is_asked_by_a_coroutine(tmp_path: Path) -> None:
    async def ask(database: object) -> CheckResult:
        result: CheckResult = await database_check(database)()
        return result

    async def ask_engine() -> CheckResult:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
        try:
            return await ask(engine)
        finally:
            await engine.dispose()

    assert asyncio.run(ask_engine()).status is HEALTHY
    assert asyncio.run(ask(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")).status is HEALTHY


def test_a_connection_that_other_threads_may_not_use_is_left_alone() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        found: list[CheckResult] = []
        thread = threading.Thread(target=lambda: found.append(database_check(connection)()))
        thread.start()
        thread.join(30)
        assert found[0].status is UNKNOWN
        assert "give an engine" in found[0].message
    with contextlib.closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        assert database_check(connection)().status is HEALTHY


@pytest.mark.parametrize("wrong", [7, None, "nonsense", "nodialect://x"])
def test_what_is_no_database_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError):
        database_check(wrong)


def test_a_missing_package_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.setitem(sys.modules, "django.db", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        database_check("sqlite://")
    with pytest.raises(MissingDependencyError, match="pip install"):
        django_check()


def test_the_database_that_the_system_was_given_is_watched(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    context = Context(store=Store(StoreSettings(mode="memory")), database=engine)
    health = HealthChecker(context=context)
    health.start()
    assert health.run_check("database").status is HEALTHY
    health.stop()
    engine.dispose()


def test_an_object_of_another_kind_is_not_taken_for_a_database() -> None:
    health = HealthChecker(context=Context(store=Store(StoreSettings(mode="memory")), database=object()))
    health.start()
    assert "database" not in {check.name for check in health.get_health_summary().checks}
    health.stop()
