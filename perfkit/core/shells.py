"""The one pattern for sync and async: logic stands once, two thin shells call it.

A method that may run user code or wait for I/O exists as ``name`` and ``aname``::

    def get(self, key):                       async def aget(self, key):
        step = self._plan(key)                    step = self._plan(key)
        return self._done(call(step.load))        return self._done(await acall(step.load))

`call` and `acall` take a function or a coroutine function from either world. Coroutines that are started where no loop
runs go to one owned loop in one daemon thread, made when first needed and forgotten in a forked child.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from perfkit.core.errors import LifecycleError
from perfkit.core.locks import OwnLock

__all__ = ["acall", "call", "defer", "is_loop_running", "offload", "submit"]


class _OwnedLoop:
    """One event loop in one daemon thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="perfkit-loop", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


_owned: _OwnedLoop | None = None
_worker: tuple[int, concurrent.futures.Executor] | None = None
_lock = OwnLock()


def submit(coroutine: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
    """Run *coroutine* on the owned loop; return its future."""
    global _owned
    with _lock:
        owned = _owned
        if owned is None or owned.pid != os.getpid():
            owned = _owned = _OwnedLoop()
    return asyncio.run_coroutine_threadsafe(coroutine, owned.loop)


def call(function: Callable[..., Any], *arguments: Any, timeout: float | None = None) -> Any:
    """Call *function* from sync code and return its result; a coroutine is run to its end on the owned loop.

    Args:
        function: A function or a coroutine function.
        timeout: Seconds to wait for a coroutine; None waits for ever.

    Raises:
        LifecycleError: It is a coroutine function and this thread already runs a loop, which would wait for itself.
    """
    if inspect.iscoroutinefunction(function) and is_loop_running():
        raise LifecycleError(
            f"{getattr(function, '__qualname__', function)!r} is a coroutine function, called by a blocking method "
            "inside a running event loop. Blocking here would stop the loop. "
            "Use the method whose name begins with 'a' and await it."
        )
    result = function(*arguments)
    if not inspect.isawaitable(result):
        return result
    return submit(_awaited(result)).result(timeout)


async def acall(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call *function*, a function or a coroutine function, from async code and return its result."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


async def offload(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the blocking *function* in a thread, so that it does not hold up the running loop; return its result.

    One thread of our own serves all loops of the process: the loop's default threads belong to the app and may all be
    busy when an operator needs an answer. Under another event loop than asyncio it is called at once.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return function(*arguments)
    return await loop.run_in_executor(_workers(), contextvars.copy_context().run, function, *arguments)


def defer(function: Callable[..., Any], *arguments: Any) -> concurrent.futures.Future[Any]:
    """Have the one thread for slow work call *function* later; return its future, cancelled while Python ends."""
    try:
        return _workers().submit(function, *arguments)
    except RuntimeError:  # Python ends: nobody will read what would come of it
        never: concurrent.futures.Future[Any] = concurrent.futures.Future()
        never.cancel()
        return never


def _workers() -> concurrent.futures.Executor:
    global _worker
    with _lock:
        worker = _worker
        if worker is None or worker[0] != os.getpid():
            pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="perfkit-worker")
            worker = _worker = (os.getpid(), pool)
    return worker[1]


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def is_loop_running() -> bool:
    """Return whether this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
