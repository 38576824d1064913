"""Strings that want to be code, in every name and text that an app gives us: no page, document or command obeys them.

Each page of the table is read as a browser would, and must hold no element, attribute or address but its own.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from asgi_driver import exchange, scope_of
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from sqlalchemy import create_engine, text
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from perfkit.alerts.rules.rule import Rule
from perfkit.cli.main import main
from perfkit.core.message import Request
from perfkit.core.names import ERRORS
from perfkit.dashboard import asset_names
from perfkit.http.front import Front
from perfkit.http.routes import Routes
from perfkit.system import PerformanceSystem
from perfkit_asgi import PerfkitMiddleware

pytestmark = pytest.mark.timeout(180)

TOKEN = "a-token-for-the-hostile-names-32"

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "handler": "\"'><img src=x onerror=alert(1)>",
    "closing": "</title></pre></table></textarea><script>alert(1)</script>",
    "style": "</style><style>*{display:none}</style>",
    "frame": "<iframe src=javascript:alert(1)></iframe><base href=//evil.example>",
    "svg": "<svg/onload=alert(1)><a href='javascript:alert(1)'>x</a>",
    "entity": "&lt;script&gt;&#60;script&#62;&quot;&amp;",
    "comment": "<!--<![CDATA[ ]]>--><?php",
    "address": "javascript:alert(1)",
    "data": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "formula": "=cmd|' /C calc'!A0",
    "command": "\n::error file=x::pwned\n::set-output name=a::b",
    "terminal": "\x1b[2J\x1b]0;pwned\x07\x9b31m",
    "lines": "a\r\nSet-Cookie: x=1\r\n\r\n<b>",
    "null": "a\x00b\x01c\x7f\x85\u2028\u2029",
    "half": "a\udc80\ud800b",
    "turned": "\u202egnp.exe\u2066\u200b\ufeff",
    "template": "{{7*7}}${7*7}#{7*7}<%=7*7%>%(x)s{0}",
    "sql": "'; DROP TABLE x; --",
    "long": "<b>" * 3_000,
    "label": 'x"} 1\n# HELP evil\nevil{a="',
}


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and whatever could run or lead elsewhere."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "wbr", "col"})

    def __init__(self, body: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.open: list[str] = []
        self.bad: list[str] = []
        self.feed(body)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        named = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if len(named) != len(attrs):
            self.bad.append(f"an attribute of {tag} twice")
        if tag == "script" and (named.get("src") or "").removeprefix("./static/") not in ASSETS:
            self.bad.append(f"a script from {named.get('src')!r}")
        for name, value in attrs:
            if not re.fullmatch(r"[a-z][a-z0-9:-]*|viewBox|[a-z]+[A-Z][a-zA-Z]*", name) or name.startswith("on"):
                self.bad.append(f"the attribute {name!r} of {tag}")
            if name in ("href", "src", "action", "formaction", "xlink:href") and not leads_home(value or ""):
                self.bad.append(f"{tag} leads to {value!r}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.bad.append(f"</{tag}> closes nothing")

    def handle_comment(self, data: str) -> None:
        self.bad.append(f"a comment {data[:50]!r}")

    def handle_pi(self, data: str) -> None:
        self.bad.append(f"an instruction {data[:50]!r}")


ASSETS = frozenset(asset_names())

DOCUMENTED = ("https://github.com/", "https://docs.")
ALLOWED = {
    *("html", "head", "meta", "title", "link", "script", "body", "header", "nav", "main", "footer", "section", "div"),
    *(
        "span",
        "p",
        "a",
        "h1",
        "h2",
        "h3",
        "h4",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
    ),
    *(
        "td",
        "caption",
        "code",
        "pre",
        "form",
        "input",
        "button",
        "label",
        "select",
        "option",
        "svg",
        "g",
        "path",
        "line",
    ),
    *("rect", "circle", "text", "polyline", "polygon", "details", "summary", "time", "wbr", "strong", "em", "small"),
    *("abbr", "kbd", "dialog", "progress", "meter", "figure", "figcaption", "article", "aside", "b", "i", "br", "defs"),
    *("title", "tspan", "clippath", "output", "fieldset", "legend", "col", "colgroup", "tfoot", "datalist", "search"),
    *("perfkit-chart", "perfkit-live", "template", "mark", "noscript", "hr", "desc", "use", "symbol", "textarea"),
}


def leads_home(address: str) -> bool:
    """Whether *address* is relative, or one that the pages have by themselves."""
    if address.startswith(DOCUMENTED):
        return True
    parts = urlsplit(address)
    return not parts.scheme and not parts.netloc and not address.startswith(("//", "\\"))


def plant(system: PerformanceSystem, word: str, directory: Path) -> Starlette:
    """Give *word* as every name and text that there is; what refuses it is fine."""
    refused = []

    def offer(what: str, call: Any) -> None:
        try:
            call()
        except (ValueError, TypeError, LookupError, UnicodeError) as error:
            refused.append((what, type(error).__name__))

    system.initialize(engine := create_engine(f"sqlite:///{directory / 'shop.sqlite'}"))
    quoted = word.replace("\x00", "").replace('"', '""').encode("utf-8", "replace").decode()[:200].replace(":", ";")

    def statement() -> None:
        with engine.begin() as connection:
            connection.execute(text(f'SELECT 1 AS "{quoted}" /* {quoted.replace("*/", "")} */'))

    offer("statement", statement)
    cache = system.cache
    offer("cache", lambda: cache.set(word, word, ttl=60, tags=[word]))
    offer("namespace", lambda: cache.namespace(word).get(word))
    offer("namespace in short", lambda: cache.namespace(word[:40]).set(word, 1, ttl=60))
    balancer = system.load_balancer
    offer("server", lambda: balancer.add_server(word, host=word[:200] or "x", port=9, zone=word[:100]))
    offer("server of a plain host", lambda: balancer.add_server(word[:100], host="127.0.0.1", port=9))
    offer("release", lambda: system.mark_release(word))
    health = system.health
    offer(
        "check", lambda: health.register_health_check(word, lambda: {"status": "warning", "message": word}, tags=[word])
    )
    offer(
        "plain check",
        lambda: health.register_health_check("check", lambda: {"status": "critical", "message": word, "unit": word}),
    )
    offer("metric", lambda: system.metrics.set_gauge(word, 1.0, labels={word: word}))
    offer("label", lambda: system.metrics.set_gauge("planted", 1.0, labels={"word": word}))
    for name in (word, "planted"):
        rule = {
            "name": name,
            "metric": "http.server.request.duration",
            "measure": "increase",
            "above": 0.5,
            "hold": 0.0,
        }
        texts = {"summary": word, "labels": {"word": word}, "annotations": {"word": word}, "source": word}
        offer("rule", lambda rule=rule, texts=texts: system.alerts.add_rule(Rule(**rule, **texts)))  # type: ignore[misc]  # bound now
        offer("silence", lambda name=name: system.alerts.silence(name, duration=60.0, author=word))  # type: ignore[misc]  # as above

    kind = type("Hostile", (Exception,), {"__module__": word, "__qualname__": word})

    async def fail(request: StarletteRequest) -> PlainTextResponse:
        cache.namespace(word[:40]).get("greeting")
        raise kind(word)

    async def fine(request: StarletteRequest) -> PlainTextResponse:
        with engine.begin() as connection:
            connection.execute(text(f'SELECT 1 AS "{quoted}"'))
        return PlainTextResponse("fine")

    template = re.sub(r"[{}]", "", word)
    app = Starlette(
        routes=[Route(f"/fail/{template}", fail), Route("/fail", fail), Route(f"/fine{template[:80]}", fine)]
    )
    app.add_middleware(PerfkitMiddleware, system=system)
    return app


def send(app: Starlette, word: str) -> None:
    template = re.sub(r"[{}]", "", word)
    agent = re.sub(r"[^ -~]", "?", word)
    for path in (f"/fail/{template}", "/fail", f"/fine{template[:80]}", f"/nowhere/{template}"):
        for _ in range(3):
            scope = scope_of("GET", "/", headers={"user-agent": agent[:500], "x-request-id": agent[:100]})
            scope["path"], scope["raw_path"] = path, b""
            scope["query_string"] = urlencode({word: word}, errors="replace").encode()
            asyncio.run(exchange(app, scope))
    scope = scope_of("GET", "/fail")
    scope["method"] = agent[:50] or "X"
    asyncio.run(exchange(app, scope))


class Teller:
    """Asks all that is in the table, and all that these lead to."""

    def __init__(self, system: PerformanceSystem) -> None:
        self.system, self.routes, self._peers = system, Routes(Front(system)), count(1)

    def ask(self, path: str, query: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        number = next(self._peers)
        asked = Request(
            method="GET",
            path=path,
            query=query,
            headers={"authorization": f"Bearer {TOKEN}", "host": "shop.example", **headers},
            peer=f"10.{number // 62_500}.{number // 250 % 250}.{number % 250}",
        )
        answer = self.routes.respond(asked)
        assert answer is not None, path
        return answer.status, dict(answer.headers), answer.body

    def everything(self, word: str) -> Iterator[tuple[str, int, dict[str, str], bytes]]:
        system = self.system
        queries: dict[str, list[str]] = {
            "request": [f"id={each.id}" for each in system.recorder.list(limit=4)],
            "query": [f"id={each.id}" for each in system.database.get_queries()][:4],
            "route": [
                urlencode({"r": f"{each.method} {each.route}"}, errors="replace")
                for each in system.performance.snapshot().routes[:4]
            ],
            "metrics": ["format=prometheus", "format=openmetrics", "format=json", "format=csv"],
            "settings": ["show=all", urlencode({"q": word}, errors="replace")],
            "routes": ["range=1h&sort=route", urlencode({"q": word[:100]}, errors="replace")],
        }
        for path, route in self.routes._table.items():
            if "GET" in route.methods and "/static/" not in path:
                for query in ["", *queries.get(path.rpartition("/")[2], ())]:
                    yield (f"{path}?{query}", *self.ask(path, query, accept="application/json"))
        yield ("/health in the standard", *self.ask("/health", accept="application/health+json"))


def assert_harmless(where: str, status: int, headers: dict[str, str], body: bytes) -> None:
    assert status in (200, 308, 400, 404, 503), (where, status, body[:300])
    assert all(re.fullmatch(r"[\x20-\x7e]*", value) for value in headers.values()), where
    kind = headers.get("content-type", "").partition(";")[0]
    if kind == "text/html":
        page = Page(body.decode())
        assert page.bad == [], (where, page.bad[:3])
        assert page.open == [], where
        assert set(page.elements) <= ALLOWED, (where, set(page.elements) - ALLOWED)
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", body.decode()), where
    elif kind in ("application/json", "application/health+json"):
        json.loads(body, parse_constant=lambda word: pytest.fail(f"{where}: {word} is no JSON"))
    elif where.endswith("format=prometheus"):
        assert "evil" not in {family.name for family in prometheus(body.decode())}
    elif where.endswith("format=openmetrics"):
        assert "evil" not in {family.name for family in openmetrics(body.decode())}
    elif kind == "text/csv":
        assert not re.search(r"(?:^|,)\"?[=@]", body.decode(), re.MULTILINE), where


def commanded(teller: Teller, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands that read tell what they find; no terminal and no CI obeys it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            status, headers, body = teller.ask(path, query)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("PERFKIT_TOKEN", TOKEN)
    report = folder / "report.html"
    try:
        for command in (
            ["advise", url, "--explain", "--color", "never"],
            ["check", url, "--format", "github"],
            ["top", url, "--once"],
            ["report", url, "-o", str(report)],
        ):
            said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
            with redirect_stdout(said), redirect_stderr(said):
                code = main(command)
            printed = said.buffer.getvalue().decode()  # type: ignore[attr-defined]  # a BytesIO
            assert code in (0, 1), (command, printed[:500])
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", printed), command
            if command[0] == "check":
                assert not re.search(r"^::(?!(?:error|warning|notice)\b)", printed, re.MULTILINE), printed
                assert "::pwned" not in printed
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    page = report.read_text(encoding="utf-8")
    assert page.count("<script") == page.count("</script>") <= 3
    assert "alert(1)</script>" not in page
    assert "<img" not in page
    assert "<iframe" not in page


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_or_text_is_obeyed_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word = HOSTILE[name]
    settings = {
        "service": f"hostile-{name}",
        "access": {"token": TOKEN, "actions": True},
        "http": {"load_path": "/load"},
        "recorder": {"errors": 50, "slowest": 50},
    }
    with PerformanceSystem(settings, environment="development") as system:
        app = plant(system, word, tmp_path)
        send(app, word)
        system.health.get_health_summary()
        system.store.tick(system.clock.monotonic())
        system.alerts.evaluate()
        teller = Teller(system)
        seen = b""
        for where, status, headers, body in teller.everything(word):
            assert_harmless(where, status, headers, body)
            seen += body
        assert_harmless("Host", *teller.ask("/perfkit/", host=re.sub(r"[^ -~]", "?", word)))
        assert b"Hostile" in seen or b"/fail" in seen
        families = {family.definition.name: family for family in system.store.families()}
        ours = [point.labels for point in families[ERRORS.name].points] if ERRORS.name in families else []
        assert ours == []
        if name in ("script", "command", "terminal", "half", "long"):
            commanded(teller, tmp_path, monkeypatch)
