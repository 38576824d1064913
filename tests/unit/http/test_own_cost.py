"""What perfkit's threads take is what the system says of them, and of no other thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import psutil

from perfkit.dashboard import overview
from perfkit.http.dashboard.cost import OWN, background_share
from tests.unit.dashboard.samples import STATES_BY_NAME


@contextmanager
def spending(name: str, seconds: float) -> Iterator[None]:
    """Have a thread called *name* that has used the processor for *seconds* and lives on."""
    is_done, may_end = threading.Event(), threading.Event()

    def spend() -> None:
        while time.thread_time() < seconds:
            pass
        is_done.set()
        may_end.wait(60)

    thread = threading.Thread(target=spend, name=name, daemon=True)
    thread.start()
    assert is_done.wait(60)
    yield
    may_end.set()
    thread.join()


def test_our_threads_count_and_no_others() -> None:
    before = background_share()
    assert before is not None
    with spending("somebody-else", 0.3):
        others = background_share()
    with spending(f"{OWN}test", 0.3):
        ours = background_share()
    after = background_share()
    assert others is not None
    assert ours is not None
    assert after is not None
    # Threads that other tests have left may take a little meanwhile.
    half = 0.15 / (time.time() - psutil.Process().create_time())
    assert others - before < half < ours - after
    assert 0.0 <= after <= 1.0


def test_the_foot_of_a_page_says_it_where_it_is_known() -> None:
    shown = STATES_BY_NAME["healthy"]
    told = overview(msgspec.structs.replace(shown, background_share=0.0042))
    assert "its threads take 0.42\N{NO-BREAK SPACE}% of a core in this worker" in told
    assert "of a core" not in overview(shown).rpartition("<footer")[2]
