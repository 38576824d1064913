"""What an adapter does for the flight recorder, as cases of the adapter kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from perfkit.system import PerformanceSystem
from perfkit.testing.recorded import TOKEN, Answer, recorded

__all__ = ["RecorderCases"]


class RecorderCases:
    """Cases of `AdapterKit`, which says how to make the app and how to call it."""

    error_of_an_exception: str
    http_cache: Mapping[str, float]

    def make_app(self, system: PerformanceSystem) -> Any:
        """See `AdapterKit`."""
        raise NotImplementedError

    def exchange(self, app: Any, method: str, path: str, *, headers: dict[str, str] | None = None) -> Answer:
        """See `AdapterKit`."""
        raise NotImplementedError

    def route(self, template: str) -> str:
        """See `AdapterKit`."""
        raise NotImplementedError

    def kept(self, system: PerformanceSystem) -> Any:
        """Return the newest kept exchange."""
        found = system.recorder.list()
        assert found, "nothing is kept"
        return found[0]

    def test_the_first_exchange_of_a_kind_is_kept_without_what_nobody_should_read(
        self, app: Any, system: PerformanceSystem
    ) -> None:
        sent = {"user-agent": "kit/1", "cookie": "sid=s3cr3t-1", "authorization": "Bearer s3cr3t-2"}
        self.exchange(app, "GET", "/hello/ann?page=s3cr3t-3&q=", headers=sent)
        kept = self.kept(system)
        assert (kept.method, kept.route, kept.status) == ("GET", self.route("/hello/{name}"), 200)
        assert (kept.query, kept.headers.get("user-agent"), kept.reason) == ("page=█&q=█", "kit/1", "sample")
        assert "s3cr3t" not in repr(kept)
        assert 0 < kept.seconds < 10

    def test_an_exception_is_kept_with_its_frames(self, app: Any, system: PerformanceSystem) -> None:
        self.exchange(app, "GET", "/boom")
        kept = self.kept(system)
        assert (kept.reason, kept.status, kept.error) == ("error", 500, self.error_of_an_exception)
        if self.error_of_an_exception == "ValueError":
            assert (kept.exception.type, kept.exception.message) == ("ValueError", "boom")
            assert kept.exception.frames[-1].line > 0

    def test_a_stream_is_kept_with_the_time_to_its_first_byte(self, app: Any, system: PerformanceSystem) -> None:
        self.exchange(app, "GET", "/stream")
        kept = self.kept(system)
        assert kept.first_byte is not None
        assert 0 < kept.first_byte <= kept.seconds

    def test_spans_are_kept(self, app: Any, system: PerformanceSystem) -> None:
        self.exchange(app, "GET", "/spans")
        assert [(span.kind, span.name, span.count) for span in self.kept(system).spans] == [
            ("cache", "one", 1),
            ("cache", "two", 1),
        ]

    @pytest.mark.parametrize("path", ["/spans", "/stream", "/empty", "/hello/ann"])
    def test_who_asks_and_may_is_told_where_the_record_is(self, app: Any, system: PerformanceSystem, path: str) -> None:
        before = self.exchange(app, "GET", path)
        asking = {"x-perfkit-record": "1", "x-perfkit-token": TOKEN}
        told = self.exchange(app, "GET", path, headers=asking)
        assert (told.status, told.body) == (before.status, before.body)
        page, timing = told.headers.pop("x-perfkit-request"), told.headers.pop("server-timing")
        if not self.http_cache:  # or the second one comes out of it, whole and with headers of its own
            assert (told.headers, told.chunks) == (before.headers, before.chunks)
        assert timing.startswith("total;dur=")
        if path == "/spans":
            assert ', cache;dur=1.0;desc="2 look-ups", app;dur=' in timing
        kept: Any = system.recorder.get(page.rpartition("=")[2])
        assert page == f"/perfkit/request?id={kept.id}"
        assert (kept.reason, kept.status) == ("asked", before.status)
        assert sum(one.count for one in recorded(system)) == 2

    def test_a_stranger_who_asks_gets_what_everybody_gets(self, app: Any, system: PerformanceSystem) -> None:
        own = self.exchange(app, "GET", "/hello/ann")
        for extra in ({}, {"x-perfkit-token": "wrong"}, {"authorization": f"Bearer {TOKEN}"}):
            answer = self.exchange(app, "GET", "/hello/ann", headers={"x-perfkit-record": "1", **extra})
            assert (answer.status, answer.body) == (own.status, own.body)
            assert not {"x-perfkit-request", "server-timing"} & set(answer.headers)
        assert [kept.reason for kept in system.recorder.list()] == ["sample"]

    def test_in_development_each_request_of_those_allowed_is_kept_and_told(self) -> None:
        system = PerformanceSystem(
            {"access": {"token": TOKEN}, "database": {"capture": False}}, environment="development"
        )
        try:
            app = self.make_app(system)
            for _ in range(3):
                told = self.exchange(app, "GET", "/hello/ann", headers={"x-perfkit-token": TOKEN})
                assert (told.status, told.body) == (200, b"hello ann")
                name = told.headers["x-perfkit-request"].rpartition("=")[2]
                kept: Any = system.recorder.get(name)
                assert kept.reason == "asked"
            own = self.exchange(app, "GET", "/hello/ann").headers
            assert "server-timing" not in own
            assert [one.count for one in recorded(system)] == [4]
            assert system.store.in_flight() == 0
        finally:
            system.stop()
