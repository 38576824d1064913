"""What the monitor says of calls that block an event loop."""

from __future__ import annotations

import pytest

from perfkit.performance.blocking.report import BlockedLoop, BlockedSite
from perfkit.performance.findings import blocked


def site(count: int, seconds: float, *, place: str = "shop/sales.py:99") -> BlockedSite:
    last = BlockedLoop(at=0.0, loop="main", seconds=0.2, site=place, stack=(), victims=(), waiting=0, arrived=0, pid=1)
    return BlockedSite(
        site=place,
        function="report",
        count=count,
        seconds=seconds,
        longest=0.2,
        last_at=0.0,
        waiting=0,
        arrived=0,
        last=last,
    )


@pytest.mark.parametrize(
    ("count", "seconds", "words"),
    [(1, 0.2, "once, for 0.20 s;"), (3, 0.5, "3 times, 0.50 s in all, 0.20 s at most;")],
)
def test_how_often_and_how_long_is_told_in_words(count: int, seconds: float, words: str) -> None:
    (finding,) = blocked([site(count, seconds)])
    assert finding.message == f"report blocked the event loop {words} nothing else could run meanwhile."


def test_what_stands_nowhere_is_no_finding() -> None:
    assert not list(blocked([site(3, 0.5, place="")]))
