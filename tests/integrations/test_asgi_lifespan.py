"""From the server's startup to its shutdown: who starts and stops the system, who reaches it, who frees it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgi_peer import call, lifespan, text_of
from bad_settings import BAD
from fastapi import FastAPI
from patience import PATIENCE
from schedulers import schedulers
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from perfkit.core.errors import ConfigurationError
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import recorded
from perfkit_asgi import PerfkitMiddleware

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_thread_stays")]


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def reach(request: Request) -> Response:
    return PlainTextResponse(f"{request.state.perfkit.config.service} {request.state.perfkit.is_running}")


def bare() -> Starlette:
    return Starlette(routes=[Route("/hello", hello), Route("/reach", reach)])


def make_app(**settings: Any) -> Starlette:
    app = bare()
    app.add_middleware(PerfkitMiddleware, environment="testing", service="shop", **settings)
    return app


def is_freed(reference: weakref.ref[Any]) -> bool:
    gc.collect()
    return reference() is None


async def soon(is_so: Callable[[], bool]) -> None:
    """Await it: a loop that collects for long counts as blocked, and who looks into it holds its frames until then."""
    give_up_at = asyncio.get_running_loop().time() + PATIENCE
    while not is_so():
        assert asyncio.get_running_loop().time() < give_up_at
        await asyncio.sleep(0.02)


def make_wrapped(app: Any, **settings: Any) -> PerfkitMiddleware:
    return PerfkitMiddleware(app, **(settings if "system" in settings else {"environment": "testing", **settings}))


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """An app without a lifespan, as Django's handler is one."""
    if scope["type"] != "http":
        raise NotImplementedError(f"no {scope['type']} here")
    await PlainTextResponse("plain")(scope, receive, send)


async def test_its_own_system_runs_from_startup_to_shutdown() -> None:
    app = make_wrapped(bare(), service="outer")
    assert not app.system.is_running
    async with lifespan(app):
        assert app.system.is_running
        assert len(schedulers()) == 1
    assert not app.system.is_running
    assert schedulers() == []


async def test_a_system_that_was_given_is_started_but_not_stopped(system: PerformanceSystem) -> None:
    async with lifespan(make_wrapped(bare(), system=system)):
        assert system.is_running
    assert system.is_running


async def test_a_system_that_ran_before_is_the_same_after(system: PerformanceSystem) -> None:
    started: list[object] = []
    system.on("started", started.append)
    system.start()
    async with lifespan(make_wrapped(bare(), system=system)):
        pass
    assert started == [system]


async def test_perfkit_around_perfkit_runs_one_system() -> None:
    inner = PerfkitMiddleware(bare(), environment="testing", service="inner")
    outer = make_wrapped(inner, service="outer")
    async with lifespan(outer) as state:
        assert len(schedulers()) == 1
        assert text_of(await call(outer, "GET", "/reach", state=dict(state))) == (200, "outer True")
    assert not outer.system.is_running
    assert not inner.system.is_running


async def test_the_app_starts_up_with_the_system_running(system: PerformanceSystem) -> None:
    seen = []

    @asynccontextmanager
    async def of_the_user(app: Starlette) -> AsyncIterator[None]:
        seen.append(system.is_running)
        yield
        seen.append(system.is_running)

    async with lifespan(make_wrapped(Starlette(lifespan=of_the_user), system=system)):
        pass
    assert seen == [True, True]


async def test_a_startup_of_the_app_that_fails_is_told_to_the_server_and_stops_our_system() -> None:
    @asynccontextmanager
    async def failing(app: Starlette) -> AsyncIterator[None]:
        raise ValueError("the database is away")
        yield

    app = make_wrapped(Starlette(lifespan=failing))
    with pytest.raises((RuntimeError, ValueError), match="the database is away"):
        async with lifespan(app):
            raise AssertionError("it must not come up")
    assert not app.system.is_running


async def test_a_shutdown_of_the_app_that_fails_still_stops_our_system() -> None:
    @asynccontextmanager
    async def failing(app: Starlette) -> AsyncIterator[None]:
        yield
        raise ValueError("could not close")

    app = make_wrapped(Starlette(lifespan=failing))
    with pytest.raises((RuntimeError, ValueError), match="could not close"):
        async with lifespan(app):
            assert app.system.is_running
    assert not app.system.is_running


async def test_an_app_without_a_lifespan_says_so_to_the_server_and_is_measured_all_the_same() -> None:
    app = make_wrapped(plain)
    with pytest.raises(NotImplementedError, match="no lifespan here"):
        async with lifespan(app):
            pass
    assert text_of(await call(app, "GET", "/")) == (200, "plain")
    assert [one.count for one in recorded(app.system)] == [1]
    assert app.system.is_running
    app.system.stop()


async def test_a_server_without_a_lifespan_starts_the_system_with_the_first_request() -> None:
    app = make_wrapped(plain)
    assert schedulers() == []
    await call(app, "GET", "/")
    assert app.system.is_running
    app.system.stop()


@pytest.mark.parametrize("path", ["/health/ready", "/health/startup", "/health/live", "/health"])
async def test_a_probe_can_be_the_first_request(path: str) -> None:
    app = make_wrapped(plain)
    assert text_of(await call(app, "GET", path))[0] == 200
    assert app.system.is_running
    app.system.stop()


async def test_an_unknown_kind_of_scope_passes_untouched() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    wrapped = make_wrapped(app)
    scope = {"type": "webtransport", "path": "/"}
    receive, send = asyncio.Queue().get, asyncio.Queue().put
    await wrapped(scope, receive, send)
    assert seen[0][0] == {"type": "webtransport", "path": "/"}
    assert seen[0][1:] == (receive, send)


async def test_user_code_reaches_the_system_through_the_state_of_a_request() -> None:
    app = make_app()
    async with lifespan(app) as state:
        assert text_of(await call(app, "GET", "/reach", state=dict(state))) == (200, "shop True")


async def test_the_state_of_the_lifespan_holds_what_the_app_put_there_and_nothing_else() -> None:
    async with lifespan(make_app()) as state:
        assert state == {}


async def test_user_code_reaches_the_system_where_the_server_knows_no_state() -> None:
    app = make_app()
    async with lifespan(app, with_state=False):
        assert text_of(await call(app, "GET", "/reach", state=None)) == (200, "shop True")


async def test_the_state_of_the_users_own_lifespan_is_kept() -> None:
    @asynccontextmanager
    async def of_the_user(app: Starlette) -> AsyncIterator[dict[str, str]]:
        yield {"database": "pool", "perfkit_other": "mine"}

    async def show(request: Request) -> Response:
        return PlainTextResponse(f"{request.state.database} {request.state.perfkit.is_running}")

    app = Starlette(routes=[Route("/show", show)], lifespan=of_the_user)
    app.add_middleware(PerfkitMiddleware, environment="testing")
    async with lifespan(app) as state:
        assert set(state) == {"database", "perfkit_other"}
        assert text_of(await call(app, "GET", "/show", state=dict(state))) == (200, "pool True")


async def test_a_user_who_keeps_something_else_under_our_name_keeps_it() -> None:
    async def show(request: Request) -> Response:
        return PlainTextResponse(request.state.perfkit)

    app = Starlette(routes=[Route("/show", show)])
    app.add_middleware(PerfkitMiddleware, environment="testing")
    async with lifespan(app):
        assert text_of(await call(app, "GET", "/show", state={"perfkit": "mine"})) == (200, "mine")


async def test_a_second_startup_of_one_app_goes_on_counting() -> None:
    app = make_wrapped(bare())
    for _ in range(3):
        async with lifespan(app):
            assert app.system.is_running
            await call(app, "GET", "/hello")
        assert not app.system.is_running
    assert [(one.route, one.count) for one in recorded(app.system)] == [("/hello", 3)]


async def test_reload_in_one_process_makes_a_second_system_and_frees_the_first() -> None:
    first = make_wrapped(bare())
    async with lifespan(first):
        await call(first, "GET", "/hello")
        old = weakref.ref(first.system)
    del first
    await soon(lambda: is_freed(old))
    second = make_wrapped(bare())
    async with lifespan(second):
        await call(second, "GET", "/hello")
        assert [one.count for one in recorded(second.system)] == [1]


async def test_an_app_factory_called_twice_gives_two_apps_that_do_not_meet() -> None:
    first, second = make_wrapped(bare()), make_wrapped(bare())
    async with lifespan(first), lifespan(second):
        await call(first, "GET", "/hello")
        for _ in range(2):
            await call(second, "GET", "/hello")
        assert first.system is not second.system
        assert [one.count for one in recorded(first.system)] == [1]
        assert [one.count for one in recorded(second.system)] == [2]
        await call(first, "GET", "/reach")
    assert not first.system.is_running
    assert not second.system.is_running


async def test_two_apps_may_share_one_system(system: PerformanceSystem) -> None:
    first, second = make_wrapped(bare(), system=system), make_wrapped(plain, system=system)
    async with lifespan(first):
        await call(first, "GET", "/hello")
        await call(second, "GET", "/x")
        await call(second, "GET", "/y")
        await call(first, "GET", "/hello")
    counts = {one.route: one.count for one in recorded(system)}
    assert counts == {"/hello": 2, "": 2}
    assert system.is_running
    assert system.store.in_flight() == 0


@pytest.mark.parametrize("make", [Starlette, FastAPI])
async def test_an_app_that_is_dropped_is_freed_with_its_system_and_thread(make: type[Starlette]) -> None:
    before = schedulers()
    app = make()
    app.add_route("/hello", hello)
    app.add_middleware(PerfkitMiddleware, environment="testing")
    await call(app, "GET", "/hello")
    assert len(schedulers()) == len(before) + 1
    dead = weakref.ref(app)
    del app
    await soon(lambda: is_freed(dead) and schedulers() == before)


@pytest.mark.parametrize("is_served", [False, True])
async def test_an_app_that_holds_no_cycle_of_its_own_is_freed_at_once(is_served: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)

    wrapped = make_wrapped(app)
    if is_served:
        async with lifespan_of_one(wrapped):
            await call(wrapped, "GET", "/")
    dead = weakref.ref(wrapped)
    gc.disable()
    try:
        del wrapped
        assert dead() is None
    finally:
        gc.enable()


@asynccontextmanager
async def lifespan_of_one(app: PerfkitMiddleware) -> AsyncIterator[None]:
    yield
    app.system.stop()


def test_the_test_client_of_starlette_runs_the_lifespan() -> None:
    app = make_app()
    with TestClient(app) as client:
        assert client.get("/hello").text == "hello"
        assert client.get("/reach").text == "shop True"
        assert client.get("/health").json()["status"] in ("healthy", "warning")  # as the machine's memory is
        assert client.get("/metrics").status_code == 404
        assert len(schedulers()) == 1
    assert schedulers() == []


def test_the_test_client_without_a_lifespan_measures_too() -> None:
    system = PerformanceSystem(environment="testing")
    client = TestClient(make_wrapped(bare(), system=system))
    assert client.get("/hello").text == "hello"
    assert [(one.route, one.count) for one in recorded(system)] == [("/hello", 1)]
    system.stop()


def test_the_test_client_raises_what_the_app_raises() -> None:
    async def boom(request: Request) -> Response:
        raise ValueError("boom")

    system = PerformanceSystem(environment="testing")
    app = Starlette(routes=[Route("/boom", boom)])
    app.add_middleware(PerfkitMiddleware, system=system)
    with TestClient(app) as client, pytest.raises(ValueError, match="boom"):
        client.get("/boom")
    assert [one.error for one in recorded(system)] == ["ValueError"]
    system.stop()


def test_settings_that_cannot_be_used_are_an_error_before_the_first_request() -> None:
    app = Starlette()
    app.add_middleware(PerfkitMiddleware, environment="testing", performance={"window": 0}, store={"mode": "disc"})
    with pytest.raises(ValueError, match=r"2 settings cannot be used"), TestClient(app):
        raise AssertionError("it must not come up")


@pytest.mark.parametrize("make", [Starlette, FastAPI])
async def test_the_server_is_told_which_settings_cannot_be_used(make: type[Starlette]) -> None:
    app = make()
    app.add_middleware(PerfkitMiddleware, sevice="shop")
    told = list[Any]()

    async def startup() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        told.append(message)

    with pytest.raises(ConfigurationError):
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, startup, send)
    (failed,) = told
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"].startswith("sevice is not a setting. ")
    assert failed["message"].endswith(" Write service instead.")


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_setting_is_told_before_the_first_request(kind: str) -> None:
    settings, path, words = BAD[kind]
    app = bare()
    app.add_middleware(PerfkitMiddleware, **settings)
    with pytest.raises(ConfigurationError) as raised, TestClient(app):
        raise AssertionError("it must not come up")
    assert path in str(raised.value)
    assert words in str(raised.value)
    assert "hunter2" not in str(raised.value)


async def test_without_a_lifespan_the_app_is_served_though_settings_cannot_be_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = bare()
    app.add_middleware(PerfkitMiddleware, sevice="shop")
    for _ in range(3):
        assert text_of(await call(app, "GET", "/hello")) == (200, "hello")
    (said,) = [record.getMessage() for record in caplog.records if record.name == "perfkit"]
    assert "sevice is not a setting" in said


def test_a_system_and_settings_together_are_an_error_as_one_of_them_would_be_ignored(system: PerformanceSystem) -> None:
    with pytest.raises(ConfigurationError, match="a system and settings as well: service"):
        PerfkitMiddleware(plain, system=system, service="shop")


def test_settings_in_the_place_of_the_system_are_an_error_that_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"of type dict\. It must be a PerformanceSystem"):
        PerfkitMiddleware(plain, {"service": "shop"})  # type: ignore[arg-type]  # that is the mistake


def test_settings_that_cannot_be_used_are_an_error_at_once_where_no_server_runs() -> None:
    with pytest.raises(ConfigurationError, match="sevice is not a setting"):
        PerfkitMiddleware(plain, sevice="shop")


@pytest.mark.parametrize(("debug", "environment"), [(True, "development"), (False, "production")])
async def test_the_debug_mode_of_the_app_says_which_environment_it_is(
    debug: bool, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(request: Request) -> Response:
        return PlainTextResponse(request.state.perfkit.config.environment)

    monkeypatch.delenv("PERFKIT_ENVIRONMENT", raising=False)
    app = Starlette(debug=debug, routes=[Route("/tell", tell)])
    app.add_middleware(PerfkitMiddleware, store={"mode": "memory"})
    async with lifespan(app):
        assert text_of(await call(app, "GET", "/tell")) == (200, environment)
