"""What a route would gain: the dearest parts of its kept requests, and only those that save something."""

from __future__ import annotations

from itertools import accumulate, pairwise

import msgspec
import pytest

from perfkit.cache.http import Candidate
from perfkit.dashboard.sections.gains import gains, gains_of
from perfkit.recorder.kept import KeptSpan
from perfkit.recorder.prospects import Counted, Prospects
from perfkit.store.boundaries import FINE
from tests.unit.dashboard import samples


def prospects(*spans: KeptSpan, requests: float = 100.0) -> Prospects:
    """Of a route whose requests all take 1 s, in which *spans* ran one after another."""
    exchange = msgspec.structs.replace(samples.kept(), spans=spans, seconds=1.0)
    counts = [requests if low < 1.0 <= high else 0.0 for low, high in pairwise((0.0, *FINE))]
    counted = Counted(boundaries=FINE, counts=[*counts, 0.0], total=requests, duration=10.0)
    return Prospects("GET /products", [exchange, exchange], counted)


def spans(*totals: float) -> list[KeptSpan]:
    """One after another, every second one with its line of code."""
    starts = accumulate(totals, initial=0.0)
    return [
        KeptSpan(
            kind="sql",
            name=f"SELECT t{at}",
            site=f"a.py:{at}" if at % 2 else "",
            total=took,
            intervals=((start, took),),
        )
        for at, (start, took) in enumerate(zip(starts, totals, strict=False))
    ]


def test_the_dearest_parts_are_tried_and_those_that_save_next_to_nothing_left_out() -> None:
    found = gains_of(prospects(*spans(0.02, 0.1, 0.3, 0.005, 0.4, 0.03)))
    assert [each.subject for each in found] == ["SELECT t4", "SELECT t2", "a.py:1", "a.py:5"]
    assert [each.share_saved for each in found] == [pytest.approx(each) for each in (0.4, 0.3, 0.1, 0.03)]
    assert gains_of(prospects(*spans(0.005, 0.004))) == ()
    assert gains_of(prospects()) == ()


def test_a_cache_for_the_route_is_one_of_them_where_the_sample_knows_it() -> None:
    candidate = Candidate(
        route="GET /products",
        repeat_ratio=1.0,
        rate=10.0,
        seconds=1.0,
        ttl=400.0,
        keep_for=30.0,
        hit_ratio=0.9,
        outdated=0.0,
        saved=9.0,
        samples=100,
    )
    first, second = gains_of(prospects(*spans(0.3)), candidate)
    assert first.subject == "the 90 % that a cache of 30 s would answer"
    assert first.share_saved == pytest.approx(0.9, abs=0.001)
    assert first.seconds_saved_per_minute == pytest.approx(60 * 10 * 0.9, rel=0.01)
    assert second.subject == "SELECT t0"
    card = gains([first, second])
    assert card is not None
    assert "540\N{NO-BREAK SPACE}s" in card


def test_the_card_says_from_what_to_what() -> None:
    card = gains([samples.gain("GET /products")])
    assert card is not None
    assert "488\N{NO-BREAK SPACE}ms → 66.0\N{NO-BREAK SPACE}ms" in card
    assert "<img" not in card
    assert gains([]) is None
