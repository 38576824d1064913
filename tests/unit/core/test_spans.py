from __future__ import annotations

import asyncio
import contextvars

import pytest

from perfkit.core import spans as spans_module
from perfkit.core.spans import (
    MAX_ATTRIBUTES,
    MAX_SPANS,
    MAX_TEXT,
    Span,
    add_span,
    begin_exchange,
    current_spans,
    expect_spans,
    record_span,
    seal_exchange,
    spans_of,
)


def span(name: str = "GET user:*") -> Span:
    return Span("cache", name, 0.0, 0.001)


def test_spans_go_to_the_current_exchange() -> None:
    def run() -> None:
        begin_exchange()
        assert add_span(span())
        assert current_spans() == (span(),)

    contextvars.Context().run(run)


def test_without_an_exchange_a_span_is_not_taken() -> None:
    assert contextvars.Context().run(add_span, span()) is False
    assert contextvars.Context().run(current_spans) is None


def test_a_finished_exchange_takes_nothing_more() -> None:
    def run() -> None:
        spans = begin_exchange()
        add_span(span("kept"))
        seal_exchange(spans)
        assert not add_span(span("late"))
        assert current_spans() is None
        assert [each.name for each in spans_of(spans)] == ["kept"]

    contextvars.Context().run(run)


def test_a_span_recorded_from_its_fields_is_the_one_made_of_them() -> None:
    def run() -> None:
        exchange = begin_exchange()
        made = Span("sql", "SELECT ?", 1.0, 0.002, "shop/items.py:40", "3 rows", (("db.system", "sqlite"),))
        assert record_span("sql", "SELECT ?", 1.0, 0.002, "shop/items.py:40", "3 rows", (("db.system", "sqlite"),))
        assert record_span("cache", "GET user:*", 2.0, 0.001)
        assert add_span(made)
        assert current_spans() == (made, Span("cache", "GET user:*", 2.0, 0.001), made)
        seal_exchange(exchange)
        assert len(spans_of(exchange)) == 3

    contextvars.Context().run(run)


def test_what_a_span_carries_is_bounded() -> None:
    def run() -> None:
        exchange = begin_exchange()
        many = tuple((f"name{number}", "x" * MAX_TEXT * 2) for number in range(MAX_ATTRIBUTES * 2))
        record_span("sql", "x" * MAX_TEXT * 2, 0.0, 0.001, attributes=many)
        (kept,) = spans_of(exchange)
        assert len(kept.name) == MAX_TEXT
        assert len(kept.attributes) == MAX_ATTRIBUTES
        assert {len(str(value)) for _, value in kept.attributes} == {MAX_TEXT}

    contextvars.Context().run(run)


def test_an_exchange_is_bounded() -> None:
    def run() -> None:
        begin_exchange()
        taken = sum(add_span(span()) for _ in range(MAX_SPANS + 5))
        assert taken == MAX_SPANS

    contextvars.Context().run(run)


@pytest.mark.anyio
async def test_a_task_that_outlives_its_request_writes_nowhere() -> None:
    spans, taken = begin_exchange(), list[bool]()

    async def late() -> None:
        await asyncio.sleep(0.01)
        taken.append(add_span(span()))

    task = asyncio.create_task(late())
    seal_exchange(spans)
    await task
    assert taken == [False]


@pytest.mark.anyio
async def test_two_requests_at_once_keep_their_spans_apart() -> None:
    async def request(name: str) -> tuple[str, ...]:
        begin_exchange()
        for _ in range(3):
            await asyncio.sleep(0)
            await asyncio.to_thread(add_span, span(name))
        return tuple(each.name for each in current_spans() or ())

    both = await asyncio.gather(*(asyncio.create_task(request(name)) for name in "ab"))
    assert both == [("a",) * 3, ("b",) * 3]


def test_who_adds_a_span_without_an_exchange_has_one_opened_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans_module, "PRODUCERS", [])
    contextvars.Context().run(add_span, span())
    assert spans_module.PRODUCERS == ["record_span"]
    expect_spans("cache")
    expect_spans("cache")
    assert spans_module.PRODUCERS == ["record_span", "cache"]
