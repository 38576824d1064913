"""A made-up service to visit, and its visitors."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable

import msgspec

from perfkit.config import AccessSettings, HttpSettings, PerformanceConfig
from perfkit.core.errors import ErrorLog
from perfkit.core.message import Request, Response
from perfkit.core.status import Status
from perfkit.dashboard import Done, Entry, Given, OverviewData
from perfkit.health.snapshot import HealthSnapshot
from perfkit.http.access import Access
from perfkit.http.recording.answers import Wanted
from perfkit.metrics.exposition import Escaping, Format
from perfkit.recorder import KeptExchange
from perfkit.testing import FakeClock
from tests.unit.dashboard import samples

TOKEN = "correct-horse-battery-staple"
OUTSIDE = "198.51.100.7"


def ask(path: str = "/perfkit/", query: str = "", **changes: object) -> Request:
    """A request from this very machine; *changes* are fields of it, or headers when they are called so."""
    headers = {"host": "localhost:8000"} | dict(changes.pop("headers", {}))  # type: ignore[call-overload]
    fields = {"method": "GET", "peer": "127.0.0.1", **changes}
    return Request(path=path, query=query, headers=headers, **fields)  # type: ignore[arg-type]


def stranger(path: str = "/perfkit/", query: str = "", **changes: object) -> Request:
    """A request from the internet."""
    headers = {"host": "shop.example"} | dict(changes.pop("headers", {}))  # type: ignore[call-overload]
    return ask(path, query, **{"peer": OUTSIDE, "headers": headers, **changes})


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def basic(password: str = TOKEN, user: str = "anybody") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def gate(
    environment: str = "development", token: str = TOKEN, clock: FakeClock | None = None, **settings: object
) -> Access:
    access = AccessSettings(**settings)  # type: ignore[arg-type]
    return Access(access, environment=environment, token=token, clock=clock or FakeClock())


def header(response: Response, name: str) -> str | None:
    values = [value for each, value in response.headers if each == name]
    assert len(values) < 2, f"{name} is sent twice"
    return values[0] if values else None


class Service:
    """All that the routes ask of a system, from memory."""

    def __init__(self, environment: str = "production", **sections: object) -> None:
        settings = {"access": AccessSettings(), "http": HttpSettings(), **sections}
        self.config = PerformanceConfig(environment=environment, service="shop", release="2.8.1", **settings)  # type: ignore[arg-type]
        self.clock = FakeClock()
        self.counted: list[tuple[str, str]] = []
        self.errors = ErrorLog(clock=self.clock, count=lambda *kind: self.counted.append(kind))
        self.token = TOKEN
        self.health = samples.health(*samples.CHECKS)
        self.performance = samples.performance()
        self.asked_tags: list[tuple[str, ...]] = []
        self.computed = 0
        self.acted: list[tuple[str, dict[str, object], str]] = []
        self.done: dict[str, Done] = {}
        self.gathered: list[tuple[str, object]] = []
        self.exposed: list[tuple[Format, frozenset[str] | None, Escaping]] = []
        self.fault: Exception | None = None
        self.kept: tuple[KeptExchange, ...] = ()
        self.wanted: list[Wanted] = []

    def health_snapshot(self, tags: Collection[str] = ()) -> HealthSnapshot:
        self._fail()
        self.asked_tags.append(tuple(sorted(tags)))
        kept = tuple(check for check in self.health.checks if not tags or not set(tags).isdisjoint(check.tags))
        return msgspec.structs.replace(self.health, checks=kept)

    def drain(self) -> None:
        self._fail()
        self.feel(self.health.status, is_draining=True, is_ready=False)

    def resume(self) -> None:
        self.feel(self.health.status, is_draining=False, is_ready=True)

    def expose(
        self, format: Format, *, names: Iterable[str] | None = None, escaping: Escaping = Escaping.UNDERSCORES
    ) -> bytes:
        self._fail()
        self.exposed.append((format, None if names is None else frozenset(names), escaping))
        return b"# TYPE up gauge\nup 1.0\n" * 50

    def load_report(self) -> bytes:
        self._fail()
        return b'{"named_metrics":{"rif":2.0}}'

    def overview_data(self) -> OverviewData:
        self._fail()
        self.computed += 1
        return samples.data(self.performance, self.health)

    def found(self, entry: Entry, shown: OverviewData, given: Given) -> object:
        self._fail()
        self.gathered.append((entry.name, given.key))
        return samples.found(entry, shown, given)

    def act(self, what: str, given: Given, who: str) -> Done:
        self._fail()
        self.acted.append((what, dict(given.key), who))
        done = Done(
            id=f"{len(self.acted):012x}", at=0.0, who=who, what=what, said={}, is_done=True, result=f"Did {what}."
        )
        self.done[done.id] = done
        return done

    def find_done(self, name: str) -> Done | None:
        return self.done.get(name)

    def kept_exchanges(self, wanted: Wanted) -> tuple[KeptExchange, ...]:
        self._fail()
        self.wanted.append(wanted)
        return self.kept[: wanted.limit]

    def kept_exchange(self, id: str) -> KeptExchange | None:
        self._fail()
        return next((each for each in self.kept if each.id == id), None)

    def feel(self, status: Status, **changes: object) -> None:
        self.health = msgspec.structs.replace(self.health, status=status, **changes)

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
