"""What a route would gain: the dearest parts of its kept requests, and only those that save something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec

from perfkit.dashboard.sections.gains import gains, gains_of
from perfkit.recorder.estimate import Estimate
from perfkit.recorder.kept import KeptSpan
from tests.unit.dashboard import samples


def test_the_dearest_parts_are_asked_for_and_those_that_save_nothing_left_out() -> None:
    spans = tuple(
        KeptSpan(kind="sql", name=f"SELECT t{number}", site=f"a.py:{number}" if number % 2 else "", total=number / 10)
        for number in range(1, 8)
    )
    exchange = msgspec.structs.replace(samples.kept(), spans=spans)
    asked: list[str] = []

    def what_if(route: str, subject: str) -> Estimate | None:
        asked.append(subject)
        saved = {"a.py:7": 0.02, "SELECT t6": 0.5, "a.py:5": 0.001}.get(subject)
        if saved is None:
            return None
        return samples.gain(route, subject=subject, share_saved=saved, seconds_saved=saved)

    system: Any = SimpleNamespace(recorder=SimpleNamespace(what_if=what_if))
    found = gains_of(system, "GET /products", [exchange, exchange])
    assert asked == ["a.py:7", "SELECT t6", "a.py:5", "SELECT t4"]
    assert [each.subject for each in found] == ["SELECT t6", "a.py:7"]


def test_the_card_says_from_what_to_what() -> None:
    card = gains([samples.gain("GET /products")])
    assert card is not None
    assert "488 ms → 66.0 ms" in card
    assert "<img" not in card
    assert gains([]) is None
