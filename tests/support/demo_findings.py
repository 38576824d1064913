"""Asks the shop in one framework for its routes, in this process, and prints what the database optimizer found."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

import msgspec

ALL = [
    "/products",
    "/cart?cart=3",
    "/search?q=SK-0007",
    "/home",
    "/recommend",
    "/reports/daily",
    "/orders/export?limit=450",
    "/api/v1/products/4",
    *(f"/products/{number}" for number in range(1, 30)),
]


def told(system: Any) -> list[Any]:
    found: list[Any] = msgspec.to_builtins(list(system.database.findings()))
    return found


def report(get: Callable[[str], None], system: Callable[[], Any]) -> None:
    get("/about")
    healthy = told(system())
    for target in ALL:
        get(target)
    system().database.look_at_indexes()
    found = told(system())
    for finding in found:
        if finding["kind"] == "missing_index":
            make(finding["fix"]["sql"])
    system().database.look_at_indexes()
    for _ in range(6):
        get("/search?q=SK-0007")
    system().database.look_at_indexes()
    looked = msgspec.to_builtins(system().database.snapshot().indexes)
    answer = {"healthy": healthy, "all": found, "after": told(system()), "looked": looked}
    print(json.dumps(answer))  # noqa: T201 - the answer of this process


def make(ddl: str) -> None:
    """Do what the finding says: the test's own hand, perfkit never does."""
    with contextlib.closing(sqlite3.connect(sys.argv[2], timeout=30)) as connection:
        connection.execute(ddl)


def fastapi(database: str) -> None:
    import httpx2

    from perfkit.system import PerformanceSystem
    from perfkit_demo.fastapi_shop.app import create_app

    system = PerformanceSystem(environment="testing")
    app = create_app(database, perfkit=False)
    from perfkit_asgi import PerfkitMiddleware

    app.add_middleware(PerfkitMiddleware, system=system)
    with asyncio.Runner() as runner:

        async def ask(target: str) -> None:
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
                assert (await client.get(target)).status_code == 200

        report(lambda target: runner.run(ask(target)), lambda: system)
        runner.run(app.state.engine.dispose())
    system.stop()


def flask(database: str) -> None:
    from perfkit_demo.flask_shop.app import create_app

    app = create_app(database)
    client = app.test_client()

    def get(target: str) -> None:
        response = client.get(target)
        assert response.status_code == 200
        response.get_data()
        response.close()

    report(get, lambda: app.extensions["perfkit"].system)


def django(database: str) -> None:
    os.environ["PERFKIT_DEMO_DATABASE"] = database
    os.environ["PERFKIT_DEMO_SEED"] = "7"
    os.environ["DJANGO_SETTINGS_MODULE"] = "perfkit_demo.django_shop.settings"
    import django as framework

    framework.setup()
    from django.apps import apps
    from django.test import Client

    client = Client()

    def get(target: str) -> None:
        response = client.get(target, headers={"host": "localhost"})
        assert response.status_code == 200
        if response.streaming:
            b"".join(response)
        response.close()

    report(get, lambda: apps.get_app_config("perfkit_django").system)


{"fastapi": fastapi, "flask": flask, "django": django}[sys.argv[1]](sys.argv[2])
