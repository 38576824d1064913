"""The contract of an adapter, as tests: inherit `AdapterKit`, say how to make the app and how to call it.

    class TestMyFramework(AdapterKit):
        def make_app(self, system): ...          # the kit's routes in your framework, perfkit added in one line
        def exchange(self, app, method, path, ...): ...

The kit's app answers these routes:

    GET  /hello/{name}    200, text "hello <name>"
    POST /echo            200, the body byte for byte
    GET  /empty           204, no body
    GET  /refused         403
    GET  /unavailable     503, answered (not raised)
    GET  /boom            raises ValueError("boom")
    GET  /stream          200, three chunks "one", "two", "three"
    GET  /broken-stream   200, one chunk, then raises ValueError
    GET  /background      200, then work that goes on after the answer (calls `self.background_work`)
    GET  /state           200, "yes" if user code can reach the system
    GET  /spans           200, adds two spans to the current exchange
    mounted at /v1 and at /t/{tenant}: GET /items/{item_id}    200
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from perfkit.core.families import Histogram
from perfkit.core.names import CLIENT_DISCONNECTED, REQUEST_QUEUE
from perfkit.core.spans import PRODUCERS, Span, add_span, expect_spans, set_exchange
from perfkit.http.queueing import QUEUE_TIME
from perfkit.system import PerformanceSystem
from perfkit.testing.recorded import TOKEN, Answer, Recorded, recorded
from perfkit.testing.recorder_kit import RecorderCases

__all__ = ["AdapterKit", "Answer", "Recorded", "recorded"]


def _waits(system: PerformanceSystem) -> float:
    """Return how many waits before the app were measured, all of them of 2 s and little more."""
    waits = [point.value for family in system.store.families({REQUEST_QUEUE.name}) for point in family.points]
    counts = [wait.count for wait in waits if isinstance(wait, Histogram) and 2.0 * wait.count <= wait.sum]
    return sum(counts)


class AdapterKit(RecorderCases):
    """Tests that every adapter must pass. Subclasses define `make_app`, `exchange` and `wrap_again`.

    A test of something that a framework does not have is set to None in the subclass.
    """

    has_routes = True
    """False for a plain app without a router: its exchanges carry no route."""

    raises_through = True
    """True where an exception of the app reaches the server."""

    error_of_an_exception = "ValueError"
    """The `error_type` of /boom; ``500`` where the framework has answered before the adapter sees the exception."""

    http_cache: Mapping[str, float] = {}
    """Routes whose responses are cached, as in `cache.http_cache`: all must hold for an app with a cache as well."""

    ignores_case_of_methods = False
    """True where the framework takes the method ``get`` for ``GET``."""

    def make_app(self, system: PerformanceSystem) -> Any:
        """Return the kit's app with perfkit around it, recording into *system*."""
        raise NotImplementedError

    def exchange(
        self,
        app: Any,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        root_path: str = "",
        leave_after: int | None = None,
    ) -> Answer:
        """Call *app* as a server would; a client that leaves does so after *leave_after* chunks."""
        raise NotImplementedError

    def route(self, template: str) -> str:
        """Return how the framework writes *template*; empty where it has no routes."""
        return template if self.has_routes else ""

    @staticmethod
    def background_work() -> None:
        """What the app does after its answer."""
        threading.Event().wait(0.25)

    @staticmethod
    def add_spans() -> int:
        """Add two spans as a component would; return how many were taken."""
        return sum(add_span(Span("cache", name, 0.0, 0.001)) for name in ("one", "two"))

    @pytest.fixture
    def system(self) -> Iterator[PerformanceSystem]:
        """A system in memory, stopped after the test; something in the process adds spans."""
        expect_spans("the adapter kit")
        system = PerformanceSystem(
            # Whether the process has databases is not the adapter's affair, and decides whether exchanges are opened.
            {
                "access": {"token": TOKEN},
                "database": {"capture": False},
                "cache": {"http_cache": dict(self.http_cache)},
            },
            environment="testing",
        )
        yield system
        system.stop()

    @pytest.fixture
    def app(self, system: PerformanceSystem) -> Any:
        """The kit's app."""
        return self.make_app(system)

    def one(self, system: PerformanceSystem) -> Recorded:
        """Return the one exchange that was recorded, exactly once."""
        found = recorded(system)
        assert len(found) == 1, found
        assert found[0].count == 1
        assert system.store.in_flight() == 0
        return found[0]

    def test_a_request_is_counted_once_with_its_route(self, app: Any, system: PerformanceSystem) -> None:
        answer = self.exchange(app, "GET", "/hello/ann")
        assert (answer.status, answer.body) == (200, b"hello ann")
        one = self.one(system)
        assert (one.method, one.route, one.status, one.scheme, one.error) == (
            "GET",
            self.route("/hello/{name}"),
            "200",
            "http",
            "",
        )
        assert 0 < one.seconds < 10

    @pytest.mark.parametrize("size", [0, 1, 65536, 1_000_000])
    def test_the_body_passes_through_byte_for_byte(self, app: Any, system: PerformanceSystem, size: int) -> None:
        body = bytes(range(256)) * (size // 256 + 1)
        answer = self.exchange(app, "POST", "/echo", body=body[:size])
        assert answer.body == body[:size]
        assert self.one(system).route == self.route("/echo")

    def test_headers_are_the_apps_own(self, app: Any, system: PerformanceSystem) -> None:
        headers = self.exchange(app, "GET", "/hello/ann").headers
        assert not [name for name in headers if "perfkit" in name or name == "server-timing"]

    def test_an_empty_answer_is_counted(self, app: Any, system: PerformanceSystem) -> None:
        assert self.exchange(app, "GET", "/empty").status == 204
        assert self.one(system).status == "204"

    def test_a_client_error_is_no_error_of_the_service(self, app: Any, system: PerformanceSystem) -> None:
        assert self.exchange(app, "GET", "/refused").status == 403
        one = self.one(system)
        assert (one.status, one.error) == ("403", "")

    def test_an_answered_5xx_is_an_error(self, app: Any, system: PerformanceSystem) -> None:
        assert self.exchange(app, "GET", "/unavailable").status == 503
        one = self.one(system)
        assert (one.status, one.error) == ("503", "503")

    def test_an_exception_is_counted_as_500_and_passes_through(self, app: Any, system: PerformanceSystem) -> None:
        answer = self.exchange(app, "GET", "/boom")
        if self.raises_through:
            assert isinstance(answer.error, ValueError)
            assert str(answer.error) == "boom"
        one = self.one(system)
        assert (one.status, one.route) == ("500", self.route("/boom"))
        assert one.error == self.error_of_an_exception

    def test_a_stream_passes_chunk_by_chunk_and_is_counted_at_its_end(
        self, app: Any, system: PerformanceSystem
    ) -> None:
        answer = self.exchange(app, "GET", "/stream")
        assert [chunk for chunk in answer.chunks if chunk] == [b"one", b"two", b"three"]
        assert self.one(system).route == self.route("/stream")

    def test_a_stream_that_breaks_is_an_error_with_the_status_that_was_sent(
        self, app: Any, system: PerformanceSystem
    ) -> None:
        self.exchange(app, "GET", "/broken-stream")
        one = self.one(system)
        assert (one.status, one.error) == ("200", "ValueError")

    def test_work_after_the_answer_is_not_in_the_duration(self, app: Any, system: PerformanceSystem) -> None:
        assert self.exchange(app, "GET", "/background").status == 200
        assert self.one(system).seconds < 0.2

    def test_a_client_that_leaves_is_its_own_outcome(self, app: Any, system: PerformanceSystem) -> None:
        self.exchange(app, "GET", "/stream", leave_after=1)
        one = self.one(system)
        assert one.error == CLIENT_DISCONNECTED

    def test_head_is_its_own_method_without_a_body(self, app: Any, system: PerformanceSystem) -> None:
        self.exchange(app, "HEAD", "/hello/ann")
        assert self.one(system).method == "HEAD"

    def test_options_is_counted(self, app: Any, system: PerformanceSystem) -> None:
        self.exchange(app, "OPTIONS", "/hello/ann")
        assert self.one(system).method == "OPTIONS"

    def test_an_unmatched_path_has_no_route(self, app: Any, system: PerformanceSystem) -> None:
        for path in ("/nowhere", "/wp-admin.php", "/hello"):
            assert self.exchange(app, "GET", path).status == 404
        (one,) = recorded(system)
        assert (one.route, one.status, one.count) == ("", "404", 3)

    def test_a_method_not_allowed_keeps_the_route(self, app: Any, system: PerformanceSystem) -> None:
        answer = self.exchange(app, "DELETE", "/hello/ann")
        one = self.one(system)
        assert one.status == str(answer.status)
        if self.has_routes:
            assert (one.status, one.route) == ("405", self.route("/hello/{name}"))

    def test_unknown_methods_share_one_series(self, app: Any, system: PerformanceSystem) -> None:
        for method in ("FOO", "BAR", "get"):
            self.exchange(app, method, "/hello/ann")
        small = "GET" if self.ignores_case_of_methods else "_OTHER"
        assert {one.method for one in recorded(system)} == {"_OTHER", small}
        assert sum(one.count for one in recorded(system)) == 3

    def test_mounts_are_in_the_route_and_their_parameters_are_not(self, app: Any, system: PerformanceSystem) -> None:
        for path in ("/v1/items/1", "/t/acme/items/2", "/t/umbrella/items/3", "/v1/items/4"):
            assert self.exchange(app, "GET", path).status == 200
        counts = {one.route: one.count for one in recorded(system)}
        assert counts == {self.route("/v1/items/{item_id}"): 2, self.route("/t/{tenant}/items/{item_id}"): 2}

    def test_a_root_path_is_not_in_the_route(self, app: Any, system: PerformanceSystem) -> None:
        assert self.exchange(app, "GET", "/api/hello/ann", root_path="/api").status == 200
        assert self.one(system).route == self.route("/hello/{name}")

    def test_our_own_paths_answer_below_a_root_path(self, app: Any, system: PerformanceSystem) -> None:
        assert self.exchange(app, "GET", "/api/health/live", root_path="/api").status == 200
        assert recorded(system) == []

    def test_health_answers_everyone_and_is_not_counted(self, app: Any, system: PerformanceSystem) -> None:
        for path in ("/health", "/health/live", "/health/ready", "/health/startup"):
            assert self.exchange(app, "GET", path).status == 200, path
        assert recorded(system) == []

    def test_what_reveals_internals_is_the_apps_own_404_to_a_stranger(
        self, app: Any, system: PerformanceSystem
    ) -> None:
        own = self.exchange(app, "GET", "/nowhere")
        for path in ("/metrics", "/perfkit/", "/perfkit", "/perfkit/api/overview"):
            answer = self.exchange(app, "GET", path)
            assert (answer.status, answer.body, answer.headers) == (own.status, own.body, own.headers), path

    def test_metrics_and_dashboard_answer_whoever_brings_the_token(self, app: Any, system: PerformanceSystem) -> None:
        self.exchange(app, "GET", "/hello/ann")
        allowed = {"authorization": f"Bearer {TOKEN}"}
        metrics = self.exchange(app, "GET", "/metrics", headers=allowed)
        assert metrics.status == 200
        assert b"http_server_request_duration_seconds_count{" in metrics.body
        page = self.exchange(app, "GET", "/perfkit/", headers=allowed)
        assert page.status == 200
        assert page.headers["content-type"].startswith("text/html")
        assert sum(one.count for one in recorded(system)) == 1

    def test_how_long_requests_waited_is_measured_where_a_proxy_tells(
        self, app: Any, system: PerformanceSystem
    ) -> None:
        def ask() -> float:
            told = {"x-request-start": f"t={system.clock.time() - 2.0:.6f}"}
            assert self.exchange(app, "GET", "/hello/ann", headers=told).status == 200
            return _waits(system)

        assert ask() == 1.0, "the first request of a process is looked at"
        before = ask()
        for job in system.scheduler.jobs():
            if job.name == QUEUE_TIME:
                job.run(system.clock.monotonic())
        assert ask() > before, "so is the next one after the scheduler has asked for it"
        assert sum(one.count for one in recorded(system)) == 3

    def test_user_code_reaches_the_system(self, app: Any, system: PerformanceSystem) -> None:
        assert self.exchange(app, "GET", "/state").body == b"yes"

    def test_no_exchange_is_opened_while_nobody_adds_spans(self, app: Any, system: PerformanceSystem) -> None:
        producers = PRODUCERS[:]
        PRODUCERS.clear()
        set_exchange(None)  # an exchange of an earlier test, as the variable is never reset
        try:
            assert self.exchange(app, "GET", "/spans").body == b"0"
            assert PRODUCERS == ["record_span"], "whoever adds a span has exchanges opened from now on"
        finally:
            PRODUCERS[:] = producers
        assert self.one(system).status == "200"

    def test_spans_of_components_reach_the_exchange(self, app: Any, system: PerformanceSystem) -> None:
        assert self.exchange(app, "GET", "/spans").body == b"2"

    def test_perfkit_around_perfkit_counts_once(self, system: PerformanceSystem) -> None:
        app = self.wrap_again(self.make_app(system), system)
        self.exchange(app, "GET", "/hello/ann")
        self.one(system)

    def wrap_again(self, app: Any, system: PerformanceSystem) -> Any:
        """Return *app* with a second perfkit around it."""
        raise NotImplementedError
