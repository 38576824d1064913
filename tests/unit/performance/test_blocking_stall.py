"""The verdict over a late loop: samples in, culprit out; and the beats that a late one stands for."""

from __future__ import annotations

import asyncio
import gc
import threading
from types import CodeType, FunctionType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.code.places import is_users
from perfkit.performance.blocking.frames import stack_of
from perfkit.performance.blocking.heartbeat import missed
from perfkit.performance.blocking.stall import Culprit, Sample, Stall

INTERVAL, THRESHOLD = 0.02, 0.1


def code_at(filename: str, name: str) -> CodeType:
    namespace: dict[str, object] = {}
    exec(compile(f"def {name}():\n    pass\n    pass\n", filename, "exec"), namespace)
    code: CodeType = namespace[name].__code__  # type: ignore[attr-defined]  # a function made just now
    return code


OWN = code_at("/srv/shop/prices.py", "convert")
OTHER = code_at("/srv/shop/orders.py", "total")
LIBRARY = code_at("/srv/venv/lib/python3.11/site-packages/requests/api.py", "get")


def judged(blocks: list[float], *, begins: float = 0.0, step: float = 0.01, **more: object) -> Culprit | None:
    """Return the verdict over calls of so many seconds after another, begun *begins* after the last sign of life."""
    stall = Stall(0.0, INTERVAL)
    edges = [begins + sum(blocks[:n]) for n in range(len(blocks) + 1)]
    at = INTERVAL
    while at < edges[-1]:
        current = max(n for n, edge in enumerate(edges[:-1]) if edge <= at)
        stall.add(Sample(at, f"call {current}", ((OWN, 2),), f"Task-{current}"))
        at += step
    return stall.culprit(edges[-1], THRESHOLD, **more)  # type: ignore[arg-type]  # spelled at the calls


@given(seconds=st.floats(0.11, 30.0), begins=st.floats(0.0, INTERVAL))
def test_a_block_of_110_ms_or_more_is_always_found(seconds: float, begins: float) -> None:
    culprit = judged([seconds], begins=begins, step=max(0.01, seconds / 200))
    assert culprit is not None
    assert culprit.seconds == pytest.approx(seconds, abs=INTERVAL / 2 + 0.001)


@given(seconds=st.floats(0.0, 0.066), begins=st.floats(0.0, INTERVAL))
def test_a_block_of_two_thirds_of_the_threshold_never_is(seconds: float, begins: float) -> None:
    assert judged([seconds], begins=begins) is None


@given(blocks=st.lists(st.floats(0.03, 0.06), min_size=2, max_size=20), begins=st.floats(0.0, INTERVAL))
def test_many_short_calls_are_no_block_however_late_the_loop_is(blocks: list[float], begins: float) -> None:
    assert judged(blocks, begins=begins) is None


def test_of_several_calls_the_longest_is_told() -> None:
    culprit = judged([0.03, 0.3, 0.05])
    assert culprit is not None
    assert culprit.task == "Task-1"
    assert culprit.seconds == pytest.approx(0.3, abs=0.02)


def test_the_users_own_innermost_frame_is_the_site_and_the_innermost_of_all_is_told_too() -> None:
    stall = Stall(0.0, INTERVAL)
    for n in range(10):
        frames = ((LIBRARY, 1), (OWN, 3 if n else 2), (OTHER, 1))
        stall.add(Sample(0.06 + n * 0.01, "call", frames))
    culprit = stall.culprit(0.2, THRESHOLD)
    assert culprit is not None
    assert (str(culprit.site), str(culprit.blocked_in)) == (
        "/srv/shop/prices.py:3 in convert",
        f"{LIBRARY.co_filename}:1 in get",
    )
    assert [place.function for place in culprit.stack] == ["get", "convert", "total"]


@pytest.mark.parametrize("runner", [asyncio.run, asyncio.Runner.run, asyncio.BaseEventLoop.run_forever])
def test_who_started_the_loop_is_not_the_site_of_what_a_library_does_in_it(runner: FunctionType) -> None:
    stall = Stall(0.0, INTERVAL)
    for n in range(10):
        stall.add(Sample(0.06 + n * 0.01, "call", ((LIBRARY, 1), (runner.__code__, 9), (OWN, 2))))
    culprit = stall.culprit(0.2, THRESHOLD)
    assert culprit is not None
    assert (culprit.site, str(culprit.blocked_in)) == (None, f"{LIBRARY.co_filename}:1 in get")


def test_the_function_seen_most_often_is_the_site() -> None:
    stall = Stall(0.0, INTERVAL)
    for n in range(10):
        stall.add(Sample(0.06 + n * 0.01, "call", ((OTHER if n % 3 == 0 else OWN, 1 + n % 2),)))
    culprit = stall.culprit(0.2, THRESHOLD)
    assert culprit is not None
    assert culprit.site is not None
    assert culprit.site.function == "convert"


def test_a_thread_that_runs_nothing_is_not_blocked() -> None:
    stall = Stall(0.0, INTERVAL)
    for n in range(10):
        stall.add(Sample(0.06 + n * 0.01, None, ((LIBRARY, 1),)))
    assert stall.culprit(0.3, THRESHOLD) is None


def test_a_time_in_which_everything_stood_still_does_not_count() -> None:
    still = [(0.05, 10.0)]
    assert judged([10.02], step=5.0, lost=still, starved=still) is None
    culprit = judged([10.3], step=0.1, lost=still, starved=still)
    assert culprit is not None
    assert culprit.seconds == pytest.approx(0.35, abs=0.02)


def test_where_the_watchdog_was_kept_waiting_just_so_nothing_is_said() -> None:
    assert judged([0.3], starved=[(0.02, 0.29)]) is None


def test_unless_the_loops_own_thread_used_the_time() -> None:
    culprit = judged([0.3], starved=[(0.02, 0.29)], cpu=0.28)
    assert culprit is not None


def test_a_block_that_nobody_saw_is_told_if_the_loops_thread_used_the_time() -> None:
    assert Stall(0.0, INTERVAL).culprit(0.3, THRESHOLD) is None
    culprit = Stall(0.0, INTERVAL).culprit(0.3, THRESHOLD, cpu=0.27)
    assert culprit is not None
    assert (culprit.site, culprit.samples) == (None, 0)


@given(lag=st.floats(0.02, 3600.0))
def test_a_late_beat_stands_for_those_that_it_kept_away(lag: float) -> None:
    lags = missed(lag, INTERVAL)
    assert lags[0] == lag
    assert len(lags) <= 202
    assert all(0.0 <= each <= lag for each in lags)
    assert sum(lags) / len(lags) == pytest.approx(lag / 2, rel=0.6, abs=INTERVAL)


@pytest.mark.parametrize(
    ("filename", "own"),
    [
        ("/srv/shop/prices.py", True),
        (__file__, True),
        ("/srv/venv/lib/python3.12/site-packages/perfkit_demo/stock.py", True),
        (LIBRARY.co_filename, False),
        (pytest.__file__, False),
        (st.__file__, False),
        ("<frozen importlib._bootstrap>", False),
        ("<string>", False),
    ],
)
def test_which_code_is_the_users_own(filename: str, own: bool) -> None:
    assert is_users(filename) is own


def test_pythons_and_perfkits_files_are_not_the_users_own() -> None:
    import asyncio.events

    import perfkit.core.loops
    import perfkit_asgi.middleware

    for module in (asyncio.events, perfkit.core.loops, perfkit_asgi.middleware):
        assert not is_users(module.__file__)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_look_at_a_thread_leaves_the_garbage_collector_as_it_was(enabled: bool) -> None:
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        names = [frame.f_code.co_name for frame in stack_of(threading.get_ident())]
        assert names[0] == "stack_of"
        assert "test_a_look_at_a_thread_leaves_the_garbage_collector_as_it_was" in names
        assert gc.isenabled() is enabled
        assert len(stack_of(threading.get_ident(), 2)) == 2
        assert stack_of(-1) == []
    finally:
        (gc.enable if was else gc.disable)()
