"""What a response cache must do in front of a real app, whatever the framework: inherit, and say how to make the app.

The app has two routes, ``/o/{name}`` for any method and ``/o/other``, and answers as `Origin` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgi_peer import internal_errors
from patience import until

from perfkit.cache.http import HttpCache
from perfkit.cache.http.status import RESPONSES
from perfkit.core.spans import current_spans
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock
from perfkit.testing.adapter_kit import Answer, recorded

__all__ = ["HttpCacheKit", "Origin"]

Given = tuple[int, dict[str, str], Any]


class Origin:
    """Answers by the name of what is asked for.

    Attributes:
        calls: How often each name was asked for.
        seen: The headers of the last request.
        is_failing: ``page`` raises.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.seen: Mapping[str, str] = {}
        self.is_failing = False
        self.spans: Any = None

    def respond(self, name: str, headers: Mapping[str, str]) -> Given:
        """Return status, headers and body: bytes, or a function that gives its pieces."""
        self.calls[name] += 1
        self.seen = headers
        self.spans = current_spans()
        whole = f"{name} {self.calls[name]}".encode()
        if self.is_failing:
            raise ValueError("the origin fails")
        known: dict[str, Callable[[], Given]] = {
            "same": lambda: (200, {}, b"the same"),
            "private": lambda: (200, {"Cache-Control": "private"}, whole),
            "public": lambda: (200, {"Cache-Control": "public"}, whole),
            "login": lambda: (200, {"Set-Cookie": "session=secret"}, whole),
            "missing": lambda: (404, {}, whole),
            "failed": lambda: (503, {}, whole),
            "stream": lambda: (200, {}, lambda: iter([b"one", b"two", b"three"])),
            "broken": lambda: (200, {}, self._broken),
            "short": lambda: (200, {"Content-Length": "100"}, lambda: iter([b"one", b"two"])),
            "announced": lambda: (200, {"Content-Length": "6"}, lambda: iter([b"one", b"two"])),
            "large": lambda: (200, {}, b"x" * 5000),
            "large-stream": lambda: (200, {}, lambda: iter([b"x" * 500] * 10)),
            "tagged": lambda: self._tagged(headers, whole),
            "language": lambda: (200, {"Vary": "Accept-Language"}, headers.get("accept-language", "").encode()),
        }
        return known.get(name, lambda: (200, {"Content-Type": "text/plain"}, whole))()

    def _broken(self) -> Iterator[bytes]:
        yield b"one"
        raise ValueError("broken")

    def _tagged(self, headers: Mapping[str, str], whole: bytes) -> Given:
        if headers.get("if-none-match") == '"a"':
            return 304, {"ETag": '"a"', "X-Times": str(self.calls["tagged"])}, b""
        return 200, {"ETag": '"a"'}, whole


class HttpCacheKit:
    """The cases. Subclasses define `make_app` and `exchange`."""

    has_routes = True
    keeps_streams = True
    raises_through = True

    def make_app(self, system: PerformanceSystem, origin: Origin) -> Any:
        raise NotImplementedError

    def exchange(self, app: Any, method: str, path: str, **more: Any) -> Answer:
        raise NotImplementedError

    def route(self, template: str) -> str:
        return template if self.has_routes else ""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def origin(self) -> Origin:
        return Origin()

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"max_body": 4000, "wait": 60.0, "stale_while_revalidate": 100.0, "stale_if_error": 200.0, "sample": 1}

    @pytest.fixture
    def system(self, clock: FakeClock, options: dict[str, Any]) -> Iterator[PerformanceSystem]:
        cache = {"http_cache": {"GET /o/{name}": 30}, "http": options}
        system = PerformanceSystem({"cache": cache}, environment="testing", clock=clock)
        yield system
        system.stop()

    @pytest.fixture
    def ask(self, system: PerformanceSystem, origin: Origin) -> Callable[..., Answer]:
        app = self.make_app(system, origin)

        def ask(path: str, method: str = "GET", **more: Any) -> Answer:
            return self.exchange(app, method, path, **more)

        return ask

    def test_the_second_request_is_answered_by_the_cache_and_counted_as_the_first(
        self, ask: Callable[..., Answer], origin: Origin, system: PerformanceSystem
    ) -> None:
        first, second = ask("/o/page"), ask("/o/page")
        assert (first.status, first.body) == (second.status, second.body) == (200, b"page 1")
        assert first.headers["cache-status"] == "perfkit; fwd=miss; ttl=30; stored"
        assert second.headers["cache-status"] == "perfkit; hit; ttl=30"
        assert second.headers["age"] == "0"
        assert second.headers["content-type"] == first.headers["content-type"]
        assert origin.calls == {"page": 1}
        (one,) = recorded(system)
        assert (one.method, one.route, one.status, one.count) == ("GET", self.route("/o/{name}"), "200", 2)
        assert system.store.in_flight() == 0

    def test_what_the_cache_did_is_counted(self, ask: Callable[..., Answer], system: PerformanceSystem) -> None:
        for path in ("/o/page", "/o/page", "/o/page", "/o/private"):
            ask(path)
        ask("/o/page", headers={"range": "bytes=0-1"})
        (family,) = system.store.families({RESPONSES.name})
        assert {point.labels: point.value for point in family.points} == {
            ("/o/{name}", "hit"): 2.0,
            ("/o/{name}", "miss"): 2.0,
            ("/o/{name}", "bypass"): 1.0,
        }

    @pytest.mark.parametrize("name", ["private", "login", "failed"])
    def test_what_must_not_be_kept_is_not(self, ask: Callable[..., Answer], origin: Origin, name: str) -> None:
        first, second = ask(f"/o/{name}"), ask(f"/o/{name}")
        assert first.body != second.body
        assert origin.calls[name] == 2

    def test_nobody_gets_what_another_got(self, ask: Callable[..., Answer], origin: Origin) -> None:
        users = [
            {"cookie": "session=a"},
            {"cookie": "session=b"},
            {"authorization": "Basic YTpi"},
            {},
            {"x-api-key": "k"},
        ]
        bodies = [ask("/o/page", headers=user).body for user in users]
        assert len(set(bodies)) == len(users)
        assert ask("/o/page").body == bodies[3]

    def test_what_is_public_is_everybody_s(self, ask: Callable[..., Answer], origin: Origin) -> None:
        bodies = {ask("/o/public", headers={"cookie": f"session={who}"}).body for who in "abc"}
        assert bodies == {b"public 1"}

    def test_responses_that_vary_are_told_apart(self, ask: Callable[..., Answer], origin: Origin) -> None:
        for language in ("de", "en", "de", "en"):
            assert ask("/o/language", headers={"accept-language": language}).body == language.encode()
        assert origin.calls["language"] == 2

    def test_head_is_answered_from_get(
        self, ask: Callable[..., Answer], origin: Origin, system: PerformanceSystem
    ) -> None:
        ask("/o/page")
        head = ask("/o/page", "HEAD")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "6")
        assert origin.calls["page"] == 1
        assert {one.method for one in recorded(system)} == {"GET", "HEAD"}
        assert {one.route for one in recorded(system)} == {self.route("/o/{name}")}

    def test_head_alone_is_not_kept(self, ask: Callable[..., Answer], origin: Origin) -> None:
        assert ask("/o/page", "HEAD").headers["cache-status"] == "perfkit; fwd=miss"
        assert ask("/o/page").body == b"page 2"

    def test_who_has_it_already_gets_304(
        self, ask: Callable[..., Answer], origin: Origin, system: PerformanceSystem
    ) -> None:
        tag = ask("/o/page").headers["etag"]
        answer = ask("/o/page", headers={"if-none-match": tag})
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == tag
        assert origin.calls["page"] == 1
        assert {one.status for one in recorded(system)} == {"200", "304"}

    def test_the_first_who_asks_has_it_already(self, ask: Callable[..., Answer], origin: Origin) -> None:
        answer = ask("/o/tagged", headers={"if-none-match": '"a"'})
        assert (answer.status, answer.body) == (304, b"")
        assert "if-none-match" not in origin.seen
        assert ask("/o/tagged").body == b"tagged 1"

    def test_a_stale_response_is_validated(self, ask: Callable[..., Answer], origin: Origin, clock: FakeClock) -> None:
        ask("/o/tagged")
        clock.advance(131)
        answer = ask("/o/tagged")
        assert origin.seen["if-none-match"] == '"a"'
        assert (answer.status, answer.body, answer.headers["x-times"]) == (200, b"tagged 1", "2")
        assert answer.headers["cache-status"] == "perfkit; fwd=stale; fwd-status=304; stored"
        assert ask("/o/tagged").headers["cache-status"].startswith("perfkit; hit")

    def test_ranges_and_preconditions_reach_the_app(self, ask: Callable[..., Answer], origin: Origin) -> None:
        ask("/o/page")
        for name, value in (("range", "bytes=0-1"), ("if-match", '"x"')):
            assert ask("/o/page", headers={name: value}).status == 200
            assert origin.seen[name] == value
        assert origin.calls["page"] == 3

    def test_a_stream_passes_piece_by_piece(self, ask: Callable[..., Answer], origin: Origin) -> None:
        first, second = ask("/o/stream"), ask("/o/stream")
        assert [chunk for chunk in first.chunks if chunk] == [b"one", b"two", b"three"]
        assert second.body == b"onetwothree"
        assert origin.calls["stream"] == (1 if self.keeps_streams else 2)

    def test_a_stream_of_known_length_is_kept(self, ask: Callable[..., Answer], origin: Origin) -> None:
        assert ask("/o/announced").body == ask("/o/announced").body == b"onetwo"
        assert origin.calls["announced"] == (1 if self.keeps_streams else 2)

    @pytest.mark.parametrize("name", ["broken", "short"])
    def test_what_did_not_come_to_its_end_is_not_kept(
        self, ask: Callable[..., Answer], origin: Origin, name: str
    ) -> None:
        ask(f"/o/{name}")
        ask(f"/o/{name}")
        assert origin.calls[name] == 2

    @pytest.mark.parametrize("name", ["stream", "announced", "large-stream"])
    def test_what_a_client_left_in_the_middle_is_not_kept(
        self, ask: Callable[..., Answer], origin: Origin, name: str
    ) -> None:
        ask(f"/o/{name}", leave_after=1)
        assert ask(f"/o/{name}").headers["cache-status"].startswith("perfkit; fwd=miss")
        assert origin.calls[name] == 2

    @pytest.mark.parametrize("name", ["large", "large-stream"])
    def test_a_large_body_passes_by(self, ask: Callable[..., Answer], origin: Origin, name: str) -> None:
        assert ask(f"/o/{name}").body == ask(f"/o/{name}").body == b"x" * 5000
        assert origin.calls[name] == 2

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_a_change_makes_it_invalid(self, ask: Callable[..., Answer], origin: Origin, method: str) -> None:
        ask("/o/page")
        ask("/o/page", method)
        assert ask("/o/page").body == b"page 3"

    def test_a_change_below_a_root_path_does_too(self, ask: Callable[..., Answer], origin: Origin) -> None:
        assert ask("/api/o/page", root_path="/api").body == b"page 1"
        assert ask("/api/o/page", root_path="/api").body == b"page 1"
        ask("/api/o/page", "POST", root_path="/api")
        assert ask("/api/o/page", root_path="/api").body == b"page 3"

    def test_a_page_of_another_root_path_is_another(self, ask: Callable[..., Answer], origin: Origin) -> None:
        assert ask("/api/o/page", root_path="/api").body == b"page 1"
        assert ask("/o/page").body == b"page 2"

    def test_another_route_for_the_same_path_is_not_kept(self, ask: Callable[..., Answer], origin: Origin) -> None:
        ask("/o/other")
        ask("/o/other")
        assert origin.calls["other"] == (2 if self.has_routes else 1)

    def test_a_missing_page_is_kept_for_a_moment(
        self, ask: Callable[..., Answer], origin: Origin, clock: FakeClock
    ) -> None:
        assert [ask("/o/missing").status for _ in range(3)] == [404] * 3
        assert origin.calls["missing"] == 1
        clock.advance(11)
        # It serves stale while a thread or a task renews it.
        ask("/o/missing")
        until(lambda: ask("/o/missing").body, lambda body: body == b"missing 2")
        assert origin.calls["missing"] == 2

    def test_an_exception_passes_as_without_a_cache(
        self, ask: Callable[..., Answer], origin: Origin, system: PerformanceSystem
    ) -> None:
        origin.is_failing = True
        for _ in range(2):
            answer = ask("/o/page")
            assert isinstance(answer.error, ValueError) or answer.status == 500
        origin.is_failing = False
        assert ask("/o/page").status == 200
        assert origin.calls["page"] == 3
        assert {(one.status, one.count) for one in recorded(system)} == {("500", 2), ("200", 1)}

    def test_routes_that_could_be_cached_are_found(
        self, ask: Callable[..., Answer], origin: Origin, system: PerformanceSystem, clock: FakeClock
    ) -> None:
        for _ in range(60):
            clock.advance(1)
            ask("/free/same")
            ask("/free/page")
            ask("/free/login")
        candidates = system.cache.candidates
        assert candidates is not None
        if not self.has_routes:
            assert candidates.found(clock.monotonic()) == []
            return
        (found,) = candidates.found(clock.monotonic())
        assert found.route == f"GET {self.route('/free/{name}')}"
        assert 0.4 < found.repeat_ratio < 0.6
        assert 2.5 < found.rate < 3.5

    def test_the_system_s_own_paths_are_not_touched(self, ask: Callable[..., Answer]) -> None:
        assert "cache-status" not in ask("/health").headers

    @pytest.mark.parametrize("call", ["enter", "wait_for", "await_for", "keep"])
    def test_where_the_cache_fails_the_app_answers(
        self, ask: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        def fail(*arguments: Any, **named: Any) -> Any:
            raise RuntimeError("inside perfkit")

        monkeypatch.setattr(HttpCache, call, fail)
        for _ in range(2):
            answer = ask("/o/page")
            assert answer.status == 200
            assert answer.body.startswith(b"page")

    def test_nothing_of_ours_went_wrong(self, ask: Callable[..., Answer], system: PerformanceSystem) -> None:
        for name in ("page", "stream", "broken", "short", "tagged", "private", "large", "missing"):
            ask(f"/o/{name}")
            ask(f"/o/{name}", headers={"if-none-match": '"a"'})
            ask(f"/o/{name}", "HEAD")
        assert internal_errors(system) == {}

    def test_a_hit_is_a_span_of_its_exchange(self, ask: Callable[..., Answer], spans_expected: None) -> None:
        seen: list[Any] = []
        ask("/o/page")
        self.watch_spans(seen, lambda: ask("/o/page"))
        assert [(span.kind, span.name, span.detail) for span in seen] == [("cache", "http", "hit")]

    def watch_spans(self, seen: list[Any], act: Callable[[], object]) -> None:
        """Collect the spans that are added while *act* runs."""
        from perfkit.cache.http import cache

        taken = cache.add_span

        def add(span: Any) -> bool:
            seen.append(span)
            return taken(span)

        cache.add_span = add
        try:
            act()
        finally:
            cache.add_span = taken

    def test_a_stale_response_serves_while_it_is_renewed(
        self, ask: Callable[..., Answer], origin: Origin, clock: FakeClock, options: dict[str, Any]
    ) -> None:
        ask("/o/renewed")
        clock.advance(31)
        answer = ask("/o/renewed")
        assert (answer.body, answer.headers["cache-status"]) == (b"renewed 1", "perfkit; hit; ttl=-1")
        until(lambda: ask("/o/renewed").body, lambda body: body == b"renewed 2")
        assert origin.calls["renewed"] == 2

    def test_a_renewal_asks_for_the_whole_page(
        self, ask: Callable[..., Answer], origin: Origin, clock: FakeClock
    ) -> None:
        tag = ask("/o/renewed").headers["etag"]
        clock.advance(31)
        assert ask("/o/renewed", "HEAD", headers={"if-none-match": tag}).status == 304
        until(lambda: ask("/o/renewed").body, lambda body: body == b"renewed 2")
        assert "if-none-match" not in origin.seen

    def test_a_renewal_is_no_exchange(
        self, ask: Callable[..., Answer], origin: Origin, clock: FakeClock, system: PerformanceSystem
    ) -> None:
        ask("/o/renewed")
        clock.advance(31)
        ask("/o/renewed")
        until(lambda: ask("/o/renewed").body, lambda body: body == b"renewed 2")
        (one,) = recorded(system)
        assert (one.route, one.status) == (self.route("/o/{name}"), "200")
        assert system.store.in_flight() == 0

    def test_a_stale_response_serves_when_the_app_raises(
        self, ask: Callable[..., Answer], origin: Origin, clock: FakeClock, system: PerformanceSystem
    ) -> None:
        ask("/o/page")
        clock.advance(131)
        origin.is_failing = True
        answer = ask("/o/page")
        assert (answer.status, answer.body, answer.error) == (200, b"page 1", None)
        assert "detail=stale-if-error" in answer.headers["cache-status"]
        clock.advance(200)
        answer = ask("/o/page")
        assert answer.error is not None or answer.status == 500

    def test_of_many_that_ask_at_once_one_asks_the_app(self, ask: Callable[..., Answer], origin: Origin) -> None:
        bodies = self.at_once(ask, 20)
        assert set(bodies) == {b"slow 1"}, set(bodies)
        assert origin.calls["slow"] == 1

    def at_once(self, ask: Callable[..., Answer], count: int) -> list[bytes]:
        """Ask for ``slow``, which takes a while, *count* times at once."""
        with ThreadPoolExecutor(count) as pool:
            return [answer.body for answer in pool.map(lambda _: ask("/o/slow"), range(count))]
