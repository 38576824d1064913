"""The app's answer on its way to the server, where the response cache listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import ErrorLog
from perfkit_wsgi.bodies import is_file
from perfkit_wsgi.exchange import ROUTE
from perfkit_wsgi.types import Environ, Headers, StartResponse, Write

if TYPE_CHECKING:
    from perfkit.cache.http import Answer, Out, Passage
    from perfkit.cache.http.fields import Pairs

__all__ = ["Tap", "pairs_of"]

END: Any = object()


class Tap:
    """What stands between an app whose response may be kept and the server. An error of ours lets the response through.

    The server's `start_response` is called as soon as the first piece of the body is there, at the latest.
    """

    def __init__(
        self,
        passage: Passage,
        environ: Environ,
        respond: StartResponse,
        route_of: Callable[[Environ], str] | None,
        errors: ErrorLog,
        send: Callable[[Answer, StartResponse], Iterable[bytes]],
        restore: Callable[[], object],
    ) -> None:
        """Tell *passage* what the app answers, and *respond* what is to be sent; at the end call *restore*."""
        self._restore: Callable[[], object] | None = restore
        self._passage, self._environ, self._respond = passage, environ, respond
        self._route_of, self._errors, self._send_answer = route_of, errors, send
        self._status, self._headers = "", [("", "")]
        self._server_write: Write | None = None
        self._is_begun = self._is_over = False

    def start_response(self, status: str, headers: Headers, exc_info: Any = None, /) -> Write:
        """Take the start of the answer; given again after an error it goes to the server as it is."""
        if exc_info is not None and self._status:
            self._passage.release()
            self._status, self._headers, self._is_begun = status, headers, True
            self._server_write = self._respond(status, headers, exc_info)
            return self._write
        self._status, self._headers = status, list(headers)
        out = None
        try:
            route = self._environ[ROUTE] = self._route_of(self._environ) if self._route_of is not None else ""
            out = self._passage.start(int(status[:3]), pairs_of(headers), route)
        except Exception as error:  # noqa: BLE001 - the answer must reach the client whatever happens to us
            self._lose(error)
            self._begin(status, headers)
        if out is not None:
            self._apply(out)
        return self._write

    def _begin(self, status: str, headers: Headers) -> None:
        self._is_begun = True
        self._server_write = self._respond(status, headers)

    def _lose(self, error: Exception) -> None:
        self._errors.report("cache", error, doing="a response could not be followed")
        self._passage.release()

    def _write(self, data: bytes) -> object:
        """Pass *data* on: what an app writes so is not followed."""
        self._let_go()
        return self._server_write(data)  # type: ignore[misc]  # the server's own, set when the head was sent

    def _let_go(self) -> None:
        out = self._passage.release()
        if out is not None:
            self._apply(out)
        elif self._status and not self._is_begun:
            self._begin(self._status, self._headers)

    def _apply(self, out: Out) -> bytes:
        """Send the head that is due; return what is due of the body."""
        if out.head is not None:
            status, headers = out.head
            if status == int(self._status[:3]) and headers[: len(self._headers)] == pairs_of(self._headers):
                self._begin(self._status, [*self._headers, *headers[len(self._headers) :]])
            else:
                self._is_begun = True
                self._send_answer(_head_only(status, headers), self._remember)
        self._is_over = self._is_over or out.is_last
        return out.body

    def _remember(self, status: str, headers: Headers) -> Write:
        write = self._server_write = self._respond(status, headers)
        return write

    def follow(self, result: Any) -> Iterable[bytes]:
        """Return what the server shall get for the app's *result*."""
        passage = self._passage
        if self._status and not self._is_over and (passage.is_passing or self._is_file(result)):
            self._let_go()
            self.close()
            return result  # type: ignore[no-any-return]  # the app's own
        if isinstance(result, (list, tuple)) and self._status:
            body = b"".join(result)
            taken = self._take(body, True)
            self.close()
            if taken is body:
                return result
            return [taken] if taken else []
        return _Body(self, result)

    def _is_file(self, result: Any) -> bool:
        wrapper = self._environ.get("wsgi.file_wrapper")
        return wrapper is not None and is_file(wrapper, result)

    def _take(self, piece: bytes, is_last: bool) -> bytes:
        """Return what the server gets of *piece*."""
        if self._is_over:
            # The client has what it gets; the passage may still learn.
            self._passage.take(piece, is_last)
            return b""
        try:
            out = self._passage.take(piece, is_last)
        except Exception as error:  # noqa: BLE001 - the answer must reach the client whatever happens to us
            self._lose(error)
            if not self._is_begun:
                self._begin(self._status, self._headers)
            return piece
        return b"" if out is None else self._apply(out)

    def pieces(self, result: Iterable[bytes]) -> Iterator[bytes]:
        """Give the pieces of the app's *result*; a body of known length is seen to its end before its last piece."""
        passage, iterator = self._passage, iter(result)
        piece, is_ended = next(iterator, END), False
        while piece is not END and not (self._is_over and not passage.is_learning):
            left = passage.expects
            following = next(iterator, END) if left is not None and len(piece) >= left else None
            is_ended = following is END
            taken = self._take(piece, is_ended)
            if not self._is_over or taken:
                yield taken
            piece = next(iterator, END) if following is None else following
        if not is_ended:
            last = self._take(b"", True)
            if last:
                yield last

    def replace(self, error: Exception) -> Iterable[bytes] | None:
        """Return a stale response in place of the app's *error*; None if something was sent or it is not allowed."""
        answer = None if self._is_begun else self._passage.replace()
        if answer is None:
            return None
        self._errors.report("cache", error, doing="the app failed, and a stale response served")
        self._is_begun = self._is_over = True
        return self._send_answer(answer, self._respond)

    def close(self) -> None:
        """End: the server takes no more. Harmless twice."""
        self._passage.close()
        restore, self._restore = self._restore, None
        if restore is not None:
            restore()


class _Body:
    """A body that is followed. What is not taken to its end is not kept."""

    __slots__ = ("_result", "_tap")

    def __init__(self, tap: Tap, result: Iterable[bytes]) -> None:
        self._tap, self._result = tap, result

    def __iter__(self) -> Iterator[bytes]:
        tap = self._tap
        try:
            yield from tap.pieces(self._result)
        except Exception as error:
            replaced = tap.replace(error)
            if replaced is None:
                raise
            yield from replaced
        finally:
            tap.close()

    def close(self) -> None:
        """Close the app's iterable."""
        self._tap.close()
        close = getattr(self._result, "close", None)
        if close is not None:
            close()


def _head_only(status: int, headers: Pairs) -> Any:
    from perfkit.cache.http import Answer

    return Answer(status, headers, b"")


def pairs_of(headers: Headers) -> Pairs:
    """Return *headers* with names in lower case."""
    return tuple((name.lower(), value) for name, value in headers)
