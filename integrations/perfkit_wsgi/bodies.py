"""What the server gets in place of the app's iterable, such that it does with it what it would have done without us.

Servers look at the kind of an iterable: a file wrapper may be sent by the kernel, a list of one item tells its length
(wsgiref, waitress), a whole list may be joined (granian). So a file wrapper and a body of at most one item are handed
over as they are, and are recorded just before; a longer list stays a list; what has a length keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from perfkit_wsgi.exchange import Exchange

__all__ = ["followed", "is_file"]


def followed(exchange: Exchange, result: Any) -> Iterable[bytes]:
    """Return what the server shall get for the app's *result*, and record its end."""
    kind: Any = type(result)
    if kind is list or kind is tuple:
        if len(result) < 2:
            exchange.end(0 if result else None)
            return result  # type: ignore[no-any-return]  # the app's own
        if kind is list:
            return _Parts(exchange, result)
    else:
        wrapper = exchange.environ.get("wsgi.file_wrapper")
        if wrapper is not None and is_file(wrapper, result):
            exchange.end(0)
            return result  # type: ignore[no-any-return]  # the app's own
    exchange.result = result
    return _Sized(exchange) if _has_length(kind) else exchange


def is_file(wrapper: Any, result: Any) -> bool:
    """Return True if *result* came out of the server's file *wrapper*; a function has no instances to be known by."""
    return isinstance(result, wrapper) if isinstance(wrapper, type) else hasattr(result, "read")


@lru_cache(256)
def _has_length(kind: type) -> bool:
    return hasattr(kind, "__len__")


class _Parts(list[bytes]):
    """A body in several parts: a list, as the app's was, whose last item is recorded when it is taken."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange, parts: list[bytes]) -> None:
        super().__init__(parts)
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        exchange, left = self._exchange, len(self)
        try:
            for part in super().__iter__():
                left -= 1
                if not left:
                    exchange.end(0)
                yield part
        except GeneratorExit:
            exchange.leave()
            raise

    def close(self) -> None:
        """Record that the server did not take all."""
        self._exchange.leave()


class _Sized:
    """An iterable of known length that is no list."""

    __slots__ = ("_exchange", "close")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange, self.close = exchange, exchange.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._exchange)

    def __len__(self) -> int:
        return len(self._exchange.result)
