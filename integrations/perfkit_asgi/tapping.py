"""The app's messages on their way to the server, where the response cache listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from perfkit.core.errors import ErrorLog
from perfkit_asgi.types import Message, Send

if TYPE_CHECKING:
    from perfkit.cache.http import Answer, Out, Passage
    from perfkit.cache.http.candidates import Sample
    from perfkit.cache.http.fields import Pairs

__all__ = ["Tap", "pairs_of", "sampled", "send_answer"]

START, BODY = "http.response.start", "http.response.body"
OTHER_BODIES = frozenset({"http.response.pathsend", "http.response.zerocopysend", "http.response.trailers"})


class Tap:
    """The `send` that an app gets whose response may be kept. An error of ours lets the response through."""

    def __init__(self, passage: Passage, send: Send, route: Callable[[], str], errors: ErrorLog) -> None:
        """Tell *passage* what the app sends, and *send* what is to be sent."""
        self._passage, self._send, self._route, self._errors = passage, send, route, errors
        self._held: Message | None = None
        self._is_begun = self._is_over = False

    async def __call__(self, message: Message) -> None:
        """Take a message of the app's."""
        kind, out = message["type"], None
        try:
            if kind == START:
                out = self._start(message)
            elif kind == BODY:
                out = self._passage.take(message.get("body", b""), not message.get("more_body", False))
        except Exception as error:  # noqa: BLE001 - the app's response must reach the client whatever happens to us
            self._errors.report("cache", error, doing="a response could not be followed")
            await self.end()
            if kind != START and not self._is_over:
                await self._send(message)
            return
        if self._is_over:
            return
        if kind in (START, BODY):
            if out is not None:
                await self._send_out(out, message)
            return
        if kind in OTHER_BODIES:
            await self.end()
        if not self._is_over:
            await self._send(message)

    def _start(self, message: Message) -> Out | None:
        self._held = (
            message
            if isinstance(message.get("headers", []), list)
            else {**message, "headers": list(message["headers"])}
        )
        out = self._passage.start(message["status"], pairs_of(self._held), self._route())
        if not message.get("trailers"):
            return out
        released = self._passage.release()
        return out or released

    async def _send_out(self, out: Out, message: Message) -> None:
        if out.head is not None:
            held, self._held = self._held, None
            self._is_begun = True
            await self._send(_start(*out.head, held))
        self._is_over = self._passage.is_silent
        if message["type"] == BODY and out.body is message.get("body", b"") and out.is_last is not _has_more(message):
            await self._send(message)
        elif message["type"] == BODY or out.is_last:
            await self._send({"type": BODY, "body": out.body, "more_body": not out.is_last})

    async def end(self) -> None:
        """Send a head that is still held back, as no body that can be followed comes any more."""
        held = self._held
        out = self._passage.release()
        if held is not None and not self._is_begun:
            if out is None:
                self._is_begun, self._held = True, None
                await self._send(held)
            else:
                await self._send_out(out, held)

    async def replace(self, error: Exception) -> bool:
        """Send a stale response in place of the app's *error*, if nothing was sent and that is allowed."""
        answer = None if self._is_begun else self._passage.replace()
        if answer is None:
            return False
        self._errors.report("cache", error, doing="the app failed, and a stale response served")
        await send_answer(answer, self._send)
        return True


def _has_more(message: Message) -> bool:
    return bool(message.get("more_body", False))


def sampled(sample: Sample, send: Send, route: Callable[[], str], errors: ErrorLog) -> Send:
    """Return *send* such that *sample* sees what the app sends."""

    def watching(message: Message) -> Awaitable[None]:
        with errors.guarded("cache", "a response could not be looked at"):
            if message["type"] == START:
                sample.start(message["status"], pairs_of(message), route())
            elif message["type"] == BODY:
                sample.take(message.get("body", b""))
                if not _has_more(message):
                    sample.end()
        return send(message)

    return watching


def pairs_of(message: Message) -> Pairs:
    """Return the headers of *message* as texts, names in lower case."""
    return tuple(
        (bytes(name).decode("latin-1").lower(), bytes(value).decode("latin-1"))
        for name, value in message.get("headers", ())
    )


async def send_answer(answer: Answer, send: Send) -> None:
    """Send *answer* as it is."""
    await send(_start(answer.status, answer.headers, None))
    await send({"type": BODY, "body": answer.body})


def _start(status: int, headers: Pairs, given: Message | None) -> Message:
    """Return the message for a head; what the app *given* began it with stays as it was written."""
    if given is not None and status == given["status"]:
        count = len(list(given.get("headers", ())))
        if headers[:count] == pairs_of(given):
            return {**given, "headers": [*given.get("headers", ()), *_encoded(headers[count:])]}
    return {"type": START, "status": status, "headers": _encoded(headers)}


def _encoded(headers: Pairs) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
