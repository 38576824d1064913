"""The queries of the pages for those who come from other exporters: the old and the new one have the same answer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
from doc_pages import blocks, text
from fleet import TOKEN, started
from patience import until
from prometheus_server import PROMETHEUS, PrometheusServer, prometheus_server

pytestmark = [
    pytest.mark.server,
    pytest.mark.acceptance,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        PROMETHEUS is None, reason="prometheus is not installed; install it with: apt-get install prometheus"
    ),
]

APP = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from perfkit_asgi import PerfkitMiddleware

async def hello(request):
    await asyncio.sleep(0.03)
    return PlainTextResponse("hello")

async def ill(request):
    return PlainTextResponse("ill", status_code=503)

async def broken(request):
    raise LookupError("a shelf")

app = Starlette(routes=[Route("/hello/{name}", hello), Route("/ill", ill), Route("/broken", broken)])
app.add_middleware(PerfkitMiddleware, metrics={"names": "NAMES"})
"""

PAGES = ("starlette-exporter", "django-prometheus")


def pairs(page: str) -> list[tuple[str, str]]:
    """Return the old and the new query of each block."""
    found = [block.code.strip().splitlines() for block in blocks(text(page)) if block.language == "promql"]
    assert found
    return [(old, new) for old, new in found]


@contextmanager
def scraped(names: str, folder: Path) -> Iterator[tuple[PrometheusServer, int]]:
    (folder / "migrated_app.py").write_text(APP.replace("NAMES", names))
    arguments = ["-m", "uvicorn", "migrated_app:app", "--app-dir", str(folder), "--port", "{port}"]
    with started(arguments, {"PERFKIT_ENVIRONMENT": "production"}, workers=0) as running:
        job = {
            "job_name": "shop",
            "authorization": {"credentials": TOKEN},
            "static_configs": [{"targets": [f"127.0.0.1:{running.port}"]}],
        }
        with prometheus_server(folder, [job]) as prometheus:
            yield prometheus, running.port


def visit(port: int) -> None:
    for path in ("/hello/a", "/hello/b", "/ill", "/broken", "/no/such/page"):
        httpx2.get(f"http://127.0.0.1:{port}{path}", headers={"connection": "close"}, trust_env=False, timeout=60)


@pytest.mark.parametrize("names", PAGES)
def test_the_new_query_has_the_answer_of_the_old_one(names: str, tmp_path: Path) -> None:
    with scraped(names, tmp_path) as (prometheus, port):
        for old, new in pairs(f"docs/migrations/{names}.md"):
            first, second = until(partial(visited, prometheus, port, old, new), lambda answer: answer[0] and answer[1])
            assert first.keys() == second.keys(), (old, new)
            for what, value in first.items():
                # A quantile is as good as the bucket is narrow, and the buckets differ.
                assert second[what] == pytest.approx(value, rel=0.05, abs=0.01), (old, new)


def visited(prometheus: PrometheusServer, port: int, old: str, new: str) -> tuple[dict[str, float], dict[str, float]]:
    """Visit the app, and return both answers as of one moment by what they tell apart; empty where none is there."""
    visit(port)
    now = str(prometheus.ask("query", query="time()")["result"][0])
    told = []
    for query in (old, new):
        result = prometheus.ask("query", query=re.sub(r"\[5m\]", "[20s]", query), time=now)["result"]
        values = {short(next(iter(each["metric"].values()), "")): float(each["value"][1]) for each in result}
        told.append({what: value for what, value in values.items() if not math.isnan(value)})
    return (told[0], told[1]) if any(value > 0 for value in told[0].values()) else ({}, {})


def short(label: str) -> str:
    """Return the name of a class without its module; a route as it is."""
    if label == "<unnamed view>":
        return ""
    return label if label.startswith("/") else label.rpartition(".")[2]
