from __future__ import annotations

import asyncio
import threading

import pytest

from perfkit.core.errors import ErrorLog, UnknownEventError
from perfkit.core.events import EVENTS, Events
from perfkit.core.loops import Loops


def test_listeners_are_told_in_the_order_in_which_they_came() -> None:
    events, told = Events(), list[str]()
    events.on("started", lambda system: told.append(f"first {system}"))
    events.on("started", lambda system: told.append(f"second {system}"))
    events.emit("started", "shop")
    assert told == ["first shop", "second shop"]


def test_a_failing_listener_stops_no_other_and_is_counted() -> None:
    counted, told = list[tuple[str, str]](), list[str]()
    events = Events(ErrorLog(count=lambda component, kind: counted.append((component, kind))))

    def fail(_: object) -> None:
        raise KeyError("gone")

    events.on("alert", fail)
    events.on("alert", lambda _: told.append("second"))
    events.emit("alert", None)
    assert told == ["second"]
    assert counted == [("events", "KeyError")]


def test_a_coroutine_listener_runs_where_no_loop_runs() -> None:
    events, heard = Events(), threading.Event()

    async def listen(_: object) -> None:
        await asyncio.sleep(0)
        heard.set()

    events.on("stopped", listen)
    events.emit("stopped", None)
    assert heard.wait(60)


@pytest.mark.anyio
async def test_a_coroutine_listener_runs_on_the_running_loop() -> None:
    events, heard = Events(), asyncio.Event()

    async def listen(_: object) -> None:
        heard.set()

    events.on("stopped", listen)
    events.emit("stopped", None)
    await asyncio.wait_for(heard.wait(), 60)


@pytest.mark.anyio
async def test_a_failing_coroutine_listener_is_counted() -> None:
    counted = asyncio.Event()
    events = Events(ErrorLog(count=lambda component, kind: counted.set()))

    async def fail(_: object) -> None:
        raise ValueError("no")

    events.on("stopped", fail)
    events.emit("stopped", None)
    await asyncio.wait_for(counted.wait(), 60)


@pytest.mark.anyio
async def test_a_coroutine_listener_runs_on_the_apps_loop_if_another_thread_emits() -> None:
    loops, heard = Loops(), asyncio.Event()
    loops.enter()
    events, ours = Events(loops=loops), asyncio.get_running_loop()

    async def listen(_: object) -> None:
        assert asyncio.get_running_loop() is ours
        heard.set()

    events.on("alert", listen)
    await asyncio.to_thread(events.emit, "alert", None)
    await asyncio.wait_for(heard.wait(), 60)


def test_a_coroutine_listener_runs_though_the_apps_loop_stands_still() -> None:
    loops, heard = Loops(), threading.Event()
    loop = asyncio.new_event_loop()

    async def enter() -> None:
        loops.enter()

    loop.run_until_complete(enter())
    events = Events(loops=loops)

    async def listen(_: object) -> None:
        heard.set()

    events.on("alert", listen)
    events.emit("alert", None)
    assert heard.wait(60)
    loop.close()


def test_off_stops_one_listener_and_says_if_it_listened() -> None:
    events, told = Events(), list[int]()
    listener = events.on("alert", lambda: told.append(1))
    assert events.off("alert", listener)
    assert not events.off("alert", listener)
    events.emit("alert")
    assert told == []


def test_has_listeners_tells_if_a_payload_is_worth_building() -> None:
    events = Events()
    assert not events.has_listeners("metric_recorded")
    events.on("metric_recorded", print)
    assert events.has_listeners("metric_recorded")


@pytest.mark.parametrize("call", ["on", "off", "emit"])
def test_an_unknown_event_is_an_error_that_names_all_and_the_nearest(call: str) -> None:
    with pytest.raises(UnknownEventError) as caught:
        getattr(Events(), call)("startd", print)
    assert all(event in str(caught.value) for event in EVENTS)
    assert "Did you mean 'started'?" in str(caught.value)
