"""Systems come and go while the app asks its database: SQLAlchemy's events must not raise in the app's calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from haste import hasty
from sqlalchemy import event
from sqlalchemy.pool import Pool

from perfkit.core.context import Context
from perfkit.database.capture.checkouts import CHECKOUTS
from perfkit.database.capture.recorder import Recorder
from perfkit.database.capture.sqlalchemy import SQLAlchemyCapture
from perfkit.database.pool.pools import Pools
from perfkit.database.settings import DatabaseSettings
from perfkit.store import Store


@pytest.fixture
def quick_switches() -> Iterator[None]:
    with hasty(1e-6):
        yield


@pytest.fixture
def own_listener() -> Iterator[None]:
    """The app listens to all pools too, and takes its time."""

    def listener(*arguments: Any) -> None:
        for _ in range(50):
            threading.get_ident()

    event.listen(Pool, "checkout", listener)
    yield
    event.remove(Pool, "checkout", listener)


def capture() -> SQLAlchemyCapture:
    context = Context(store=Store())
    settings = DatabaseSettings()
    recorder = Recorder(context, settings)
    return SQLAlchemyCapture(recorder, Pools(context))


@pytest.mark.usefixtures("quick_switches", "own_listener")
def test_captures_that_start_and_stop_do_not_disturb_the_apps_calls() -> None:
    first = capture()
    first.start()
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    is_over, errors = threading.Event(), []

    def ask() -> None:
        try:
            while not is_over.is_set():
                with engine.connect():
                    pass
        except Exception as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(500):
        one = capture()
        assert one.start()
        assert one in CHECKOUTS
        one.stop()
        assert one not in CHECKOUTS
    is_over.set()
    asking.join(30.0)
    first.stop()
    engine.dispose()
    assert errors == []


class SlowToTell:
    """A pool whose first looker waits for another one at the very same pool."""

    def __init__(self) -> None:
        self.is_held, self.may_go_on = threading.Event(), threading.Event()

    @property
    def _dialect(self) -> Any:
        if not self.is_held.is_set():
            self.is_held.set()
            self.may_go_on.wait(0.3)
        return SimpleNamespace(name="postgresql")

    def connect(self) -> str:
        return "connection"


def test_two_threads_that_meet_a_pool_know_it_as_one() -> None:
    pools, pool = Pools(Context(store=Store())), SlowToTell()
    seen: list[Any] = []
    first = threading.Thread(target=lambda: seen.append(pools.watch(pool)))
    first.start()
    assert pool.is_held.wait(20)
    second = threading.Thread(target=lambda: seen.append(pools.watch(pool)))
    second.start()
    second.join(0.1)
    pool.may_go_on.set()
    first.join(20)
    second.join(20)
    assert seen[0] is seen[1] is pools.watch(pool)
