"""The recorder keeps what is worth it, bounded, and lists what all workers kept."""

from __future__ import annotations

import math
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from perfkit.core.context import Context
from perfkit.core.names import CLIENT_DISCONNECTED, REQUEST_DURATION
from perfkit.core.spans import SEALED
from perfkit.recorder import FlightRecorder, KeptExchange, RecorderSettings
from perfkit.recorder.recorder import KIND, MOST_SERIES, MOST_TAKEN
from perfkit.store import Row, Store
from perfkit.store.texts import KEPT_BYTES, Texts
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock


class World:
    """A recorder, its store and its time."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.store = Store(clock=self.clock)
        self.context = Context(
            store=self.store,
            clock=self.clock,
            release="2.8.1",
            thresholds={"response_time": 1.0},
            targets={"GET /fast": 0.1},
        )
        self.recorder = FlightRecorder(settings=RecorderSettings(**settings), context=self.context)
        self.recorder.start()

    def row(self, route: str = "/orders", status: str = "200", error: str = "", method: str = "GET") -> Row:
        row = self.store.row(REQUEST_DURATION, (method, route, status, "http", error))
        self.recorder.watch(row)
        return row

    def serve(self, row: Row, seconds: float = 0.01, spans: list[Any] | None = None, **more: Any) -> None:
        """Count an exchange and offer it, as an adapter does."""
        self.clock.advance(seconds)
        self.store.observe(row, seconds)
        if seconds >= row.keep_from or "asked" in more:
            self.recorder.keep(row, seconds, spans, began=self.clock.now - seconds, **more)

    def reasons(self) -> list[str]:
        return [kept.reason for kept in reversed(self.recorder.list())]


def error_of(message: str) -> ValueError:
    def deep(depth: int) -> None:
        if depth:
            deep(depth - 1)
        secret_local = "in-a-local"  # noqa: F841 - it must be found nowhere
        raise ValueError(message)

    try:
        deep(50)
    except ValueError as error:
        return error
    raise AssertionError


def test_an_exchange_is_kept_with_all_that_may_be_told() -> None:
    world = World()
    spans = [SEALED, ("sql", "SELECT orders", world.clock.now + 0.1, 0.2, "shop.py:7", "3 rows", ())]
    world.serve(world.row(), 0.5, spans, query="a=1", headers={"user-agent": "x"}, first=0.4)
    (kept,) = world.recorder.list()
    assert (kept.name, kept.status, kept.scheme, kept.release) == ("GET /orders", 200, "http", "2.8.1")
    assert (kept.seconds, kept.first_byte, kept.query, kept.headers) == (0.5, 0.4, "a=█", {"user-agent": "x"})
    assert kept.at == world.clock.time() - 0.5
    assert (kept.span_count, kept.spans[0].intervals, kept.spans[0].details) == (1, ((0.1, 0.2),), {"3 rows": 1})
    assert world.recorder.get(kept.id) == kept
    assert world.recorder.get("0" * 16) is None


def test_failures_slow_ones_and_the_first_are_kept() -> None:
    world = World()
    fast, failed = world.row("/fast"), world.row("/fast", "500", "ValueError")
    left = world.row("/fast", "200", CLIENT_DISCONNECTED)
    for row, seconds in ((fast, 0.01), (fast, 0.01), (fast, 0.2), (failed, 0.01), (left, 0.01), (left, 0.02)):
        world.serve(row, seconds)
    assert world.reasons() == ["sample", "slow", "error", "sample"]


def test_an_exception_is_kept_without_its_locals_and_the_message_without_secrets() -> None:
    world = World()
    world.serve(world.row(status="500", error="ValueError"), error=error_of("no such user: token=s3cr3t"))
    (kept,) = world.recorder.list()
    assert kept.exception is not None
    assert kept.exception.type == "ValueError"
    assert "s3cr3t" not in kept.exception.message
    assert kept.exception.message.startswith("no such user")
    assert len(kept.exception.frames) == 30
    assert kept.exception.frames[-1].function.endswith("deep")
    assert "in-a-local" not in repr(kept)


def test_an_exception_whose_message_fails_is_kept_all_the_same() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    world = World()
    world.serve(world.row(status="500", error="Broken"), error=Broken())
    (kept,) = world.recorder.list()
    assert kept.exception is not None
    assert kept.exception.message == ""


def test_what_is_asked_for_is_kept_under_its_id() -> None:
    world = World()
    row = world.row()
    for number in range(3):
        world.serve(row, asked=f"{number:016x}")
    world.serve(row)
    assert world.reasons() == ["asked"] * 3
    assert world.recorder.get(f"{2:016x}") is not None


def test_a_list_is_filtered() -> None:
    world = World()
    for number, (route, status, seconds) in enumerate(
        [("/a", "200", 0.1), ("/a", "404", 0.2), ("/b", "503", 2.0), ("/a", "503", 0.3)]
    ):
        world.serve(world.row(route, status, status if status > "5" else ""), seconds, asked=f"{number:016x}")
    found = world.recorder.list
    assert [kept.route for kept in found()] == ["/a", "/b", "/a", "/a"], "newest first"
    assert len(found(route="/a")) == len(found(route="GET /a")) == 3
    assert found(route="POST /a") == found(route="/") == ()
    assert len(found(status=503)) == len(found(status="5xx")) == len(found(status="503")) == 2
    assert [kept.seconds for kept in found(min_seconds=0.25)] == [0.3, 2.0]
    assert [kept.seconds for kept in found(reason="error")] == [kept.seconds for kept in found(status="5xx")]
    assert (len(found(reason="asked")), found(reason="sample")) == (2, ())
    assert (len(found(limit=2)), found(limit=0), found(limit=-1)) == (2, (), ())


def test_a_route_slow_for_its_own_target_is_kept() -> None:
    world = World()
    fast, other = world.row("/fast"), world.row("/other")
    for row in (fast, other):
        world.serve(row, 0.001)
        world.serve(row, 0.5)
    assert [(kept.route, kept.reason) for kept in reversed(world.recorder.list())] == [
        ("/fast", "sample"),
        ("/fast", "slow"),
        ("/other", "sample"),
    ]


def test_a_tick_learns_what_is_slow_from_the_store() -> None:
    world = World(sample=0)
    row = world.row()
    for _ in range(200):
        world.serve(row, 0.01)
    assert row.keep_from == 1.0
    world.clock.advance(60.0)
    world.recorder.tick(world.clock.now)
    assert row.keep_from < 0.011
    world.serve(row, 0.03)
    assert world.reasons() == ["sample", "slow"]


def test_at_rest_nothing_is_taken_and_a_start_takes_again() -> None:
    world = World()
    row = world.row()
    world.recorder.stop()
    assert math.isinf(row.keep_from)
    world.serve(row, 5.0)
    world.serve(row, 5.0, asked="0" * 16)
    late = world.row("/late")
    assert math.isinf(late.keep_from)
    assert world.recorder.list() == ()
    world.recorder.start()
    world.recorder.start()
    world.serve(row, 5.0)
    world.serve(late)
    assert len(world.recorder.list()) == 2


def test_what_waits_is_bounded_and_the_rest_counted() -> None:
    world = World(errors=100)
    row = world.row(status="500", error="E")
    for _ in range(100):
        world.serve(row)
    assert len(world.recorder.list()) == MOST_TAKEN
    assert world.recorder.snapshot().dropped == {"queue": 100 - MOST_TAKEN}
    many = [SEALED, *[("sql", "q", 0.0, 0.0, "", "", ())] * 15_000]
    for _ in range(2):
        world.serve(world.row("/wide", "500", "E"), spans=many)
    assert world.recorder.snapshot().dropped == {"queue": 101 - MOST_TAKEN}
    world.recorder.tick(world.clock.now)
    assert world.recorder.list(route="/wide")[0].span_count == 15_000


def test_ten_thousand_routes_take_bounded_memory_and_bytes() -> None:
    world = World()
    for number in range(10_000):
        row = world.row(f"/route/{number}")
        world.serve(row, 2.0, headers={"user-agent": "x" * 1000}, query="a=1&" * 1000)
        if number % 50 == 0:
            world.recorder.tick(world.clock.now)
    snapshot = world.recorder.snapshot()
    assert snapshot.series <= MOST_SERIES
    assert len(world.recorder.list(limit=500)) <= 500
    written = sum(len(body) for body in world.store.kept._memory)
    assert written <= KEPT_BYTES


def test_a_bad_minute_does_not_push_out_what_was_kept_before() -> None:
    world = World(errors=100, window=1.0)
    first = world.row("/first")
    world.serve(first, 3.0)
    spans = [SEALED, *[("sql", f"query number {n} " + "x" * 200, 0.0, 0.1, f"a.py:{n}", "", ()) for n in range(50)]]
    for second in range(60):
        for number in range(50):
            world.serve(world.row(f"/r{number}", "500", "E"), 0.001, spans)
        world.clock.advance(1.0)
        world.recorder.tick(world.clock.now)
        if second % 10 == 0:
            assert world.recorder.list(route="/first", limit=500)
    assert world.recorder.snapshot().dropped["bytes"] > 1000


def test_hostile_texts_are_kept_as_texts() -> None:
    world = World()
    evil = '"><img src=x onerror=alert(1)>\x00\ud800\u202e'
    spans = [SEALED, ("sql", evil, 0.0, 0.1, evil, evil, ((evil, evil),))]
    world.serve(world.row(evil), 0.5, spans, query=evil, headers={"user-agent": evil}, error=ValueError(evil))
    (kept,) = world.recorder.list()
    assert kept.route.startswith('"><img')
    assert kept.spans[0].name.startswith('"><img')
    assert kept.exception is not None


def test_a_record_of_another_release_is_passed_over() -> None:
    world = World()
    world.store.kept.append(KIND, {"id": 1, "what": "nobody knows"})
    world.serve(world.row())
    assert len(world.recorder.list()) == 1


def test_an_internal_error_is_counted_and_the_rest_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    counted: list[tuple[str, str]] = []
    world.context.errors.count = lambda *kind: counted.append(kind)
    world.serve(world.row("/a"), spans=[SEALED, "no span at all"])
    world.serve(world.row("/b"))
    assert [kept.route for kept in world.recorder.list()] == ["/b"]
    assert [component for component, _ in counted] == ["recorder"]


def test_kept_exchanges_have_a_ring_of_their_own(tmp_path: Path) -> None:
    clock = FakeClock()
    texts, kept, other = Texts(clock=clock), Texts(prefix="x", clock=clock), Texts(prefix="x", clock=clock)
    for number, ring in ((1, texts), (1, kept), (2, other)):
        ring.open(tmp_path, number)
        ring.append("k", {"of": number})
    try:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["t-1.ring", "x-1.ring", "x-2.ring"]
        assert len(texts.read()) == 1
        assert sorted(record["of"] for record in kept.read()) == [1, 2]
    finally:
        for ring in (texts, kept, other):
            ring.close()


def test_two_stores_of_one_directory_list_the_same(tmp_path: Path) -> None:
    settings = {"store": {"directory": str(tmp_path / "store"), "mode": "auto"}, "database": {"capture": False}}
    one, two = (PerformanceSystem(settings, environment="testing", origin=name).start() for name in ("", ""))
    try:
        assert one.store.number != two.store.number
        row = one.store.row(REQUEST_DURATION, ("GET", "/orders", "200", "http", ""))
        one.recorder.watch(row)
        one.recorder.keep(row, 0.5, None, began=0.0)
        listed = one.recorder.list()
        assert len(listed) == 1
        assert two.recorder.list() == listed
        assert two.recorder.get(listed[0].id) == listed[0]
        assert isinstance(listed[0], KeptExchange)
        assert listed[0].worker == one.store.number
    finally:
        one.stop()
        two.stop()


def test_a_fork_begins_with_nothing_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.serve(world.row())
    monkeypatch.setattr("perfkit.recorder.recorder.os.getpid", lambda: -1)
    world.recorder.tick(world.clock.now)
    monkeypatch.undo()
    assert world.recorder.list() == ()


def test_alone_it_works_in_memory() -> None:
    recorder = FlightRecorder(clock=FakeClock())
    assert recorder.list() == ()
    assert recorder.snapshot().kept == {}
    recorder.stop()


def test_many_threads_may_offer_at_once_while_a_tick_writes() -> None:
    world = World(errors=100, slowest=50)
    rows = [
        world.row(f"/{number}", status, error) for number in range(4) for status, error in (("200", ""), ("500", "E"))
    ]
    before, barrier, failures = sys.getswitchinterval(), threading.Barrier(9), []

    def offer(row: Row) -> None:
        barrier.wait()
        try:
            for number in range(500):
                seconds = 1.0 + number % 7
                if seconds >= row.keep_from:
                    world.recorder.keep(row, seconds, [SEALED], began=0.0)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=offer, args=(row,)) for row in rows]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        barrier.wait()
        while any(thread.is_alive() for thread in threads):
            world.recorder.tick(world.clock.now)
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert failures == []
    world.recorder.tick(world.clock.now)
    for row in rows:
        world.serve(row, 9.0)  # what was dropped meanwhile has cost its series nothing
    kept, snapshot = world.recorder.list(limit=500), world.recorder.snapshot()
    assert len({each.id for each in kept}) == len(kept) == min(500, sum(snapshot.kept.values()))
    assert 0 < snapshot.kept["error"] <= 4 * 100


def test_what_is_read_is_told_though_another_thread_has_just_written(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.serve(world.row(), 0.5)
    write = FlightRecorder.__setattr__

    def written_meanwhile(recorder: FlightRecorder, name: str, value: object) -> None:
        write(recorder, name, None if name == "_read" else value)

    monkeypatch.setattr(FlightRecorder, "__setattr__", written_meanwhile)
    assert len(world.recorder.list()) == 1


def test_what_was_just_taken_is_listed_though_another_thread_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    row, read = world.row(), world.store.kept.read

    def read_late(*arguments: Any, **options: Any) -> Any:
        found = read(*arguments, **options)
        monkeypatch.setattr(world.store.kept, "read", read)
        world.serve(row, asked="a" * 16)
        assert len(world.recorder.list()) == 1
        return found

    monkeypatch.setattr(world.store.kept, "read", read_late)
    assert world.recorder.list() == ()
    assert [kept.id for kept in world.recorder.list()] == ["a" * 16]
