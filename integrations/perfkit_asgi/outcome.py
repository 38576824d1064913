"""What became of an exchange whose last body chunk never came."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

from perfkit.core.names import CLIENT_DISCONNECTED
from perfkit.http.attachment import error_name
from perfkit_asgi.types import Receive

__all__ = ["is_disconnected", "outcome"]

CANCELLED = ("CancelledError", "Cancelled", "GeneratorExit")
"""Names of the exceptions with which event loops end a task."""

MAX_MESSAGES = 64
"""Unread messages of the request that are skipped to see whether the client is gone."""

MAX_PAUSES = 4
"""Bare yields of `receive`, which wait for nothing, that are passed over; anyio makes one even if it has its answer."""


def outcome(status: int, error: BaseException | None, receive: Receive) -> tuple[int, str]:
    """Return the status code and the `error_type` to record; 0 where no status was sent.

    Args:
        status: The status sent, 0 if none was.
        error: What the app raised, None if it just returned.
        receive: The server's; asked, without waiting, whether the client is gone.
    """
    if error is None:
        if is_disconnected(receive):
            return status, CLIENT_DISCONNECTED
        return status or 500, "incomplete_response" if status else "no_response"
    name = type(error).__name__
    if name == "ClientDisconnect":
        return status, CLIENT_DISCONNECTED
    if isinstance(error, CancelledError) or name in CANCELLED:
        return status, CLIENT_DISCONNECTED if is_disconnected(receive) else "cancelled"
    if isinstance(error, OSError) and status and is_disconnected(receive):
        return status, CLIENT_DISCONNECTED
    return status or 500, error_name(error)


def is_disconnected(receive: Receive) -> bool:
    """Return True if the client is known to be gone. Does not wait: a `receive` that would is dropped unanswered."""
    for _ in range(MAX_MESSAGES):
        message = _at_once(receive)
        if message is None:
            return False
        if message.get("type") == "http.disconnect":
            return True
    return False


def _at_once(receive: Receive) -> Any:
    """Return the message that *receive* has ready, None if it has none."""
    try:
        awaitable: Any = receive()
        steps = awaitable.__await__()
        for _ in range(MAX_PAUSES):
            if next(steps) is not None:
                break
        steps.close()
    except StopIteration as done:
        return done.value
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - who is asked may refuse, or be cancelled: the app's own end must come through
        return None
    return None
