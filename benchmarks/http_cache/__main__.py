"""The response cache: what a hit costs beside the frameworks' own ways, and what it costs routes that have none.

All apps are called in one process, turn by turn, without a server, each for the same JSON of about 2 kB that a handler
serialises anew. CPU of the thread, the best quarter of the rounds: what disturbs makes a round dearer, never cheaper.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness.table import options, print_json, print_rows

PAGE = {"items": [{"id": number, "name": f"item {number}", "price": number * 1.25} for number in range(40)]}
CACHE = {"http_cache": {"GET /page": 3600}}

Call = Callable[[int], None]


def main() -> None:
    arguments = options(__doc__ or "", rounds=40).parse_args()
    rounds, calls = (2, 20) if arguments.quick else (arguments.rounds, 300)
    parts = {"ASGI (Starlette)": starlette(), "Flask": flask(), "Django": django()}
    results = {name: measured(contestants, rounds, calls) for name, contestants in parts.items()}
    if arguments.json:
        print_json(results)
        return
    for name, found in results.items():
        bare = found["bare"]
        rows = [["contestant", "CPU µs a request", "× bare"]]
        rows += [[each, f"{cost * 1e6:.1f}", f"{cost / bare:.2f}"] for each, cost in found.items()]
        print_rows(f"{name}, {rounds} rounds of {calls}", rows, left={0})


def measured(contestants: dict[str, Call], rounds: int, calls: int) -> dict[str, float]:
    """Return the CPU seconds of a request for each of *contestants*, taken in turns."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            began = time.thread_time()
            run(calls)
            samples[name].append((time.thread_time() - began) / calls)
    return {name: sum(best) / len(best) for name, all_ in samples.items() if (best := sorted(all_)[: -(-rounds // 4)])}


def starlette() -> dict[str, Call]:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from perfkit_asgi import PerfkitMiddleware

    async def page(request: Request) -> JSONResponse:
        return JSONResponse(PAGE)

    def app() -> Any:
        return Starlette(routes=[Route("/page", page), Route("/other", page)])

    plain = PerfkitMiddleware(app(), environment="testing")
    cached = PerfkitMiddleware(app(), environment="testing", cache=CACHE)
    loop = asyncio.new_event_loop()
    return {
        "bare": asgi(loop, app(), "/page"),
        "perfkit, no routes to cache": asgi(loop, plain, "/page"),
        "perfkit, another route is cached": asgi(loop, cached, "/other"),
        "perfkit, hit": asgi(loop, cached, "/page", expect="hit"),
        "perfkit, 304": asgi(loop, cached, "/page", headers={b"if-none-match": b"*"}, expect="hit"),
    }


def asgi(
    loop: asyncio.AbstractEventLoop, app: Any, path: str, *, headers: dict[bytes, bytes] | None = None, expect: str = ""
) -> Call:
    """Return what sends requests for *path* to *app*; the first one is looked at."""
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"shop.example"), (b"accept", b"*/*"), *(headers or {}).items()],
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 40000),
    }
    seen: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message: Any) -> None:
        seen.append(message)

    async def send(message: Any) -> None:
        return None

    async def requests(count: int) -> None:
        for _ in range(count):
            await app(scope.copy(), receive, send)

    for _ in range(2):
        loop.run_until_complete(app(scope.copy(), receive, keep))
    check(expect, str(dict(seen[-2]["headers"])))
    return lambda count: loop.run_until_complete(requests(count))


def check(expect: str, told: str) -> None:
    if expect not in told:
        raise RuntimeError(f"The answer is no {expect}: {told}")


def flask() -> dict[str, Call]:
    from flask import Flask, Response

    from perfkit_flask import Perfkit

    def app() -> Any:
        made = Flask("bench")

        def page() -> Response:
            return Response(json.dumps(PAGE), mimetype="application/json")

        made.add_url_rule("/page", view_func=page)
        return made

    cached = app()
    Perfkit(cached, environment="testing", cache=CACHE)
    contestants = {"bare": wsgi(app()), "perfkit, hit": wsgi(cached, expect="hit")}
    try:
        from flask_caching import Cache
    except ImportError:
        return contestants
    other = app()
    other.view_functions["page"] = Cache(other, config={"CACHE_TYPE": "SimpleCache"}).cached(3600)(
        other.view_functions["page"]
    )
    return {**contestants, "Flask-Caching, hit (SimpleCache)": wsgi(other)}


def django() -> dict[str, Call]:
    import django
    from django.conf import settings
    from django.http import HttpResponse
    from django.test.utils import override_settings
    from django.urls import path

    def page(request: Any) -> HttpResponse:
        return HttpResponse(json.dumps(PAGE), content_type="application/json")

    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=(path("page", page),),
        INSTALLED_APPS=["perfkit_django"],
        MIDDLEWARE=[],
        PERFKIT={"environment": "testing", "cache": CACHE},
    )
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler

    own = "django.middleware.cache"
    stacks = {
        "bare": [],
        "perfkit, hit": ["perfkit_django.PerfkitMiddleware"],
        "Django's own, hit (locmem)": [f"{own}.UpdateCacheMiddleware", f"{own}.FetchFromCacheMiddleware"],
    }
    made = {}
    for name, stack in stacks.items():
        with override_settings(MIDDLEWARE=stack):
            made[name] = wsgi(WSGIHandler(), expect="hit" if name.startswith("perfkit") else "")
    return made


def wsgi(app: Any, *, expect: str = "") -> Call:
    """Return what sends requests to the WSGI *app*; the second one is looked at."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/page",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": "shop.example",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        told[:] = headers

    def run(count: int) -> None:
        for _ in range(count):
            body = app(environ.copy(), start_response)
            for _piece in body:
                pass
            if hasattr(body, "close"):
                body.close()

    run(2)
    check(expect, str(told))
    return run


if __name__ == "__main__":
    main()
