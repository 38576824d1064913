"""What the monitor says of calls that block an event loop."""

from __future__ import annotations

import msgspec
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
        longest=seconds / count if count == 1 else 0.2,
        last_at=0.0,
        waiting=0,
        arrived=0,
        last=last,
    )


@pytest.mark.parametrize(
    ("count", "seconds", "words"),
    [(1, 0.6, "once, for 0.60 s;"), (3, 0.5, "3 times, 0.50 s in all, 0.20 s at most;")],
)
def test_how_often_and_how_long_is_told_in_words(count: int, seconds: float, words: str) -> None:
    (finding,) = blocked([site(count, seconds)])
    assert finding.message == f"report blocked the event loop {words} nothing else could run meanwhile."


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("time.sleep(PRINTING)", "await asyncio.sleep(PRINTING)"),
        ("page = render(order, for_print=True)", "page = await asyncio.to_thread(render, order, for_print=True)"),
        ("return requests.get(url)", "return await asyncio.to_thread(requests.get, url)"),
        ("stock = fetch(url).json()", "stock = await asyncio.to_thread(lambda: fetch(url).json())"),
        ("for row in rows:", "await asyncio.to_thread(blocking_call, ...)"),
        ("total += 1", "await asyncio.to_thread(blocking_call, ...)"),
        ("", "await asyncio.to_thread(blocking_call, ...)"),
    ],
)
def test_the_line_is_told_as_it_does_not_block(code: str, fix: str) -> None:
    blocks = site(3, 0.5)
    (finding,) = blocked([msgspec.structs.replace(blocks, last=msgspec.structs.replace(blocks.last, code=code))])
    assert finding.fix == {"python": fix}


@pytest.mark.parametrize(
    ("count", "longest", "waiting", "told"),
    [
        (1, 0.2, 0, []),
        (1, 0.2, 9, []),
        (2, 0.2, 0, ["medium"]),
        (1, 0.5, 0, ["medium"]),
        (1, 1.0, 0, ["high"]),
        (1, 0.2, 10, ["high"]),
    ],
)
def test_once_and_shortly_is_chance(count: int, longest: float, waiting: int, told: list[str]) -> None:
    blocks = msgspec.structs.replace(site(count, longest * count), longest=longest, waiting=waiting)
    assert [str(each.priority) for each in blocked([blocks])] == told


def test_what_stands_nowhere_is_no_finding() -> None:
    assert not list(blocked([site(3, 0.5, place="")]))
