"""Where calls are seen: one place in each library, the lowest, so that a call counts once whatever is stacked on it.

requests goes through urllib3 and is seen there. A call inside another one is not seen again. A library that nobody
has imported is left alone: `look` asks `sys.modules`, at the start and then once a second, and imports nothing. What
was put in is taken out again when the last recorder has gone; where somebody else has wrapped it since, it stays and
does nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from perfkit.core.lazy import imported
from perfkit.core.locks import OwnLock
from perfkit.load_balancer.outbound.calls import outcome_of, outcome_of_status
from perfkit.load_balancer.outbound.recorder import Recorder

__all__ = ["PLACES", "add", "look", "remove"]

Describe = Callable[[tuple[Any, ...], dict[str, Any]], tuple[str, str]]
"""Returns host and method of a call from its arguments."""


class Place(NamedTuple):
    """One place where calls are seen."""

    module: str
    owner: str
    method: str
    describe: Describe
    is_async: bool


def _address(host: Any, port: Any, scheme: Any) -> str:
    text = str(host or "")
    if port and port != {"http": 80, "https": 443}.get(str(scheme)):
        return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
    return text


def _of_httpx(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]:
    request = args[1] if len(args) > 1 else kwargs["request"]
    return _address(request.url.host, request.url.port, request.url.scheme), request.method


def _of_urllib3(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]:
    pool = args[0]
    method = args[1] if len(args) > 1 else kwargs["method"]
    return _address(pool.host, pool.port, pool.scheme), str(method).upper()


def _of_urllib(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]:
    request = args[2] if len(args) > 2 else kwargs["req"]
    parts = urlsplit(request.full_url)
    return _address(parts.hostname, parts.port, parts.scheme), request.get_method()


def _of_aiohttp(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]:
    method = args[1] if len(args) > 1 else kwargs["method"]
    url = args[2] if len(args) > 2 else kwargs["str_or_url"]
    parts = urlsplit(str(url))
    if not parts.hostname:
        parts = urlsplit(str(getattr(args[0], "_base_url", "") or ""))
    return _address(parts.hostname, parts.port, parts.scheme), str(method).upper()


PLACES = (
    Place("httpx", "HTTPTransport", "handle_request", _of_httpx, False),
    Place("httpx", "AsyncHTTPTransport", "handle_async_request", _of_httpx, True),
    Place("httpx2", "HTTPTransport", "handle_request", _of_httpx, False),
    Place("httpx2", "AsyncHTTPTransport", "handle_async_request", _of_httpx, True),
    Place("urllib3.connectionpool", "HTTPConnectionPool", "urlopen", _of_urllib3, False),
    Place("urllib.request", "AbstractHTTPHandler", "do_open", _of_urllib, False),
    Place("aiohttp.client", "ClientSession", "_request", _of_aiohttp, True),
)

_inside: ContextVar[bool] = ContextVar("perfkit_outbound", default=False)
_lock = OwnLock()


class _Patched:
    """What is patched in this process, and for whom: methods of foreign classes are the process's, not a system's."""

    recorders: tuple[Recorder, ...] = ()
    methods: dict[Place, tuple[Any, Any, Any]] = {}  # noqa: RUF012 - the process has one


def add(recorder: Recorder) -> None:
    """Have calls told to *recorder*."""
    with _lock:
        if recorder not in _Patched.recorders:
            _Patched.recorders = (*_Patched.recorders, recorder)
    look()


def remove(recorder: Recorder) -> None:
    """Tell it no more; with the last one all is as it was."""
    with _lock:
        _Patched.recorders = tuple(each for each in _Patched.recorders if each is not recorder)
        if _Patched.recorders:
            return
        for place, (owner, original, wrapper) in list(_Patched.methods.items()):
            if owner.__dict__.get(place.method) is wrapper:
                setattr(owner, place.method, original)
                del _Patched.methods[place]


def look() -> None:
    """Patch what has been imported since the last look. Some look-ups in a dict where nothing was."""
    for place in PLACES:
        if place not in _Patched.methods and imported(place.module) is not None:
            _patch(place)


def _patch(place: Place) -> None:
    with _lock:
        # A module that is just being imported has not all of its names yet; the next look finds them.
        owner = getattr(sys.modules[place.module], place.owner, None)
        original = getattr(owner, "__dict__", {}).get(place.method)
        if original is None or place in _Patched.methods or not _Patched.recorders:
            return
        wrapper = _async_wrapper(original, place) if place.is_async else _wrapper(original, place)
        setattr(owner, place.method, wrapper)
        _Patched.methods[place] = (owner, original, wrapper)


def _wrapper(original: Any, place: Place) -> Any:
    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _Patched.recorders or _inside.get():
            return original(*args, **kwargs)
        token, start, outcome = _inside.set(True), perf_counter(), "error"
        try:
            result = original(*args, **kwargs)
            outcome = _outcome(result)
            return result
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            _inside.reset(token)
            _tell(place, args, kwargs, outcome, start)

    return call


def _async_wrapper(original: Any, place: Place) -> Any:
    @wraps(original)
    async def call(*args: Any, **kwargs: Any) -> Any:
        if not _Patched.recorders or _inside.get():
            return await original(*args, **kwargs)
        token, start, outcome = _inside.set(True), perf_counter(), "error"
        try:
            result = await original(*args, **kwargs)
            outcome = _outcome(result)
            return result
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            _inside.reset(token)
            _tell(place, args, kwargs, outcome, start)

    return call


def _outcome(answer: Any) -> str:
    return outcome_of_status(getattr(answer, "status_code", None) or getattr(answer, "status", None))


def _tell(place: Place, args: tuple[Any, ...], kwargs: dict[str, Any], outcome: str, start: float) -> None:
    for recorder in _Patched.recorders:
        with recorder.errors.guarded("load_balancer", "a call to another service could not be recorded"):
            host, method = place.describe(args, kwargs)
            recorder.record(host, method, outcome, start, place.module)
