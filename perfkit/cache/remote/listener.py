"""A thread that hears what other workers changed on the server, and sees whether the server is there.

When the connection is lost nothing is known of what changed meanwhile. So all that is held here goes when it is back,
after what we could not tell the server has been made up for; only then are values kept here again.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from perfkit.cache.remote.messages import understood
from perfkit.cache.remote.tier import SharedTier
from perfkit.core.errors import ErrorLog

__all__ = ["Listener"]

PING_EVERY = 1.0
"""Seconds of silence after which the server is asked for a sign."""

SILENCE = 3.0
"""Seconds without any sign after which the connection counts as lost."""

TRY_EVERY = 0.5
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
STOP_WITHIN = 2.0


class Listener:
    """Begins with `start`, ends with `stop`; each may be called again."""

    def __init__(
        self,
        shared: SharedTier,
        *,
        apply: Callable[[dict[str, Any]], object],
        flush: Callable[[], object],
        errors: ErrorLog,
    ) -> None:
        """Do what others tell with *apply*; *flush* drops everything."""
        self._shared, self._apply, self._flush, self._errors = shared, apply, flush, errors
        self._begin()

    def _begin(self) -> None:
        self._thread: threading.Thread | None = None
        self._connection: Any = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Listen from now on."""
        if self._thread is None:
            stop = self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(stop,), name="perfkit-cache-listener", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        thread, self._thread = self._thread, None
        self._stop.set()
        self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_WITHIN)

    def _wake(self) -> None:
        """End the wait of the thread for something to hear."""
        heard = getattr(self._connection, "_sock", None)
        if heard is not None:
            # It may have been closed meanwhile.
            with contextlib.suppress(OSError):
                heard.shutdown(socket.SHUT_RDWR)

    def after_fork(self) -> None:
        """In a forked child: nobody listens yet."""
        self._begin()
        self._shared.hears = False

    def _run(self, stop: threading.Event) -> None:
        shared, pause = self._shared, SHORTEST_PAUSE
        breaker = shared.link.breaker
        breaker.is_watched = True
        while not stop.is_set():
            began = time.monotonic()
            connection = None
            try:
                connection = self._connection = self._subscribed()
                if shared.link.recover():
                    self._flush()
                    shared.hears = True
                    self._listen(connection, stop)
            except Exception as error:  # noqa: BLE001 - whatever it is, another try follows
                if stop.is_set():
                    break
                if shared.link.connections.is_expected(error):
                    said = str(error) or type(error).__name__
                    self._errors.warn("cache", "server_unheard", f"changes of other workers are not heard: {said}")
                else:
                    self._errors.report("cache", error, doing="changes of other workers are not heard")
            finally:
                shared.hears = False
                self._connection = None
                if connection is not None:
                    connection.disconnect()
            if not stop.is_set() and time.monotonic() - began < SILENCE:
                if connection is None:
                    breaker.open(time.monotonic())
                stop.wait(pause)
                pause = min(2.0 * pause, LONGEST_PAUSE)
            else:
                pause = SHORTEST_PAUSE
        breaker.is_watched = False

    def _subscribed(self) -> Any:
        """Return a connection on which the server has confirmed that it will tell."""
        link = self._shared.link
        connection = link.connections.make(link.timeout)
        try:
            connection.send_command("SUBSCRIBE", self._shared.names.channel, check_health=False)
            connection.read_response()
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def _listen(self, connection: Any, stop: threading.Event) -> None:
        heard_at = asked_at = tried_at = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            if connection.can_read(timeout=0) or self._is_readable(connection):
                connection._sock.settimeout(SILENCE)
                self._take(connection.read_response())
                now = heard_at = time.monotonic()
            if now - heard_at > SILENCE:
                raise TimeoutError(f"the server has not said anything for {SILENCE:g} s")
            if now - max(heard_at, asked_at) >= PING_EVERY:
                connection.send_command("PING", check_health=False)
                asked_at = now
            link = self._shared.link
            if (link.breaker.is_open or not link.journal.is_empty) and now - tried_at >= TRY_EVERY:
                # Calls gave up, though we hear: it was slow, or it refused them.
                tried_at = now
                link.recover()

    def _is_readable(self, connection: Any) -> bool:
        """Wait a little for something to read."""
        return bool(select.select([connection._sock], [], [], 0.25)[0])

    def _take(self, message: Any) -> None:
        """Do what a message tells: ``[b"message", channel, data]``; others are confirmations."""
        if isinstance(message, list) and message and message[0] == b"message":
            payload = understood(self._shared, message[2])
            if payload is not None:
                with self._errors.guarded("cache", "what another worker told could not be done"):
                    self._apply(payload)
