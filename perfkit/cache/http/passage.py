"""One request on its way through the cache: to a kept response, or to the app and back with a new one.

An adapter asks `HttpCache.enter` for a passage. If it has an `answer`, that is sent. Else the app is asked, with the
fields that `asked` says, and what it gives goes through `start` and `take`, which say what the client gets and when:
nothing is held back but a head whose body is known to be small, until the first piece of it comes. At last `close`.
What a passage has learned is kept only when the body has come to its proper end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from perfkit.cache.http.conditions import CONDITIONAL, NONE, is_unmodified, validating
from perfkit.cache.http.fields import Pairs, directives, http_date, joined, without
from perfkit.cache.http.freshness import Allowance, Freshness, Wish, freshness, initial_age
from perfkit.cache.http.status import forwarded
from perfkit.cache.http.stored import Answer, Stored, entity_tag, kept_fields, not_modified_fields
from perfkit.cache.http.storing import MISSING, is_public, may_be_authorized, refusal, varying

if TYPE_CHECKING:
    from perfkit.cache.http.cache import HttpCache
    from perfkit.cache.http.request import CacheRequest
    from perfkit.cache.http.rules import Rule
    from perfkit.cache.loads.flight import Flight

__all__ = ["Out", "Passage"]

PASSING, HOLDING, COPYING, INSTEAD, SILENT = range(5)
"""What happens to the app's response: it is passed on; its head waits for the first piece of its body; it is passed on
and copied; another answer takes its place; the client has got an answer already."""


class Out(NamedTuple):
    """What the client gets now.

    Attributes:
        head: Status and fields, where they are due.
        body: A piece of the body.
        is_last: Nothing follows.
    """

    head: tuple[int, Pairs] | None
    body: bytes
    is_last: bool


class Passage:
    """Made by `HttpCache.enter`. Not thread-safe: one request's.

    Attributes:
        answer: What the client gets without the app being asked; None where it must be.
        route: The template of the route that answers, where it is known.
        renewal: The passage of a request that is to be sent to the app while a stale response serves.
        ahead: Another request's way to the app, to be waited for; see `HttpCache.wait_for`.
        flight: This request's way to the app, which others may wait for.
        fwd: Why the app is asked, in a word of RFC 9211.
        detail: In a word, why it passes by the cache.
        stale: A kept response that may not serve as it is.
        key: The key of the response that it wants, as far as is known by what responses of its URL differ.
        names: The request's fields by which responses of the URL are known to differ.
        waits: Times that it has waited for another.
        url: The key of its URL; empty where the request passes by.
        generation: That of the URL when the app was asked; empty where nothing is to be kept.
    """

    __slots__ = (
        "_cache",
        "_final",
        "_fresh",
        "_head",
        "_is_counted",
        "_length",
        "_mode",
        "_pieces",
        "_requested",
        "_size",
        "ahead",
        "answer",
        "conditions",
        "detail",
        "flight",
        "fwd",
        "generation",
        "identity",
        "is_background",
        "key",
        "names",
        "renewal",
        "request",
        "route",
        "rule",
        "stale",
        "url",
        "waits",
        "wish",
    )

    def __init__(self, cache: HttpCache, request: CacheRequest, rule: Rule) -> None:
        """Begin; `HttpCache` fills in the rest."""
        self._cache, self.request, self.rule = cache, request, rule
        self.url = self.key = self.generation = self.identity = self.route = self.detail = ""
        self.fwd, self.wish, self.conditions = "bypass", Wish(), NONE
        self.answer: Answer | None = None
        self.renewal: Passage | None = None
        self.ahead: Flight | None = None
        self.flight: Flight | None = None
        self.stale: Stored | None = None
        self.is_background = self._is_counted = False
        self.names: tuple[str, ...] = ()
        self.waits = 0
        self._mode, self._size = PASSING, 0
        self._length: int | None = None
        self._pieces: list[bytes] = []
        self._head: tuple[int, Pairs] = (0, ())
        self._fresh = Freshness(0.0)
        self._final: Answer | None = None
        self._requested = cache.clock.time()

    @property
    def _validates(self) -> bool:
        """The app is asked whether what is kept is still the same."""
        return self.flight is not None and self.stale is not None and self.stale.is_validated_by_app

    def _is_validated(self, tag: str) -> bool:
        """Return whether a 304 with the entity tag *tag* says that what is kept is still the same (section 4.3.4)."""
        kept = self.stale.etag if self.stale is not None else ""
        return self._validates and (not tag or not kept or tag.removeprefix("W/") == kept.removeprefix("W/"))

    def asked(self) -> tuple[frozenset[str], Pairs]:
        """Return the fields to be taken away from the request and those to be added, before the app is asked.

        Who is waited for asks for the whole response, whatever the client has already.
        """
        if self.flight is None:
            return frozenset(), ()
        kept = self.stale
        return frozenset(CONDITIONAL), validating(kept.headers) if kept is not None and self._validates else ()

    def start(self, status: int, headers: Iterable[tuple[str, str]], route: str = "") -> Out | None:
        """Take the head of the app's response; return it if it is due now.

        Args:
            headers: Names in lower case.
            route: The template with which the app answers, empty where that is not known.
        """
        self.route, given_headers = route, tuple(headers)
        if not self.generation:
            return self._pass_on(status, given_headers, self.detail)
        fields = joined(given_headers)
        if route and self.rule.is_route(route):
            self.rule.route = route
        if status == 304 and self._is_validated(fields.get("etag", "")):
            self._freshen(given_headers)
            return None
        if status >= 500 and self.replace(status) is not None:
            return None
        why = self._refusal(status, fields)
        length = fields.get("content-length", "")
        self._length = int(length) if length.isascii() and length.isdigit() else None
        if not why and (self._length or 0) > self._cache.settings.max_body:
            why = "too-large"
        if why:
            self._let_go(is_shareable=status >= 500)
            return self._pass_on(status, given_headers, why)
        self._head = (status, given_headers)
        if self._length is None:
            return self._copy_on()
        self._mode = HOLDING
        return None

    def decline(self, detail: str) -> Pairs:
        """Let a response go that is not to be followed at all; return the fields that are to be added to it."""
        if self.generation:
            self._let_go(is_shareable=False)
        self._count("bypass" if self.fwd == "bypass" else "miss")
        return self._told(forwarded(self.fwd, detail=self.detail or detail))

    def _refusal(self, status: int, fields: dict[str, str]) -> str:
        """Return why the response must not be kept; note how long it would serve."""
        given, settings, now = directives(fields.get("cache-control")), self._cache.settings, self._cache.clock.time()
        seconds = min(self.rule.seconds, settings.not_found_ttl) if status in MISSING else self.rule.seconds
        allowance = Allowance(seconds, settings.stale_while_revalidate, settings.stale_if_error)
        self._fresh = fresh = freshness(given, fields, received=now, allowance=allowance)
        serves = fresh.lifetime - self._age(fields, now) + max(fresh.while_revalidate, fresh.if_error)
        return refusal(
            status,
            fields,
            given,
            rule=self.rule,
            route=self.route,
            identity=self.identity,
            lifetime=serves if fresh.lifetime > 0.0 else 0.0,
        )

    def _age(self, fields: dict[str, str], now: float) -> float:
        date = http_date(fields.get("date"))
        return initial_age(age=fields.get("age"), date=date, requested=self._requested, received=now)

    def _pass_on(self, status: int, headers: Pairs, detail: str) -> Out:
        """Let the response through as it is; but a client whose conditions the app did not see may have it already."""
        self._mode = PASSING
        self._count("bypass" if self.fwd == "bypass" else "miss")
        told = self._told(forwarded(self.fwd, detail=detail))
        fields = joined(headers)
        if self.flight is not None and is_unmodified(self.conditions, status, fields):
            self._mode = SILENT
            return Out((304, (*not_modified_fields(headers), *told)), b"", True)
        return Out((status, (*headers, *told)), b"", False)

    def _copy_on(self) -> Out:
        """Let the response through and copy it; nobody waits for a body that takes its time."""
        self._mode = COPYING
        self._let_go(is_shareable=True)
        self._count("miss")
        status, headers = self._head
        return Out((status, (*headers, *self._told(forwarded(self.fwd)))), b"", False)

    def take(self, piece: bytes, is_last: bool) -> Out | None:
        """Take a piece of the app's body; return what the client gets of it, None for nothing."""
        mode = self._mode
        if mode == PASSING:
            return Out(None, piece, is_last)
        if mode == INSTEAD:
            self._mode = SILENT
            final = self._final
            return None if final is None else Out((final.status, final.headers), final.body, True)
        self._size += len(piece)
        if self._size <= self._cache.settings.max_body:
            self._pieces.append(piece)
        else:
            self._pieces.clear()
        out = Out(None, piece, is_last) if mode == COPYING else None
        if mode == HOLDING:
            out = self._resolve(piece, is_last)
        if is_last:
            self._finish()
        return out

    def _resolve(self, piece: bytes, is_last: bool) -> Out:
        """Send the head that was held back, as the first piece of the body is there."""
        status, headers = self._head
        if self._size != self._length:
            out = self._copy_on()
            return Out(out.head, piece, is_last)
        if status == 200 and self._cache.settings.etags and not any(name == "etag" for name, _ in headers):
            headers = (*headers, ("etag", entity_tag(piece)))
            self._head = (status, headers)
        self._mode = COPYING
        self._count("miss")
        told = self._told(forwarded(self.fwd, stored=True, ttl=self._fresh.lifetime))
        if self.flight is not None and is_unmodified(self.conditions, status, joined(headers)):
            self._mode = SILENT
            return Out((304, (*not_modified_fields(headers), *told)), b"", True)
        return Out((status, (*headers, *told)), piece, is_last)

    def _finish(self) -> None:
        """Keep the response, if it is whole."""
        body, (status, headers) = b"".join(self._pieces), self._head
        is_whole = status and self._size == len(body) and self._length in (None, self._size)
        self._pieces = []
        is_kept = bool(is_whole) and self._keep(status, headers, body)
        self._land(is_kept=is_kept)

    def _keep(self, status: int, headers: Pairs, body: bytes) -> bool:
        fields, kept, now = joined(headers), kept_fields(headers), self._cache.clock.time()
        given = directives(fields.get("cache-control"))
        tag = fields.get("etag", "")
        if not tag and status == 200 and self._cache.settings.etags:
            tag = entity_tag(body)
            kept = (*kept, ("etag", tag))
        if "content-length" not in fields and status != 204:
            kept = (*kept, ("content-length", str(len(body))))
        stored = Stored(
            status=status,
            headers=kept,
            body=body,
            route=self.route,
            received=now,
            age=self._age(fields, now),
            fresh=tuple(self._fresh),
            etag=tag,
            is_validated_by_app="last-modified" in fields or ("etag" in fields and not self._is_ours(tag, body)),
            is_public=is_public(given),
            may_be_authorized=may_be_authorized(given),
        )
        return self._cache.keep(self, stored, varying(fields) or ())

    def _is_ours(self, tag: str, body: bytes) -> bool:
        return self._cache.settings.etags and tag == entity_tag(body)

    def _freshen(self, headers: Pairs) -> None:
        """Answer with what is kept, which the app says is unchanged, and keep it on."""
        stale, cache = self.stale, self._cache
        if stale is None:
            return
        now, merged = cache.clock.time(), (*without(stale.headers, [name for name, _ in headers]), *headers)
        fields = joined(merged)
        why = self._refusal(stale.status, fields)
        renewed = stale.freshened(headers, self._fresh, age=self._age(joined(headers), now), received=now)
        is_kept = not why and cache.keep(self, renewed, varying(fields) or ())
        told = forwarded(self.fwd, status=304, stored=is_kept, detail=why)
        self._count("revalidated")
        self._answer_with(renewed, told)
        self._land(is_kept=is_kept)

    def replace(self, status: int = 0) -> Answer | None:
        """Return a stale response in place of the app's failure, where that is allowed (RFC 5861 section 4).

        Args:
            status: The app's status code, 0 where it raised.
        """
        stale, now = self.stale, self._cache.clock.time()
        if stale is None or self._mode != PASSING or not self.generation:
            return None
        fresh = stale.freshness
        if stale.age_at(now) - fresh.lifetime >= fresh.if_error:
            return None
        self._count("stale")
        self._answer_with(stale, forwarded(self.fwd, status=status, detail="stale-if-error"))
        self._land(is_kept=False)
        return self._final

    def _answer_with(self, stored: Stored, told: str) -> None:
        cache = self._cache
        status = told if cache.settings.status_header else ""
        self.route = stored.route
        self._mode = INSTEAD
        self._final = stored.answer(self.request.method, self.conditions, cache.clock.time(), status)

    def _told(self, value: str) -> Pairs:
        return (("cache-status", value),) if self._cache.settings.status_header else ()

    def _count(self, result: str) -> None:
        if not (self._is_counted or self.is_background):
            self._is_counted = True
            self._cache.count(self.rule, result)

    def _let_go(self, *, is_shareable: bool) -> None:
        """Let nobody wait for this response, nor for a while for another of its URL if it cannot be shared."""
        if not is_shareable or self.is_background:
            self._cache.pass_by(self.url)
        self._land(is_kept=False)

    def _land(self, *, is_kept: bool) -> None:
        flight = self.flight
        if flight is not None and not flight.future.done():
            self._cache.land(flight, is_kept=is_kept)

    @property
    def is_passing(self) -> bool:
        """The rest of the app's response is nobody's concern: it may go to the client without `take`."""
        return self._mode == PASSING

    @property
    def is_silent(self) -> bool:
        """The client has got an answer that is not the app's: whatever that still sends goes nowhere."""
        return self._mode == SILENT

    @property
    def is_learning(self) -> bool:
        """The response may still be kept."""
        return self._head[0] != 0 and self._mode != PASSING

    @property
    def expects(self) -> int | None:
        """Bytes of the body that are still to come; None where that is not known."""
        return None if self._length is None else self._length - self._size

    def release(self) -> Out | None:
        """Let the response go, as it cannot be followed any more; return what was held back of it."""
        mode = self._mode
        self._pieces = []
        self._land(is_kept=False)
        if mode == INSTEAD:
            return self.take(b"", True)
        if mode not in (HOLDING, COPYING):
            return None
        self._mode = PASSING
        if mode == COPYING:
            return None
        self._count("miss")
        status, headers = self._head
        return Out((status, (*headers, *self._told(forwarded(self.fwd)))), b"", False)

    def close(self) -> None:
        """End: whoever waits for it does so no longer. What did not come to its end is not kept. Harmless twice."""
        if self.flight is not None and not self.flight.future.done():
            self._let_go(is_shareable=True)
        self._pieces = []
