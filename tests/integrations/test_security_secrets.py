"""Forty secrets planted in every place that an app has them are found in none that perfkit has: every page and document
of the table, metrics, every command that reads, the report, the files of the store, the log.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from flask import Flask, request
from sqlalchemy import create_engine, text
from werkzeug.serving import make_server

from perfkit.cli.main import main
from perfkit.core.message import Request
from perfkit.http.front import Front
from perfkit.http.routes import Routes
from perfkit.metrics.exposition import Format
from perfkit.system import PerformanceSystem
from perfkit_flask import Perfkit

pytestmark = pytest.mark.timeout(180)

TOKEN = "a-token-for-the-planted-secrets-0"
NUMBERS = iter(range(10_000, 99_999, 13))


def secret() -> str:
    """A word that nobody else writes."""
    return f"Qz{next(NUMBERS)}wK{next(NUMBERS)}vX"


HEADERS = {
    name: secret()
    for name in (
        *("authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token", "x-csrf-token", "x-user"),
        *("x-forwarded-for", "forwarded", "referer", "x-session-id", "from", "if-none-match", "x-perfkit-token"),
    )
}
QUERY = {name: secret() for name in ("password", "token", "q", "code", "email", "card", "session", "t")}
MESSAGES = {
    template: secret()
    for template in (
        "login failed for password={}",
        "cannot connect to postgresql://shop:{}@db.internal/shop",
        "401: Authorization: Bearer {}",
        '{{"api_key": "{}"}}',
        "Key (email)=({}) already exists",
        "signature: {}",
    )
}
PLACES = {
    name: secret()
    for name in (
        *("a path", "a path nobody has", "a bare query", "a body", "a form", "a local variable", "the environment"),
        *(
            "a parameter of SQL",
            "a literal of SQL",
            "a comment of SQL",
            "a parameter of SQL that fails",
            "SQL that fails",
        ),
        *("a cache key", "a cache key that is missing", "a cache value", "an argument of a memoized function"),
        *(
            "the password of an upstream",
            "the path of an upstream",
            "the query of an upstream",
            "a header to an upstream",
        ),
        *(
            "an upstream that is not there",
            "the message of a health check",
            "the token of a receiver",
            "a metrics token",
        ),
    )
}
EVERY = [*HEADERS.values(), *QUERY.values(), *MESSAGES.values(), *PLACES.values()]
assert len(EVERY) >= 40


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PerformanceSystem]:
    monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
    monkeypatch.setenv("PERFKIT_ACCESS__METRICS_TOKEN", PLACES["a metrics token"])
    monkeypatch.setenv("SHOP_DATABASE_PASSWORD", PLACES["the environment"])
    settings = {
        "service": "secrets",
        "store": {"directory": str(tmp_path / "store"), "mode": "auto"},
        "access": {"actions": True},
        "http": {"load_path": "/load"},
        "recorder": {"errors": 100, "slowest": 50},
        "database": {"slow_query_threshold": 0.001},
        "alerts": {
            "receivers": {
                "hook": {"type": "webhook", "url": f"http://127.0.0.1:9/{PLACES['the token of a receiver']}"}
            },
            "rules": {
                "failing": {"metric": "http.server.request.duration", "measure": "increase", "above": 0.5, "for": 0}
            },
        },
    }
    made = PerformanceSystem(settings, environment="testing", origin="secrets").start()
    yield made
    made.stop()


class Shop:
    """An app that has secrets, served on loopback."""

    def __init__(self, system: PerformanceSystem, folder: Path) -> None:
        self.system = system
        app = Flask("shop")
        app.add_url_rule("/show/<what>", view_func=self.show, endpoint="show", methods=["GET", "POST"])
        app.add_url_rule("/fail/<int:number>", view_func=self.fail, endpoint="fail")
        self.engine = create_engine(f"sqlite:///{folder / 'shop.sqlite'}")
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE product (sku TEXT PRIMARY KEY, price INTEGER)"))
        system.initialize(self.engine)
        system.load_balancer.add_server("app-1", host="127.0.0.1", port=9)
        Perfkit(app, system=system)
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.engine.dispose()

    def show(self, what: str) -> str:
        _ = request.get_data()
        with self.engine.begin() as connection:
            one = {"sku": PLACES["a parameter of SQL"]}
            connection.execute(text("SELECT price FROM product WHERE sku = :sku"), one)
            connection.execute(text(f"SELECT price FROM product WHERE sku = '{PLACES['a literal of SQL']}'"))
            connection.execute(text(f"SELECT 1 /* {PLACES['a comment of SQL']} */"))
        cache = self.system.cache
        cache.set(PLACES["a cache key"], PLACES["a cache value"], ttl=60)
        cache.get(PLACES["a cache key"])
        cache.namespace("users").get(PLACES["a cache key that is missing"])
        cache.memoize(PLACES["an argument of a memoized function"], lambda: 1, ttl=60)
        return "ok"

    def fail(self, number: int) -> str:
        password = PLACES["a local variable"]  # noqa: F841 - locals must not be kept
        if number < len(MESSAGES):
            template, word = list(MESSAGES.items())[number]
            raise ValueError(template.format(word))
        if number == len(MESSAGES):
            with self.engine.begin() as connection:
                for _ in range(2):
                    connection.execute(
                        text("INSERT INTO product VALUES (:sku, 1)"), {"sku": PLACES["a parameter of SQL that fails"]}
                    )
        if number == len(MESSAGES) + 1:
            with self.engine.begin() as connection:
                connection.execute(text(f"SELECT nothing FROM product WHERE sku = '{PLACES['SQL that fails']}'"))
        if number == len(MESSAGES) + 2:
            address = self.url.replace("http://", f"http://shop:{PLACES['the password of an upstream']}@")
            requests.get(
                f"{address}/show/{PLACES['the path of an upstream']}?key={PLACES['the query of an upstream']}",
                headers={"x-token": PLACES["a header to an upstream"]},
                timeout=10,
            )
            requests.get(f"http://127.0.0.1:9/{PLACES['an upstream that is not there']}", timeout=2)
        return "ok"


@pytest.fixture
def shop(system: PerformanceSystem, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(system, tmp_path)

    def broken() -> None:
        raise ConnectionError(f"postgresql://shop:{PLACES['the message of a health check']}@db.internal/shop")

    system.health.register_health_check("db", broken)
    yield made
    made.close()


def planted(shop: Shop) -> None:
    """Send requests with secrets in all that a request has."""
    query = urlencode(QUERY)
    with requests.Session() as session:
        ask = session.request
        ask("GET", f"{shop.url}/show/{PLACES['a path']}?{query}&{PLACES['a bare query']}", headers=HEADERS, timeout=10)
        ask("GET", f"{shop.url}/nowhere/{PLACES['a path nobody has']}?{query}", headers=HEADERS, timeout=10)
        ask("POST", f"{shop.url}/show/x", data=PLACES["a body"], headers=HEADERS, timeout=10)
        ask("POST", f"{shop.url}/show/x", data={"field": PLACES["a form"]}, timeout=10)
        ask("GET", f"{shop.url}/perfkit/?{query}", headers=HEADERS, timeout=10)
        for number in range(len(MESSAGES) + 3):
            ask("GET", f"{shop.url}/fail/{number}?{query}", headers=HEADERS, timeout=30)


def told(system: PerformanceSystem) -> dict[str, bytes]:
    """Everything that perfkit's own paths say, by address: each page and document, and each that these lead to."""
    routes, peers = Routes(Front(system)), count(1)
    found: dict[str, bytes] = {}

    def ask(path: str, query: str = "") -> bytes:
        number = next(peers)
        asked = Request(
            method="GET",
            path=path,
            query=query,
            headers={"authorization": f"Bearer {TOKEN}", "accept": "application/json"},
            peer=f"10.0.{number // 250}.{number % 250}",
        )
        answer = routes.respond(asked)
        assert answer is not None, path
        found[f"{path}?{query}"] = answer.body
        return answer.body

    for path, route in routes._table.items():
        if "GET" in route.methods:
            ask(path)
    for kind in Format:
        ask("/metrics", urlencode({"format": str(kind)}))
    ask("/perfkit/settings", "show=all")
    ask("/perfkit/api/settings", "show=all")
    ask("/perfkit/api/requests", "limit=500")
    for each in system.recorder.list(limit=500):
        for path in ("/perfkit/request", "/perfkit/api/request"):
            ask(path, f"id={each.id}")
    for shape in system.database.get_queries():
        for path in ("/perfkit/query", "/perfkit/api/query"):
            ask(path, f"id={shape.id}")
    for known in system.performance.snapshot().routes:
        for path in ("/perfkit/route", "/perfkit/api/route"):
            ask(path, urlencode({"r": f"{known.method} {known.route}"}))
    return found


COMMANDS = (
    ("advise", "--explain", "--top", "100"),
    ("advise", "--json", "--top", "100"),
    ("check", "--json"),
    ("check", "--format", "github"),
    ("doctor",),
    ("top", "--once"),
    *(("export", "--format", kind) for kind in ("json", "ndjson", "csv", "prometheus", "otlp")),
)


def commanded(shop: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Everything that the commands say of the service, and the report that one of them writes."""
    monkeypatch.setenv("PERFKIT_URL", shop.url)
    found = {}
    for command in (*COMMANDS, ("report", "-o", str(folder / "report.html"))):
        arguments = [command[0], shop.url, *command[1:]]
        said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with redirect_stdout(said), redirect_stderr(said):
            code = main(arguments)
        text = said.buffer.getvalue()  # type: ignore[attr-defined]  # a BytesIO
        assert code in (0, 1), (arguments, text[:500])
        found[" ".join(command)] = text
    found["report.html"] = (folder / "report.html").read_bytes()
    return found


def test_secrets_planted_in_every_place_are_found_nowhere(
    shop: Shop,
    system: PerformanceSystem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("perfkit", "werkzeug"):
        caplog.set_level(logging.DEBUG, name)
    planted(shop)
    system.health.get_health_summary()
    for _ in range(3):
        system.store.tick(system.clock.monotonic())
        system.alerts.evaluate()
    seen = {**told(system), **commanded(shop, tmp_path, monkeypatch)}
    seen["the dashboard in Python"] = repr(system.get_performance_dashboard()).encode()
    seen["the settings in Python"] = repr(system.config).encode()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("perfkit")]
    seen["the log"] = "\n".join(ours).encode()
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file() and path.name != "token":
            seen[f"the file {path.name}"] = path.read_bytes()
    assert_something_was_told(seen, system)
    leaks = {
        (place, where)
        for place, word in [*HEADERS.items(), *QUERY.items(), *MESSAGES.items(), *PLACES.items()]
        for where, said in seen.items()
        if word.encode() in said
    }
    assert leaks == set()
    assert not [where for where, said in seen.items() if TOKEN.encode() in said]


def assert_something_was_told(seen: dict[str, bytes], system: PerformanceSystem) -> None:
    """What is searched through does tell of all that was done: else nothing to be found would be no proof."""
    every = b"\n".join(seen.values())
    for word in (
        b"/show/",
        b"SELECT price FROM product WHERE sku = ",
        b"INSERT INTO product",
        b"IntegrityError",
        b"users",
    ):
        assert word in every, word
    assert b"SELECT" in seen["report.html"]  # paths have places to break in it
    assert b"/show/" in seen["export --format ndjson"]
    assert sum(each.exception is not None for each in system.recorder.list(limit=500)) >= len(MESSAGES) + 2
    assert any(b"127.0.0.1" in said for where, said in seen.items() if where.startswith("/perfkit/api/upstreams"))
    assert any(b"/show/" in said for where, said in seen.items() if where.startswith("the file"))
