"""Who may see what reveals internals. Closed by default.

Three ways in: this very machine, in development only, because a plain reverse proxy makes the whole world look local;
the token, or the cookie it is swapped for; the user's own function. A refusal is not an answer: the request goes on to
the app, whose own 404 tells a stranger nothing, and a log line tells the developer what to do.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Awaitable, Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import msgspec

from perfkit.config.sections import AccessSettings
from perfkit.core.clock import Clock, SystemClock
from perfkit.core.errors import LOG_INTERVAL, ErrorLog
from perfkit.core.message import Request
from perfkit.http.credentials import Cookie, all_query_tokens, authorization_tokens, is_same, query_token, without_token
from perfkit.http.peers import (
    UNGUESSABLE,
    WRONG_TOKENS,
    Guesses,
    is_foreign_page,
    is_forwarded,
    is_local_host,
    is_loopback,
)

__all__ = ["MOUNTS", "Access", "Area", "Decision", "RefusalLog"]

logger = logging.getLogger("perfkit")

Area: TypeAlias = Literal["dashboard", "metrics", "load", "health_details"]

MOUNTS: Mapping[Area, str] = {
    "dashboard": "/perfkit",
    "metrics": "/metrics",
    "load": "/load",
    "health_details": "/health",
}
"""The path of each area if nothing else is said; a cookie is good for its area only."""

_SEEN = ("GET", "HEAD")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a request may see an area.

    Attributes:
        reason: Why, in words for the log; never the token, never anything the visitor sent.
        set_cookie: Value of a ``Set-Cookie`` header to send, or None.
        redirect: Relative URL without the token, to send the visitor to with status 303, or None.
        may_act: It may also change things, where the service has actions.
        session: What tells this visitor from others who are allowed: the signature of its cookie; empty without one.
        is_logged: False for a refusal that is no riddle to anybody, such as a visitor of the public health word.
    """

    allowed: bool
    reason: str
    set_cookie: str | None = None
    redirect: str | None = None
    may_act: bool = False
    session: str = ""
    is_logged: bool = True


class Access:
    """The gate in front of all our paths. Thread-safe; waits for nothing but the user's own function."""

    __slots__ = ("_clock", "_errors", "_guesses", "_is_development", "_mounts", "_rules", "_tokens")

    def __init__(
        self,
        settings: AccessSettings,
        *,
        environment: str,
        token: str,
        clock: Clock | None = None,
        errors: ErrorLog | None = None,
        mounts: Mapping[Area, str] = MOUNTS,
    ) -> None:
        """Guard by *settings*.

        Args:
            environment: ``development`` is the only one in which this very machine may come in without a token.
            token: The service's token, given or made; empty for none.
            mounts: The path of each area below the application root, without a slash at the end.
        """
        self._clock: Clock = clock or SystemClock()
        self._errors = errors or ErrorLog(clock=self._clock)
        self._is_development = environment == "development"
        self._mounts = dict(mounts)
        metrics_access = settings.access if settings.metrics_access is None else settings.metrics_access
        self._rules: dict[Area, Any] = {
            "dashboard": settings.access,
            "metrics": metrics_access,
            "load": metrics_access,
            "health_details": settings.access,
        }
        main = _cookies(token)
        self._tokens: dict[Area, tuple[tuple[str, Cookie], ...]] = {
            "dashboard": main,
            "metrics": main + _cookies(settings.metrics_token),
            "load": main + _cookies(settings.metrics_token),
            "health_details": main,
        }
        given = [each for each in (token, settings.metrics_token) if each]
        self._guesses = Guesses(is_guessable=any(len(each) < UNGUESSABLE for each in given))

    def decide(self, request: Request, area: Area) -> Decision:
        """Return whether *request* may see *area*. Never raises; an access function that fails refuses."""
        answer = self._ask(request, area)
        if isinstance(answer, Decision):
            return answer
        if inspect.iscoroutine(answer):
            answer.close()
        return _refused("the access function is async, which this server cannot await; give a plain function")

    async def adecide(self, request: Request, area: Area) -> Decision:
        """Do what `decide` does, and await the access function where it is async."""
        answer = self._ask(request, area)
        if isinstance(answer, Decision):
            return answer
        try:
            return _judged(await answer)
        except Exception as error:  # noqa: BLE001 - the user's function; whoever it fails for stays outside
            return self._failed(error)

    def _ask(self, request: Request, area: Area) -> Decision | Awaitable[object]:
        rule = self._rules[area]
        if rule == "off":
            return Decision(allowed=False, reason="access is off", is_logged=False)
        if not callable(rule):
            return self._by_rule(request, area, is_local_enough=rule == "auto")
        try:
            answer = rule(request)
        except Exception as error:  # noqa: BLE001 - the user's function; whoever it fails for stays outside
            return self._failed(error)
        return answer if inspect.isawaitable(answer) else _judged(answer)

    def _failed(self, error: Exception) -> Decision:
        self._errors.report("http", error, doing="the access function failed, so the visitor was refused")
        return _refused("the access function failed")

    def _by_rule(self, request: Request, area: Area, *, is_local_enough: bool) -> Decision:
        """Decide by place, cookie and token."""
        distance = self._distance(request) if is_local_enough else "no token was given"
        familiar = self._familiar(request, area, distance)
        in_query = query_token(request)
        if familiar is not None and in_query is None:
            return familiar
        in_header = authorization_tokens(request)
        if in_query is None and not in_header:
            return _refused(distance, is_logged=area != "health_details")
        now = self._clock.monotonic()
        if self._guesses.are_spent(request.peer, request.headers, now):
            return familiar or _refused(f"{WRONG_TOKENS} wrong tokens within a minute; for now none is checked")
        by_query = self._cookie_of((in_query,) if in_query is not None else (), area)
        if by_query is not None:
            return self._swapped(request, area, by_query)
        if self._cookie_of(in_header, area) is not None:
            return Decision(allowed=True, reason="token", may_act=True)
        if familiar is None:
            self._guesses.add(request.peer, request.headers, now)
        return familiar or _refused("the token is wrong")

    def _distance(self, request: Request) -> str:
        """Return why *request* does not count as this very machine's own, or an empty text if it does."""
        if not self._is_development:
            return "no token was given, and the environment is not development"
        if not is_local_host(request.headers.get("host", "")):
            return "the Host header does not name this machine"
        if request.peer is None:
            return "a peer without an address, as on a unix socket"
        if not is_loopback(request.peer):
            return "not loopback"
        if is_forwarded(request.headers):
            return "forwarded by a proxy"
        if is_foreign_page(request.headers):
            return "asked for by a page of another site"
        return ""

    def _familiar(self, request: Request, area: Area, distance: str) -> Decision | None:
        """Return the yes to those who need no token, or need it no more; wrong tokens of others never shut them out."""
        if not distance:
            return Decision(allowed=True, reason="this very machine, in development", may_act=True)
        header = request.headers.get("cookie", "")
        mount, now = self._mount(request, area), self._clock.time()
        for _, cookie in self._tokens[area] if header else ():
            session = cookie.session(header, mount=mount, now=now)
            if session:
                return Decision(allowed=True, reason="cookie", may_act=True, session=session)
        return None

    def hides(self, request: Request, area: Area | None = None) -> bool:
        """Return True if the app shall not see any ``t`` of *request*, which was refused *area*: it brings our token.

        An app may show its visitors their query, so what is gone from it says which token is right. Therefore this
        look is a guess like any other, and who has none left gets the same answer for each.
        """
        given = all_query_tokens(request.query)
        if not given:
            return False
        now = self._clock.monotonic()
        if len(given) > WRONG_TOKENS or self._guesses.are_spent(request.peer, request.headers, now):
            return True
        if any(self._cookie_of(given, each) is not None for each in self._tokens):
            return True
        is_counted = area is not None and self._rules[area] in ("auto", "token")
        for _ in given[int(is_counted) :]:
            self._guesses.add(request.peer, request.headers, now)
        return False

    def _cookie_of(self, given: tuple[bytes, ...], area: Area) -> Cookie | None:
        """Return the cookie of the token that one of *given* is, or None if all are wrong."""
        found = None
        for secret, cookie in self._tokens[area]:
            for token in given:
                if is_same(token, secret):
                    found = cookie
        return found

    def _swapped(self, request: Request, area: Area, cookie: Cookie) -> Decision:
        """Let in who brought the token in the query; a browser gets a cookie and a URL without the token.

        Scrapers and curl keep no cookies, so outside the dashboard only who asks for a page is sent on.
        """
        is_browser = area == "dashboard" or "text/html" in request.headers.get("accept", "").lower()
        if request.method not in _SEEN or not is_browser:
            return Decision(allowed=True, reason="token", may_act=True)
        directory, _, page = request.path.rpartition("/")
        rest = without_token(request.query)
        mount = self._mount(request, area)
        # A proxy may have cut a prefix off that only the browser knows: then its directory is the mount.
        is_cut = not request.root_path and directory == mount and is_forwarded(request.headers)
        return Decision(
            allowed=True,
            reason="token, swapped for a cookie",
            set_cookie=cookie.header(
                mount=mount,
                path=None if is_cut else mount,
                is_secure=request.scheme == "https",
                now=self._clock.time(),
            ),
            redirect=f"./{quote(page, safe='', errors='replace')}{'?' if rest else ''}{rest}",
        )

    def _mount(self, request: Request, area: Area) -> str:
        return request.root_path + self._mounts[area]


def _cookies(token: str | None) -> tuple[tuple[str, Cookie], ...]:
    return ((token, Cookie(token)),) if token else ()


def _refused(reason: str, *, is_logged: bool = True) -> Decision:
    return Decision(allowed=False, reason=reason, is_logged=is_logged)


def _judged(answer: object) -> Decision:
    """Read what the user's function answered: only True opens, so that a forgotten redirect object does not.

    ``"read"`` opens for looking alone, ``"act"`` says the same as True.
    """
    if answer is True or (isinstance(answer, str) and answer in ("read", "act")):
        return Decision(
            allowed=True, reason=f"the access function answered {answer}", may_act=answer is True or answer == "act"
        )
    if answer is False or answer is None:
        return _refused(f"the access function answered {answer}")
    return _refused(f"the access function answered a {type(answer).__name__}; only True, 'read' and 'act' open")


_REMEDIES: dict[Area, str] = {
    "dashboard": "Open it with ?t=<token>, or set access.access",
    "metrics": "Send 'Authorization: Bearer <token>', or set access.metrics_access",
    "load": "Send 'Authorization: Bearer <token>', or set access.metrics_access",
    "health_details": "Send 'Authorization: Bearer <token>', or set access.access",
}


class RefusalLog:
    """The line that tells the developer why a page of ours is the app's 404: at most one a minute. Thread-safe."""

    __slots__ = ("_at", "_clock", "_held_back", "_lock")

    def __init__(self, *, clock: Clock | None = None) -> None:
        """Measure the minute by *clock*."""
        self._clock: Clock = clock or SystemClock()
        self._at: float | None = None
        self._held_back = 0
        self._lock = threading.Lock()

    def log(self, request: Request, area: Area, decision: Decision) -> None:
        """Say who was refused, why and what to do; the visitor's words are cut and escaped, the token is never said."""
        if decision.allowed or not decision.is_logged:
            return
        now = self._clock.monotonic()
        with self._lock:
            if self._at is not None and now - self._at < LOG_INTERVAL:
                self._held_back += 1
                return
            self._at, held_back, self._held_back = now, self._held_back, 0
        logger.warning(
            "perfkit: %s refused for peer %s (%s). %s. The token is PERFKIT_TOKEN, or the one made at start.%s",
            _plain(request.root_path + request.path),
            _plain(request.peer or "unknown"),
            decision.reason,
            _REMEDIES[area],
            f" ({held_back} more refused since the last line)" if held_back else "",
        )


def _plain(text: str) -> str:
    """Return *text* in one line of visible ASCII, 100 characters at most."""
    return ascii(text[:100])[1:-1]
