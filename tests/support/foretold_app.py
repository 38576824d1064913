"""An app with a slow part in each of its routes, which is mended where ``FORETOLD_FIXED`` is set: queries of SQLite in
threads and calls over HTTP, as apps have them. What each of them takes is the same with and without the fix.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from time import perf_counter, sleep
from typing import Any

import httpx2
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from perfkit import PerformanceSystem
from perfkit.core.findings import Effect
from perfkit.core.spans import record_span
from perfkit.store.quantiles import quantile
from perfkit_asgi import PerfkitMiddleware

FIXED = bool(os.environ.get("FORETOLD_FIXED"))
SCALE = 3.0
"""Times the seconds that stand below: the longer things take, the less a busy machine matters."""

TABLES = ("account", "audit", "item", "orders", "product", "report", "review", "slow")

system = PerformanceSystem(
    {"service": "foretold", "recorder": {"sample": 1, "window": 1.0}}, environment="testing", origin="foretold"
)
threads, pool_of_two = ThreadPoolExecutor(60), ThreadPoolExecutor(2)
local = threading.local()


def connection() -> Any:
    """Return this thread's own."""
    if not hasattr(local, "connection"):
        plain = sqlite3.connect(":memory:", check_same_thread=False)
        plain.create_function("wait", 1, sleep)
        for table in TABLES:
            plain.execute(f"CREATE TABLE {table} (id)")
            plain.execute(f"INSERT INTO {table} VALUES (1)")
        local.connection = system.database.wrap(plain)
    return local.connection


class Work:
    """What one request does."""

    def __init__(self, case: str, number: int, client: httpx2.AsyncClient, home: str) -> None:
        self.case, self.number, self.client, self.home = case, number, client, home

    def about(self, what: str, seconds: float) -> float:
        """Return the same in each server, and another in each request."""
        return SCALE * seconds * random.Random(f"{self.case} {self.number} {what}").lognormvariate(0.0, 0.2)

    async def query(self, table: str, seconds: float, what: str = "", pool: ThreadPoolExecutor = threads) -> None:
        took = self.about(table + what, seconds)

        def ask() -> None:
            connection().execute(f"SELECT wait(?) FROM {table}", (took,)).fetchall()

        await asyncio.get_running_loop().run_in_executor(pool, contextvars.copy_context().run, ask)

    async def call(self, seconds: float) -> None:
        await self.client.get(f"{self.home}/stub", params={"seconds": self.about("call", seconds)})


Case = Callable[[Work], Awaitable[None]]
CASES: dict[str, tuple[Case, Effect]] = {}


def case(effect: Effect) -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        CASES[function.__name__] = function, effect
        return function

    return add


SLOW = Effect(kind="sql", name="SELECT slow")


@case(SLOW)
async def one_after_another(work: Work) -> None:
    await work.query("orders", 0.04)
    if not FIXED:
        await work.query("slow", 0.08)


@case(Effect(kind="sql", name="SELECT review", stays=1))
async def one_query_in_place_of_many(work: Work) -> None:
    await work.query("product", 0.03)
    for number in range(1 if FIXED else 5):
        await work.query("review", 0.03, str(number))


@case(Effect(kind="sql", name="SELECT account", stays=1, most=2))
async def the_same_asked_three_times(work: Work) -> None:
    for number in range(1 if FIXED else 3):
        await work.query("account", 0.03, str(number))
    await work.query("orders", 0.03)


@case(Effect(kind="sql", name="SELECT slow", left=0.1))
async def an_index_that_leaves_a_tenth(work: Work) -> None:
    await work.query("orders", 0.04)
    await work.query("slow", 0.01 if FIXED else 0.1)


@case(SLOW)
async def beside_a_shorter_one(work: Work) -> None:
    slow = [] if FIXED else [work.query("slow", 0.1)]
    await asyncio.gather(work.query("orders", 0.06), *slow)
    await work.query("audit", 0.02)


@case(SLOW)
async def beside_a_longer_one(work: Work) -> None:
    slow = [] if FIXED else [work.query("slow", 0.04)]
    await asyncio.gather(work.query("orders", 0.09), *slow)


@case(SLOW)
async def where_its_branch_goes_on(work: Work) -> None:
    async def first() -> None:
        if not FIXED:
            await work.query("slow", 0.07)
        await work.query("orders", 0.06)

    await asyncio.gather(first(), work.query("account", 0.065))


@case(SLOW)
async def a_branch_beside_a_chain(work: Work) -> None:
    async def first() -> None:
        await work.query("account", 0.02)
        if not FIXED:
            await work.query("slow", 0.09)
        await work.query("orders", 0.03)

    async def second() -> None:
        await work.query("product", 0.05)
        await work.query("item", 0.06)

    await asyncio.gather(first(), second())


@case(SLOW)
async def where_threads_are_few(work: Work) -> None:
    await work.query("account", 0.01)
    jobs = [work.query("report", 0.05, str(number), pool_of_two) for number in range(4)]
    if not FIXED:
        jobs[1:1] = [work.query("slow", 0.1, pool=pool_of_two)]
    await asyncio.gather(*jobs)


@case(Effect(kind="outbound"))
async def a_call_after_a_query(work: Work) -> None:
    await work.query("orders", 0.05)
    if not FIXED:
        await work.call(0.08)


@case(SLOW)
async def a_template_with_a_query_in_it(work: Work) -> None:
    start = perf_counter()
    await work.query("orders", 0.05)
    if not FIXED:
        await work.query("slow", 0.06)
    record_span("template", "orders.html", start, perf_counter() - start)


@case(SLOW)
async def beside_a_call(work: Work) -> None:
    slow = [] if FIXED else [work.query("slow", 0.12)]
    await asyncio.gather(work.call(0.05), work.query("product", 0.04), *slow)


@case(SLOW)
async def in_a_part_of_the_requests(work: Work) -> None:
    await work.query("orders", 0.05)
    if work.number % 4 == 0 and not FIXED:
        await work.query("slow", 0.15)


@case(Effect(kind="sql", name="SELECT item", stays=1))
async def a_loop_in_a_branch(work: Work) -> None:
    async def loop() -> None:
        for number in range(1 if FIXED else 8):
            await work.query("item", 0.015, str(number))

    await asyncio.gather(loop(), work.query("orders", 0.05))


async def answer(request: Request) -> Response:
    name = request.url.path.removeprefix("/cases/")
    home = f"http://127.0.0.1:{request.url.port}"
    await CASES[name][0](Work(name, int(request.query_params["number"]), request.app.state.client, home))
    return PlainTextResponse("done")


async def stub(request: Request) -> Response:
    await asyncio.sleep(float(request.query_params["seconds"]))
    return PlainTextResponse("stub")


async def foretold(request: Request) -> Response:
    """Return what each fix would bring, what the requests took, and what is found."""
    kept, host = system.recorder.prospects(*(f"GET /cases/{name}" for name in CASES)), f"127.0.0.1:{request.url.port}"
    told, took = {}, {}
    for name, (_, effect) in CASES.items():
        there = msgspec.structs.replace(effect, name=host) if effect.kind == "outbound" else effect
        prospects = kept[f"GET /cases/{name}"]
        told[name], counted = prospects.with_effect(there), prospects.counted
        if any(counted.counts):
            took[name] = {f"p{q}": quantile(counted.boundaries, counted.counts, q / 100) for q in (50, 95)}
            took[name]["mean"] = counted.total / sum(counted.counts)
    found = system.get_optimization_recommendations()
    return JSONResponse({"told": msgspec.to_builtins(told), "took": took, "found": msgspec.to_builtins(found)})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    connection()  # wakes what records spans, so that the first request has them
    async with httpx2.AsyncClient(verify=False, timeout=60.0) as client:
        app.state.client = client
        yield


app = Starlette(
    routes=[
        *(Route(f"/cases/{name}", answer) for name in CASES),
        Route("/stub", stub),
        Route("/foretold", foretold),
    ],
    lifespan=lifespan,
)
app.add_middleware(PerfkitMiddleware, system=system)
