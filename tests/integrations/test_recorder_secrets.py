"""Forty secrets sent through every door are kept nowhere: not in what is listed, not in files, metrics or logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import asgi_driver
import pytest
import wsgi_driver
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from perfkit.core.message import Request as Asked
from perfkit.http.front import Front
from perfkit.http.routes import Routes
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Answer
from perfkit_asgi import PerfkitMiddleware
from perfkit_flask import Perfkit

TOKEN = "a-token-for-the-secrets"
NUMBERS = iter(range(10_000, 99_999, 7))


def secret() -> str:
    """A word that nobody else writes."""
    return f"Zq{next(NUMBERS)}xV{next(NUMBERS)}"


BY_HEADER = {
    name: secret()
    for name in (
        *(
            "authorization",
            "cookie",
            "proxy-authorization",
            "x-api-key",
            "x-auth-token",
            "x-csrf-token",
            "x-amz-security-token",
        ),
        *(
            "x-forwarded-for",
            "forwarded",
            "referer",
            "origin",
            "x-session-id",
            "x-user",
            "from",
            "via",
            "etag",
            "if-none-match",
        ),
    )
}
BY_QUERY = {name: secret() for name in ("password", "token", "q", "code", "state", "email", "card", "session")}
BARE_IN_QUERY = secret()
IN_PATH = secret()
IN_BODY = secret()
IN_LOCALS = secret()
IN_MESSAGE = {
    template: secret()
    for template in (
        "login failed for password={}",
        "cannot connect to postgresql://shop:{}@db.internal/shop",
        "401: Authorization: Bearer {}",
        '{{"api_key": "{}"}}',
        "the session was '{}'",
        "Key (email)=({}) already exists",
        "no user {}@example.com",
        "signature: {}",
        "token was {}",
        "{}{}",
    )
}
IN_HEADERS_KEPT = {"user-agent": secret(), "accept": secret(), "content-type": secret()}
"""Headers that are kept: a secret that looks like one is left out of them as well."""

EVERY = [
    *BY_HEADER.values(),
    *BY_QUERY.values(),
    *IN_MESSAGE.values(),
    BARE_IN_QUERY,
    IN_PATH,
    IN_BODY,
    IN_LOCALS,
]

Send = Callable[[str, dict[str, str]], Answer]


def failing(number: int) -> None:
    password = IN_LOCALS  # noqa: F841 - locals must not be kept
    template, word = list(IN_MESSAGE.items())[number]
    raise ValueError(template.format(word, word))


@pytest.fixture
def system(tmp_path: Path) -> Iterator[PerformanceSystem]:
    settings = {
        "store": {"directory": str(tmp_path / "store"), "mode": "auto"},
        "access": {"token": TOKEN},
        "database": {"capture": False},
        "recorder": {"errors": 100, "slowest": 50},
    }
    made = PerformanceSystem(settings, environment="testing", origin="secrets").start()
    yield made
    made.stop()


def starlette(system: PerformanceSystem) -> Send:
    async def show(request: Request) -> PlainTextResponse:
        await request.body()
        return PlainTextResponse("ok")

    async def fail(request: Request) -> PlainTextResponse:
        failing(int(request.path_params["number"]))
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/show/{what}", show), Route("/fail/{number}", fail)])
    app.add_middleware(PerfkitMiddleware, system=system)

    def send(path: str, headers: dict[str, str]) -> Answer:
        scope = asgi_driver.scope_of("GET", path, headers=headers)
        return asyncio.run(asgi_driver.exchange(app, scope, IN_BODY.encode()))

    return send


def flask(system: PerformanceSystem) -> Send:
    app = Flask("secrets")

    @app.get("/show/<what>")
    def show(what: str) -> str:
        return "ok"

    @app.get("/fail/<int:number>")
    def fail(number: int) -> str:
        failing(number)
        return ""

    Perfkit(app, system=system)

    def send(path: str, headers: dict[str, str]) -> Answer:
        environ = wsgi_driver.environ_of("GET", path, body=IN_BODY.encode(), headers=headers)
        return wsgi_driver.exchange(app, environ)

    return send


@pytest.mark.parametrize("make", [starlette, flask])
def test_forty_secrets_are_found_nowhere(
    make: Callable[[PerformanceSystem], Send],
    system: PerformanceSystem,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert len(EVERY) >= 39
    caplog.set_level(logging.DEBUG, "perfkit")
    send = make(system)
    query = "&".join(f"{name}={value}" for name, value in BY_QUERY.items())
    send(f"/show/{IN_PATH}?{query}&{BARE_IN_QUERY}", BY_HEADER)
    send(f"/nowhere/{IN_PATH}?{query}", {**BY_HEADER, **IN_HEADERS_KEPT})
    for number in range(len(IN_MESSAGE)):
        send(f"/fail/{number}?{query}", BY_HEADER)
    kept = system.recorder.list(limit=500)
    assert len(kept) == 2 + len(IN_MESSAGE)
    assert sum(each.exception is not None for each in kept) == len(IN_MESSAGE)
    system.store.tick(system.clock.monotonic())
    told = [repr(kept), repr(system.get_performance_dashboard()), *_pages(system, [each.id for each in kept])]
    told += [
        system.export_metrics(),
        *(record.getMessage() for record in caplog.records if record.name.startswith("perfkit")),
    ]
    files = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert b"/show/" in files, "what is kept is in the files that are looked at"
    for word in [*EVERY, *IN_HEADERS_KEPT.values()]:
        assert word.encode() not in files, word
        assert not [text[:200] for text in told if word in text], word


def _pages(system: PerformanceSystem, names: list[str]) -> list[str]:
    routes = Routes(Front(system))
    found = []
    for path, query in [
        ("/perfkit/api/requests", "limit=500"),
        *(("/perfkit/api/request", f"id={name}") for name in names),
    ]:
        asked = Asked(
            method="GET", path=path, query=query, headers={"authorization": f"Bearer {TOKEN}"}, peer=f"::{query[-4:]}"
        )
        response = routes.respond(asked)
        assert response is not None
        found.append(response.body.decode())
    return found
