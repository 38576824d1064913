"""The demo's shops for tests: each framework's without perfkit, all with the same face."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx2
from demo_answers import ShopAnswer, all_at_once
from sqlalchemy import Engine, event

from perfkit_demo.flask_shop import entrance as flask_entrance
from perfkit_demo.shop.state import Shop

__all__ = [
    "SEED",
    "DjangoProcess",
    "FastAPIShop",
    "FlaskShop",
    "ShopClient",
    "django_shop",
    "fastapi_shop",
    "flask_shop",
]

SEED = 7
SUPPORT = Path(__file__).parent


class ShopClient(Protocol):
    """A shop to ask.

    Attributes:
        statements: All SQL that it ran, with the parameters.
        audited: What stands in its audit list, as (method, path).
        pages: Hits and misses of its page cache.
    """

    @property
    def statements(self) -> list[tuple[str, Any]]: ...

    @property
    def audited(self) -> list[tuple[str, str]]: ...

    @property
    def pages(self) -> tuple[int, int]: ...

    @abstractmethod
    def ask(self, method: str, target: str, body: Any = None) -> ShopAnswer:
        """Send one request; *body* becomes JSON."""

    @abstractmethod
    def home_at_once(self, count: int) -> list[ShopAnswer]:
        """Have *count* visitors ask for the home page in the same moment."""

    def get(self, target: str) -> ShopAnswer:
        return self.ask("GET", target)

    def post(self, target: str, body: Any = None) -> ShopAnswer:
        return self.ask("POST", target, body)


class InProcess(ShopClient):
    """What the shops with SQLAlchemy have in common."""

    def __init__(self, engine: Engine, shop: Shop) -> None:
        self.shop = shop
        self._statements: list[tuple[str, Any]] = []
        event.listen(engine, "before_cursor_execute", self._listen)

    @property
    def statements(self) -> list[tuple[str, Any]]:
        return self._statements

    @property
    def audited(self) -> list[tuple[str, str]]:
        return [(entry.action, entry.subject) for entry in self.shop.audit.entries]

    @property
    def pages(self) -> tuple[int, int]:
        return self.shop.pages.hits, self.shop.pages.misses

    def _listen(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        self._statements.append((statement, parameters))


class FastAPIShop(InProcess):
    def __init__(self, app: Any) -> None:
        super().__init__(app.state.engine.sync_engine, app.state.shop)
        self._app = app
        self._runner = asyncio.Runner()

    def ask(self, method: str, target: str, body: Any = None) -> ShopAnswer:
        return self._runner.run(self._ask(method, target, body))

    def home_at_once(self, count: int) -> list[ShopAnswer]:
        async def all_of_them() -> list[ShopAnswer]:
            return await asyncio.gather(*(self._ask("GET", "/home") for _ in range(count)))

        return self._runner.run(all_of_them())

    async def _ask(self, method: str, target: str, body: Any = None) -> ShopAnswer:
        transport = httpx2.ASGITransport(app=self._app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(method, target, json=body)
        return ShopAnswer(
            answer.status_code, answer.text, answer.headers["content-type"], answer.headers.get("allow", "")
        )

    def close(self) -> None:
        self._runner.run(self._app.state.engine.dispose())
        self._runner.close()


class FlaskShop(InProcess):
    def __init__(self, app: Any) -> None:
        self._app = app
        self._parts = app.extensions["shop"]
        super().__init__(self._parts.engine, self._parts.shop)

    def ask(self, method: str, target: str, body: Any = None) -> ShopAnswer:
        answer = self._app.test_client().open(target, method=method, json=body)
        text = answer.get_data(as_text=True)
        answer.close()
        return ShopAnswer(answer.status_code, text, answer.headers["Content-Type"], answer.headers.get("Allow", ""))

    def home_at_once(self, count: int) -> list[ShopAnswer]:
        return all_at_once(flask_entrance, lambda: self.get("/home"), count)

    def close(self) -> None:
        self._parts.engine.dispose()


class DjangoProcess(ShopClient):
    """The shop in Django, behind a pipe."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / "django.db"
        self._state: dict[str, Any] = {}
        paths = [str(Path(entry).resolve()) for entry in sys.path if entry]
        self._process = subprocess.Popen(
            [sys.executable, str(SUPPORT / "demo_django_process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "PERFKIT_DEMO_DATABASE": str(self._database),
                "PERFKIT_DEMO_SEED": str(SEED),
            },
        )

    @property
    def statements(self) -> list[tuple[str, Any]]:
        return [(statement, parameters) for statement, parameters in self._state["statements"]]

    @property
    def audited(self) -> list[tuple[str, str]]:
        return [(action, subject) for action, subject in self._state["audited"]]

    @property
    def pages(self) -> tuple[int, int]:
        hits, misses = self._state["pages"]
        return hits, misses

    def begin(self, seeded: Path) -> None:
        """Forget everything, and go on with a copy of the database *seeded*."""
        self._command({"renew": True})
        shutil.copy(seeded, self._database)

    def ask(self, method: str, target: str, body: Any = None) -> ShopAnswer:
        return ShopAnswer(**self._command({"method": method, "target": target, "body": body}))

    def home_at_once(self, count: int) -> list[ShopAnswer]:
        return [ShopAnswer(**answer) for answer in self._command({"home_at_once": count})]

    def close(self) -> None:
        self._process.communicate(timeout=30)

    def _command(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "The process of the shop in Django has ended; look at its messages."
        self._state = json.loads(line)
        return self._state["outcome"]


@contextmanager
def fastapi_shop(database: Path) -> Iterator[FastAPIShop]:
    from perfkit_demo.fastapi_shop.app import create_app

    shop = FastAPIShop(create_app(database, perfkit=False, seed=SEED))
    try:
        yield shop
    finally:
        shop.close()


@contextmanager
def flask_shop(database: Path) -> Iterator[FlaskShop]:
    from perfkit_demo.flask_shop.app import create_app

    shop = FlaskShop(create_app(database, perfkit=False, seed=SEED))
    try:
        yield shop
    finally:
        shop.close()


@contextmanager
def django_shop(folder: Path) -> Iterator[DjangoProcess]:
    """Start a process; its `begin` gives it a database."""
    shop = DjangoProcess(folder)
    try:
        yield shop
    finally:
        shop.close()
