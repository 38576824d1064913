"""Streaming responses: recorded when the last chunk is handed over, when they break, or when they are dropped.

Django closes what it streams once, at the end of the exchange or when the client is gone, also where the server sends
a file itself (`wsgi.file_wrapper`) and never asks for a chunk. What is dropped without being closed is recorded then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from math import inf
from time import perf_counter
from typing import Any

from perfkit.core.names import CLIENT_DISCONNECTED

__all__ = ["watch"]

BODILESS = (204, 304)

End = Callable[[str | BaseException], None]


def watch(request: Any, response: Any, end: End, begun: list[float]) -> None:
    """Have *end* called with the outcome when the streaming *response* of *request* ends, perhaps more than once.

    When its first chunk is handed over, the `time.perf_counter` of that is put into *begun*.

    The outcome is the exception that broke it or an `error_type`, empty for none. Content stays of its kind, sync or
    async, and a file stays a file, which servers may send in their own way.
    """
    is_without_body = request.method == "HEAD" or response.status_code in BODILESS
    file = getattr(response, "file_to_stream", None)
    is_for_server = file is not None and "wsgi.file_wrapper" in request.META
    kind = _AsyncContent if getattr(response, "is_async", False) else _Content
    content = kind(response.streaming_content, end, begun)
    content.length = inf if is_without_body else _length(response)
    content.if_left = "" if is_without_body else CLIENT_DISCONNECTED
    content.if_never_begun = "" if is_for_server else content.if_left
    response.streaming_content = content
    if file is not None:
        response.file_to_stream = file  # setting the content of a file response has made it forget its file


def _length(response: Any) -> float:
    """Return the bytes that *response* has announced, or infinity."""
    announced = str(response.headers.get("Content-Length", ""))
    return int(announced) if announced.isascii() and announced.isdigit() else inf


class _Watched:
    """Content that somebody streams.

    Attributes:
        length: Bytes after which the content is whole.
        if_left: The outcome where the server stops asking for chunks.
        if_never_begun: The outcome where it never asks for one.
    """

    __slots__ = ("_begun", "_content", "_end", "_is_begun", "if_left", "if_never_begun", "length")

    def __init__(self, content: Any, end: End, begun: list[float]) -> None:
        """Watch *content*."""
        self._content, self._end, self._is_begun, self._begun = content, end, False, begun
        self.length, self.if_left, self.if_never_begun = inf, CLIENT_DISCONNECTED, CLIENT_DISCONNECTED

    def close(self) -> None:
        """Record that no more chunks are wanted; Django calls it when it closes the response."""
        self._end(self.if_left if self._is_begun else self.if_never_begun)

    def __del__(self) -> None:
        self.close()

    def _exhausted(self, left: float) -> None:
        self._end("incomplete_response" if 0 < left < inf else "")


class _Content(_Watched):
    """Content of a sync iterator."""

    __slots__ = ()

    def __iter__(self) -> Iterator[bytes]:
        left, self._is_begun = self.length, True
        try:
            for chunk in self._content:
                left -= len(chunk)
                if not self._begun:
                    self._begun.append(perf_counter())
                if left <= 0:
                    self._end("")
                yield chunk
        except GeneratorExit:
            self.close()
            raise
        except BaseException as error:
            self._end(error)
            raise
        self._exhausted(left)


class _AsyncContent(_Watched):
    """Content of an async iterator; Django cancels what streams it when the client is gone."""

    __slots__ = ()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left, self._is_begun = self.length, True
        try:
            async with aclosing(self._content) as content:
                async for chunk in content:
                    left -= len(chunk)
                    if not self._begun:
                        self._begun.append(perf_counter())
                    if left <= 0:
                        self._end("")
                    yield chunk
        except Exception as error:
            self._end(error)
            raise
        except BaseException:  # cancelled or closed: in Django only a client that leaves does that
            self.close()
            raise
        self._exhausted(left)
