"""Bodies and answers as WSGI apps really make them: what the server gets, when it is recorded, and as what."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from wsgi_driver import Server, environ_of

from perfkit.core.names import CLIENT_DISCONNECTED
from perfkit.system import PerformanceSystem
from perfkit.testing.adapter_kit import Recorded, recorded
from perfkit_wsgi import PerfkitMiddleware

OK = "200 OK"


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem(environment="testing")
    yield system
    system.stop()


def one(system: PerformanceSystem) -> tuple[str, str]:
    """Return status and error of the one exchange that was recorded, once."""
    (found,) = recorded(system)
    assert found.count == 1
    assert system.store.in_flight() == 0
    return found.status, found.error


def count(system: PerformanceSystem) -> int:
    return sum(each.count for each in recorded(system))


def returning(body: Callable[[], Any], status: str = OK, **headers: str) -> Any:
    """Return an app that answers with what *body* makes."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [(name.replace("_", "-"), value) for name, value in headers.items()])
        return body()

    return app


class Body:
    """An iterable that knows how often it was closed."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks, self.error = chunks, error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed += 1


class Sized(Body):
    def __len__(self) -> int:
        return len(self.chunks)


def generated(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks


BODIES: dict[str, tuple[Callable[[], Any], list[bytes]]] = {
    "an empty list": (lambda: [], []),
    "a list": (lambda: [b"one"], [b"one"]),
    "a list of parts": (lambda: [b"one", b"two", b"three"], [b"one", b"two", b"three"]),
    "an empty tuple": (lambda: (), []),
    "a tuple": (lambda: (b"one",), [b"one"]),
    "a tuple of parts": (lambda: (b"one", b"two"), [b"one", b"two"]),
    "a generator": (lambda: generated(b"one", b"two"), [b"one", b"two"]),
    "a generator of nothing": (lambda: generated(), []),
    "empty chunks": (lambda: generated(b"", b"one", b""), [b"one"]),
    "an iterator": (lambda: iter([b"one"]), [b"one"]),
    "an object": (lambda: Body(b"one", b"two"), [b"one", b"two"]),
    "an object with a length": (lambda: Sized(b"one"), [b"one"]),
    "a list of a kind of its own": (lambda: type("Kind", (list,), {})([b"one", b"two"]), [b"one", b"two"]),
    "a file": (lambda: io.BytesIO(b"one\ntwo\n"), [b"one\n", b"two\n"]),
    "a map": (lambda: map(bytes.upper, [b"one"]), [b"ONE"]),
    "lines of bytearrays": (lambda: [bytearray(b"one")], [bytearray(b"one")]),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_passes_chunk_by_chunk_and_is_recorded_once(kind: str, system: PerformanceSystem) -> None:
    make, expected = BODIES[kind]
    server = Server()
    assert server.run(PerfkitMiddleware(returning(make), system=system), environ_of("GET", "/")) is None
    assert server.answer.chunks == expected
    assert server.starts == [(OK, [])]
    assert one(system) == ("200", "")


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_keeps_what_servers_look_at(kind: str, system: PerformanceSystem) -> None:
    make, _ = BODIES[kind]
    bare, server = make(), Server()
    server.run(PerfkitMiddleware(returning(make), system=system), environ_of("GET", "/"))
    assert hasattr(server.result, "__len__") == hasattr(bare, "__len__")
    if hasattr(bare, "__len__"):
        assert len(server.result) == len(bare)
    if type(bare) is list:
        assert isinstance(server.result, list)


@pytest.mark.parametrize("body", [[], [b"one"], (), (b"one",)], ids=repr)
def test_a_short_body_is_the_apps_own_object(body: Any, system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(returning(lambda: body), system=system)
    assert app(environ_of("GET", "/"), Server().start_response) is body


@pytest.mark.parametrize("make", [lambda: [b"a", b"b"], lambda: [b"b"]], ids=["parts", "one"])
def test_a_list_is_recorded_when_its_last_item_is_handed_over(make: Any, system: PerformanceSystem) -> None:
    body = iter(PerfkitMiddleware(returning(make), system=system)(environ_of("GET", "/"), Server().start_response))
    counts = []
    for _ in make():
        next(body)
        counts.append(count(system))
    assert counts[-1] == 1
    assert counts[:-1] == [0] * (len(counts) - 1)


def test_a_body_of_announced_length_is_recorded_when_it_is_complete(system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(returning(lambda: generated(b"abc", b"def"), content_LENGTH="6"), system=system)
    body = iter(app(environ_of("GET", "/"), Server().start_response))
    assert next(body) == b"abc"
    assert count(system) == 0
    assert next(body) == b"def"
    assert count(system) == 1
    assert list(body) == []
    assert one(system) == ("200", "")


def test_a_body_of_unknown_length_is_recorded_at_its_end_before_it_is_closed(system: PerformanceSystem) -> None:
    closed_at = []

    class Watching(Body):
        def close(self) -> None:
            closed_at.append(count(system))

    app = PerfkitMiddleware(returning(lambda: Watching(b"abc")), system=system)
    result: Any = app(environ_of("GET", "/"), Server().start_response)
    assert (list(result), count(system)) == ([b"abc"], 1)
    result.close()
    assert closed_at == [1]


@pytest.mark.parametrize("leave_after", [None, 1, 2])
@pytest.mark.parametrize("error", [None, ValueError("broken")], ids=["whole", "broken"])
def test_close_is_called_exactly_once(leave_after: int | None, error: Any, system: PerformanceSystem) -> None:
    body = Body(b"one", b"two", b"three", error=error)
    Server().run(PerfkitMiddleware(returning(lambda: body), system=system), environ_of("GET", "/"), leave_after)
    assert body.closed == 1
    assert count(system) == 1


def test_a_body_that_is_closed_untouched_is_closed_and_recorded(system: PerformanceSystem) -> None:
    body = Body(b"one")
    result: Any = PerfkitMiddleware(returning(lambda: body), system=system)(environ_of("GET", "/"), lambda *_: None)
    result.close()
    assert body.closed == 1
    assert one(system) == ("200", CLIENT_DISCONNECTED)


def test_an_error_of_close_reaches_the_server(system: PerformanceSystem) -> None:
    class Failing(Body):
        def close(self) -> None:
            raise KeyError("in close")

    server = Server()
    error = server.run(PerfkitMiddleware(returning(lambda: Failing(b"x")), system=system), environ_of("GET", "/"))
    assert isinstance(error, KeyError)
    assert one(system) == ("200", "")


@pytest.mark.parametrize(
    "make",
    [lambda: Body(b"a", b"b"), lambda: [b"a", b"b"], lambda: (b"a", b"b"), lambda: generated(b"a", b"b")],
    ids=["object", "list", "tuple", "generator"],
)
def test_a_client_that_leaves_is_its_own_outcome(make: Any, system: PerformanceSystem) -> None:
    Server().run(PerfkitMiddleware(returning(make), system=system), environ_of("GET", "/"), leave_after=1)
    assert one(system) == ("200", CLIENT_DISCONNECTED)


def test_a_server_that_forgets_to_close_does_not_leave_the_exchange_in_flight(system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(returning(lambda: generated(b"a", b"b")), system=system)
    body = iter(app(environ_of("GET", "/"), Server().start_response))
    next(body)
    del body
    assert one(system) == ("200", CLIENT_DISCONNECTED)


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", OK), ("GET", "204 No Content"), ("GET", "304 Not Modified"), ("GET", "101 Switch")]
)
@pytest.mark.parametrize("is_read", [True, False])
@pytest.mark.parametrize("make", [lambda: [], lambda: Body(), lambda: ()], ids=["list", "object", "tuple"])
def test_an_answer_without_a_body_is_whole(
    method: str, status: str, is_read: bool, make: Any, system: PerformanceSystem
) -> None:
    app = PerfkitMiddleware(returning(make, status, Content_Length="17"), system=system)
    result: Any = app(environ_of(method, "/"), Server().start_response)
    if is_read:
        assert list(result) == []
    if hasattr(result, "close"):
        result.close()
    assert one(system) == (status[:3], "")


def test_less_than_was_announced_is_an_incomplete_answer(system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(returning(lambda: generated(b"abc"), Content_Length="10"), system=system)
    Server().run(app, environ_of("GET", "/"))
    assert one(system) == ("200", "incomplete_response")


def test_a_length_that_is_no_number_is_the_apps_affair(system: PerformanceSystem) -> None:
    server = Server()
    app = PerfkitMiddleware(returning(lambda: generated(b"abc"), Content_Length="many"), system=system)
    assert server.run(app, environ_of("GET", "/")) is None
    assert server.answer.chunks == [b"abc"]
    assert one(system) == ("200", "")


# start_response: late, twice, never; write.


def late(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(OK, [("Content-Length", "6")])
    yield b"abc"
    yield b"def"


def test_start_response_may_come_with_the_first_chunk(system: PerformanceSystem) -> None:
    server = Server()
    assert server.run(PerfkitMiddleware(late, system=system), environ_of("GET", "/")) is None
    assert server.answer.chunks == [b"abc", b"def"]
    assert one(system) == ("200", "")


def test_a_late_answer_that_is_closed_before_it_began_had_no_status(system: PerformanceSystem) -> None:
    result: Any = PerfkitMiddleware(late, system=system)(environ_of("GET", "/"), Server().start_response)
    result.close()
    assert one(system) == ("", CLIENT_DISCONNECTED)


@pytest.mark.parametrize("make", [lambda: [b"x"], lambda: generated(b"x"), lambda: []], ids=["list", "gen", "empty"])
def test_an_answer_without_a_start_is_an_error_of_the_app(make: Any, system: PerformanceSystem) -> None:
    error = Server().run(
        PerfkitMiddleware(lambda environ, start_response: make(), system=system), environ_of("GET", "/")
    )
    assert isinstance(error, AssertionError)
    assert count(system) == 1
    assert one(system)[0] in ("500", "")
    assert one(system)[1] in ("no_response", CLIENT_DISCONNECTED)


def replacing(environ: Any, start_response: Any) -> Any:
    start_response(OK, [])
    try:
        raise ValueError("on second thought")
    except ValueError:
        import sys

        start_response("500 Oh", [("x", "y")], sys.exc_info())
    return [b"sorry"]


def test_a_second_start_replaces_the_first_while_nothing_is_sent(system: PerformanceSystem) -> None:
    server = Server()
    assert server.run(PerfkitMiddleware(replacing, system=system), environ_of("GET", "/")) is None
    assert [status for status, _ in server.starts] == [OK, "500 Oh"]
    assert server.answer.status == 500
    assert one(system) == ("500", "500")


def replacing_late(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(OK, [])
    yield b"begun"
    try:
        raise ValueError("too late")
    except ValueError:
        import sys

        start_response("500 Oh", [], sys.exc_info())
    yield b"never"


def test_a_second_start_after_the_headers_raises_the_apps_error_and_the_status_sent_stays(
    system: PerformanceSystem,
) -> None:
    server = Server()
    error = server.run(PerfkitMiddleware(replacing_late, system=system), environ_of("GET", "/"))
    assert isinstance(error, ValueError)
    assert one(system) == ("200", "ValueError")


def writing(*chunks: bytes, rest: Any = (), error: Exception | None = None, **headers: str) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        write = start_response(OK, [(name.replace("_", "-"), value) for name, value in headers.items()])
        for chunk in chunks:
            write(chunk)
        if error is not None:
            raise error
        return rest() if callable(rest) else rest

    return app


@pytest.mark.parametrize(
    "app",
    [
        writing(b"one", b"two"),
        writing(b"one", b"two", Content_Length="6"),
        writing(b"one", b"two", rest=[]),
        writing(b"one", rest=[b"two"]),
        writing(b"one", rest=lambda: generated(b"two"), Content_Length="6"),
    ],
)
def test_write_passes_to_the_server_at_once(app: Any, system: PerformanceSystem) -> None:
    server = Server()
    assert server.run(PerfkitMiddleware(app, system=system), environ_of("GET", "/")) is None
    assert server.answer.chunks == [b"one", b"two"]
    assert one(system) == ("200", "")


def test_an_error_after_write_keeps_the_status_that_was_sent(system: PerformanceSystem) -> None:
    app = writing(b"one", error=ValueError("broken"))
    assert isinstance(Server().run(PerfkitMiddleware(app, system=system), environ_of("GET", "/")), ValueError)
    assert one(system) == ("200", "ValueError")


def test_an_error_after_the_start_and_before_the_body_is_a_500(system: PerformanceSystem) -> None:
    app = writing(error=ValueError("broken"))
    server = Server()
    server.run(PerfkitMiddleware(app, system=system), environ_of("GET", "/"))
    assert server.answer.status == 500
    assert one(system) == ("500", "ValueError")


def test_an_error_with_the_first_chunk_is_a_500(system: PerformanceSystem) -> None:
    app = PerfkitMiddleware(returning(lambda: Body(error=LookupError("x"))), system=system)
    Server().run(app, environ_of("GET", "/"))
    assert one(system) == ("500", "LookupError")


def test_a_socket_that_breaks_under_write_is_a_client_that_left(system: PerformanceSystem) -> None:
    server = Server(is_gone=True)
    error = server.run(PerfkitMiddleware(writing(b"one"), system=system), environ_of("GET", "/"))
    assert isinstance(error, BrokenPipeError)
    assert one(system) == ("200", CLIENT_DISCONNECTED)


def test_a_socket_that_breaks_between_chunks_is_a_client_that_left(system: PerformanceSystem) -> None:
    server = Server(is_gone=True)
    app = PerfkitMiddleware(returning(lambda: Body(b"one", b"two")), system=system)
    assert isinstance(server.run(app, environ_of("GET", "/")), BrokenPipeError)
    assert one(system) == ("200", CLIENT_DISCONNECTED)


class Stop(BaseException):
    """Ends a worker, as gunicorn's SystemExit does."""


@pytest.mark.parametrize("where", ["call", "body"])
def test_what_ends_a_worker_passes_and_ends_the_exchange(where: str, system: PerformanceSystem) -> None:
    def stopping() -> Iterator[bytes]:
        yield b"one"
        raise Stop

    def app(environ: Any, start_response: Any) -> Any:
        if where == "call":
            raise Stop
        start_response(OK, [])
        return stopping()

    with pytest.raises(Stop):
        Server().run(PerfkitMiddleware(app, system=system), environ_of("GET", "/"))
    status, error = one(system)
    assert status == ("500" if where == "call" else "200")
    assert error.endswith("Stop")


# Files: the server must recognize its own wrapper.


@pytest.mark.parametrize("wrapper", [FileWrapper, lambda file, size=8192: file], ids=["a class", "a function"])
def test_a_file_in_the_servers_wrapper_is_handed_over_as_it_is(wrapper: Any, system: PerformanceSystem) -> None:
    made = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response(OK, [("Content-Length", "7")])
        made.append(environ["wsgi.file_wrapper"](io.BytesIO(b"content"), 4))
        return made[0]

    environ = environ_of("GET", "/", **{"wsgi.file_wrapper": wrapper})
    result = PerfkitMiddleware(app, system=system)(environ, Server().start_response)
    assert result is made[0]
    assert environ["wsgi.file_wrapper"] is wrapper
    assert one(system) == ("200", "")


def test_another_body_is_no_file_of_the_server(system: PerformanceSystem) -> None:
    server = Server()
    environ = environ_of("GET", "/", **{"wsgi.file_wrapper": FileWrapper})
    server.run(PerfkitMiddleware(returning(lambda: Body(b"one", b"two")), system=system), environ, leave_after=1)
    assert one(system) == ("200", CLIENT_DISCONNECTED)


def test_the_input_is_not_touched(system: PerformanceSystem) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    stream = Untouchable()
    seen = []

    def app(environ: Any, start_response: Any) -> Any:
        seen.append(environ["wsgi.input"])
        start_response(OK, [])
        return [b"x"]

    middleware = PerfkitMiddleware(app, system=system)
    for path in ("/", "/health", "/metrics"):
        Server().run(middleware, environ_of("POST", path, **{"wsgi.input": stream}))
    assert all(each is stream for each in seen)


@pytest.mark.parametrize("result", [None, 5, "text"], ids=repr)
def test_what_is_no_body_of_bytes_is_for_the_server_to_refuse(result: Any, system: PerformanceSystem) -> None:
    bare = Server().run(returning(lambda: result), environ_of("GET", "/"))
    error = Server().run(PerfkitMiddleware(returning(lambda: result), system=system), environ_of("GET", "/"))
    assert type(error) is type(bare)
    assert count(system) == 1
    assert system.store.in_flight() == 0


def test_a_status_that_is_no_number_passes_and_the_exchange_ends(system: PerformanceSystem) -> None:
    server = Server()
    PerfkitMiddleware(returning(lambda: [b"x"], "fine"), system=system)(environ_of("GET", "/"), server.start_response)
    assert server.starts == [("fine", [])]
    assert system.store.in_flight() == 0


def test_a_reason_of_the_apps_own_makes_no_series_of_its_own(system: PerformanceSystem) -> None:
    for number in range(20):
        app = PerfkitMiddleware(returning(lambda: [b"x"], f"200 reason {number}"), system=system)
        Server().run(app, environ_of("GET", "/"))
    found: list[Recorded] = recorded(system)
    assert [(each.status, each.count) for each in found] == [("200", 20)]
