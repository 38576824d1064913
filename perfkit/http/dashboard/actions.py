"""The one path that changes something: who may, from which page, with which token; then it is done and kept.

Three things together keep pages of other sites out, with and without script. The browser must say that the form comes
from this very origin (``Sec-Fetch-Site``, which no page can forge; where it is missing, ``Origin`` must name our host).
The form must bring a token that only our pages hold: an HMAC of mount, day and the visitor's cookie under the service's
token. And the visitor must be allowed, as for every page.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from perfkit.config import PerformanceConfig
from perfkit.core.clock import Clock
from perfkit.core.message import Request, Response, json_bytes
from perfkit.http.access import Decision
from perfkit.http.peers import PeerWindow, peer_group
from perfkit.http.responses import reply, text

if TYPE_CHECKING:
    from perfkit.dashboard import Done, Given

    Act = Callable[[str, Given, str], Done]

__all__ = ["ACTION_HEADER", "FORM", "LONGEST_FORM", "Actions", "are_enabled", "is_same_origin"]

ACTION_HEADER = "x-perfkit-action"
"""The header by which a script asks for JSON instead of a redirect."""

LONGEST_FORM = 8192
"""Bytes of a form."""

RATE = 10
"""Actions that one peer may ask for in `RATE_SECONDS`."""

RATE_SECONDS = 10.0

DAY = 86_400

FORM = "application/x-www-form-urlencoded"
"""The one media type of a form that is read."""


def are_enabled(config: PerformanceConfig) -> bool:
    """Return whether the service has actions: as `access.actions` says, else everywhere but in production."""
    wished = config.access.actions
    return config.environment != "production" if wished is None else wished


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Return True if the browser says that one of our own pages asks.

    Source: W3C, "Fetch Metadata Request Headers"; RFC 6454 for browsers and places (plain http) without them.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin, host = headers.get("origin", ""), headers.get("host", "")
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


class Actions:
    """The gate before the actions. Thread-safe."""

    __slots__ = ("_act", "_clock", "_mount", "_rate", "_secret")

    def __init__(self, act: Act, *, mount: str, secret: Callable[[], str], clock: Clock) -> None:
        """Do by *act* what is asked for below *mount*; *secret* returns the service's token."""
        self._act, self._mount, self._secret, self._clock = act, mount, secret, clock
        self._rate = PeerWindow(limit=RATE, seconds=RATE_SECONDS)

    def token(self, request: Request, decision: Decision) -> str:
        """Return what a form of this visitor must bring; empty for who may not act."""
        if not decision.may_act:
            return ""
        return self._sign(request, decision, self._today())

    def answer(self, request: Request, decision: Decision) -> Response:
        """Do what the form in the body of *request* asks for, or say why not."""
        from perfkit.dashboard import ACTIONS
        from perfkit.dashboard.parameters import read

        fields = _fields(request)
        refusal = self._refusal(request, decision, fields)
        if refusal is not None:
            return refusal
        action = ACTIONS.get(what := fields.get("do", ""))
        if action is None:
            return text("There is no such action. The page is of another version. Load it again.", status=400)
        if not self._rate.add(peer_group(request.peer), self._clock.monotonic()):
            said = f"More than {RATE} actions in {RATE_SECONDS:g} s came from your address. Try again soon."
            return text(said, status=429, headers=(("retry-after", f"{RATE_SECONDS:g}"),))
        values = {name: parameter.read(fields.get(name, "")) for name, parameter in action.fields.items()}
        done = self._act(what, read("act", action.fields).with_values(values), _who(request, decision))
        if ACTION_HEADER in request.headers:
            body = json_bytes(done)
            return reply(body, content_type="application/json", status=200 if done.is_done else 409)
        return text("", status=303, headers=(("location", _back(fields.get("back", ""), done.id)),))

    def _refusal(self, request: Request, decision: Decision, fields: Mapping[str, str]) -> Response | None:
        if not decision.may_act:
            return text("You may look but not act. The access function said so. Ask who runs the service.", status=403)
        if not is_same_origin(request.headers):
            said = "The browser does not say that this form comes from the dashboard. Load the dashboard and try there."
            return text(said, status=403)
        day, given = self._today(), fields.get("token", "").encode("utf-8", "replace")
        # Two days, as a page may have been loaded just before midnight.
        signs = [self._sign(request, decision, each).encode() for each in (day, day - 1)]
        if not any(hmac.compare_digest(given, sign) for sign in signs):
            return text("The form is too old or not ours. Nothing was done. Load the page again.", status=403)
        return None

    def _today(self) -> int:
        return int(self._clock.time() // DAY)

    def _sign(self, request: Request, decision: Decision, day: int) -> str:
        mount = request.root_path + self._mount
        message = "\n".join(("perfkit action 1", mount, str(day), decision.session))
        key = self._secret().encode("utf-8", "backslashreplace")
        return hmac.new(key, message.encode("utf-8", "backslashreplace"), hashlib.sha256).hexdigest()


def _fields(request: Request) -> dict[str, str]:
    """Return what the form says, each field once; nothing where it is no form of ours."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM or len(request.body) > LONGEST_FORM:
        return {}
    try:
        fields = parse_qs(request.body.decode("latin-1"), max_num_fields=20, errors="replace")
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def _who(request: Request, decision: Decision) -> str:
    return f"{peer_group(request.peer) or 'unknown'} ({decision.reason})"


def _back(wished: str, done: str) -> str:
    """Return the relative URL of the page that the form was on; of any other text, that of the overview."""
    from perfkit.dashboard import PAGES

    name, _, query = wished[:2000].partition("?")
    if name not in {entry.name for entry in PAGES}:
        name, query = "", ""
    kept = "&".join(part for part in query.split("&") if part and not part.startswith("done="))
    said = quote(kept, safe="=&+%-._~")
    return f"./{name}?{said}{'&' if said else ''}done={done}"
