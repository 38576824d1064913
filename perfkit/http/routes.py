"""Our own paths: which they are, who may see each, and what it answers.

Every path of ours stands in one table and passes one gate, assets too. What is refused has no answer: None sends the
request on to the app, whose own 404 tells nothing.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias, TypeGuard
from urllib.parse import quote

import msgspec

from perfkit.core.message import SCHEMA_VERSION, Request, Response
from perfkit.core.shells import offload
from perfkit.core.status import Status
from perfkit.dashboard import PAGES, asset, asset_names
from perfkit.http import health
from perfkit.http.access import Access, Area, Decision, RefusalLog
from perfkit.http.answers import Answers, served
from perfkit.http.credentials import without_token
from perfkit.http.dashboard.actions import LONGEST_FORM, Actions, are_enabled
from perfkit.http.dashboard.kept import Computed
from perfkit.http.dashboard.pages import RATE, Pages, answered
from perfkit.http.negotiate import VARY, BadQuery, accepts_gzip, choose, gzipped, speaks, wanted_names
from perfkit.http.peers import is_of_other_origin
from perfkit.http.recording.answers import KeptRequests
from perfkit.http.responses import FAILED, METHODS, NOT_ALLOWED, reply, text, without_body

if TYPE_CHECKING:
    from perfkit.dashboard import Done, Given

__all__ = ["API_RATE", "Routes"]

API_RATE = RATE
"""Requests a second that one peer may make to the JSON API."""

_SMALLEST_GZIP = 512


Answer: TypeAlias = Callable[[Request, Decision], "Response | None"]


class _Route(msgspec.Struct, frozen=True):
    """One path.

    Attributes:
        area: What the gate is asked for; None where everyone gets the same and nobody is asked: a probe must not
            run the user's access function.
        answer: Called with the request and what the gate said; None goes on to the app.
        is_public: Strangers get an answer too.
        fallback: The answer where making one failed.
        methods: Those that it answers to.
        takes_form: The body of an allowed POST is read for it.
    """

    area: Area | None
    answer: Answer
    is_public: bool = False
    fallback: Response = FAILED
    methods: tuple[str, ...] = METHODS
    takes_form: bool = False


Read = Callable[[int], bytes]
ARead = Callable[[int], Awaitable[bytes]]

NOT_ACCEPTABLE = text(
    f"This perfkit speaks version {SCHEMA_VERSION} of its JSON. The Accept header must allow it. "
    f"Send 'Accept: application/json; version={SCHEMA_VERSION}', or no version at all.",
    status=406,
    headers=(("vary", "Accept"),),
)

_SHUT = Decision(allowed=False, reason="not decided", is_logged=False)
# A fault of ours must not take an app out of traffic: the probes of a process that answers say so.
_CANNOT_TELL = health.probe(Status.UNKNOWN)


def _form_length(request: Request, route: _Route, decision: Decision) -> int:
    """Return how many bytes of the body are read: those of a form of an allowed visitor, if it is not too long."""
    if not (route.takes_form and decision.allowed and request.method == "POST"):
        return 0
    said = request.headers.get("content-length", "")
    length = int(said) if said.isascii() and said.isdigit() and len(said) <= 9 else 0
    return length if length <= LONGEST_FORM else 0


def _counts(known: Decision | None, request: Request, area: Area) -> TypeGuard[Decision]:
    """Return whether what the framework says of the visitor opens *area* to *request*.

    It says so by a cookie of the app, which the app may let pages of other origins send, and read what comes back. What
    changes something has guards of its own.
    """
    if known is None or area != "dashboard":
        return False
    return request.method not in METHODS or not is_of_other_origin(request.headers)


def _versioned(answer: Answer) -> Answer:
    """Return *answer* for those who want the version of the JSON that it has."""

    def answered_if_spoken(request: Request, decision: Decision) -> Response | None:
        if not speaks(request.headers.get("accept", ""), SCHEMA_VERSION):
            return NOT_ACCEPTABLE
        return answer(request, decision)

    return answered_if_spoken


class Routes:
    """Answers requests to our own paths. Thread-safe.

    Attributes:
        paths: All our paths, to be asked with ``in`` for each request of the app.
        probes: Those of them that machines ask again and again: health, metrics and load.
    """

    __slots__ = (
        "_access",
        "_actions",
        "_answers",
        "_contract",
        "_mounts",
        "_pages",
        "_refusals",
        "_table",
        "_token",
        "paths",
        "probes",
    )

    def __init__(self, answers: Answers) -> None:
        """Answer for the system *answers*; nothing is asked of it yet but its settings, clock and error log."""
        http = served(answers.config)
        self._answers = answers
        self._pages = Pages(answers.overview_data, answers.found, answers.find_done, http=http, clock=answers.clock)
        self._refusals = RefusalLog(clock=answers.clock)
        self._mounts: dict[Area, str] = {
            "dashboard": f"{http.prefix}{http.dashboard_path or ''}",
            "metrics": f"{http.prefix}{http.metrics_path or ''}",
            "load": f"{http.prefix}{http.load_path or ''}",
            "health_details": f"{http.prefix}{http.health_path or ''}",
        }
        self._contract = Computed(None, math.inf)
        self._actions: Actions | None = None
        if http.dashboard_path is not None and are_enabled(answers.config):
            mount, clock = self._mounts["dashboard"], answers.clock
            self._actions = Actions(self._act, mount=mount, secret=lambda: answers.token, clock=clock)
        self._table = self._paths(
            has_health=http.health_path is not None,
            has_metrics=http.metrics_path is not None,
            has_load=http.load_path is not None,
            has_dashboard=http.dashboard_path is not None,
        )
        self.paths = frozenset(self._table)
        self.probes = frozenset(
            path for path, route in self._table.items() if route.is_public or route.area in ("metrics", "load")
        )
        self._token: str | None = None
        self._access: Access | None = None

    def _paths(self, *, has_health: bool, has_metrics: bool, has_load: bool, has_dashboard: bool) -> dict[str, _Route]:
        paths: dict[str, _Route] = {}
        if has_dashboard:
            mount = self._mounts["dashboard"]
            paths[mount] = _Route("dashboard", self._slash)
            for entry in PAGES:
                paths[entry.path(mount)] = _Route("dashboard", self._page(entry.name))
                if entry.has_document:
                    paths[entry.document_path(mount)] = _Route("dashboard", self._document(entry.name))
            if self._actions is not None:
                paths[f"{mount}/act"] = _Route("dashboard", self._actions.answer, methods=("POST",), takes_form=True)
            if self._answers.config.recorder.enabled:
                kept = KeptRequests(self._answers)
                paths[f"{mount}/api/requests"] = _Route("dashboard", _versioned(kept.several))
                paths[f"{mount}/api/request"] = _Route("dashboard", _versioned(kept.one))
            paths[f"{mount}/api/openapi.json"] = _Route("dashboard", self._openapi)
            paths.update((f"{mount}/static/{name}", _Route("dashboard", self._asset)) for name in asset_names())
        if has_metrics:
            paths[self._mounts["metrics"]] = _Route("metrics", self._metrics)
        if has_load:
            paths[self._mounts["load"]] = _Route("load", self._load)
        if has_health:
            mount = self._mounts["health_details"]
            paths[mount] = _Route("health_details", self._health, is_public=True)
            for name, answer in (("live", self._live), ("ready", self._ready), ("startup", self._startup)):
                paths[f"{mount}/{name}"] = _Route(None, answer, is_public=True, fallback=_CANNOT_TELL)
            paths[f"{mount}/drain"] = _Route("health_details", self._drain, methods=("POST", "DELETE"))
        return paths

    def respond(self, request: Request, read: Read | None = None, *, known: Decision | None = None) -> Response | None:
        """Answer *request*; None if it is not ours or refused: the app shall answer it.

        Args:
            read: Returns so many bytes of the body; called only for a form of somebody who is allowed, so that the app
                finds the body of all else as it came.
            known: What the framework itself says of the visitor, for the dashboard: what he brings along may give
                him more, never less.
        """
        route = self._table.get(request.path)
        if route is None:
            return None
        decision = _SHUT
        if route.area is not None:
            with self._answers.errors.guarded("http", "could not decide who may see a page"):
                decision = self._decided(request, route.area, known)
        length = _form_length(request, route, decision)
        if length and read is not None:
            request = msgspec.structs.replace(request, body=read(length))
        return self._answer(request, route, decision)

    async def arespond(
        self, request: Request, read: ARead | None = None, *, known: Decision | None = None
    ) -> Response | None:
        """Do what `respond` does, and await the user's access function where it is async.

        Health is answered at once, as it only reads the last results; pages and metrics are made in a thread, as
        adding up many workers may take longer than an event loop should be held up.
        """
        route = self._table.get(request.path)
        if route is None:
            return None
        decision = _SHUT
        if route.area is not None:
            with self._answers.errors.guarded("http", "could not decide who may see a page"):
                decision = await self._adecided(request, route.area, known)
        if route.is_public or not decision.allowed:
            return self._answer(request, route, decision)
        length = _form_length(request, route, decision)
        if length and read is not None:
            request = msgspec.structs.replace(request, body=await read(length))
        response: Response | None = await offload(self._answer, request, route, decision)
        return response

    def admits(self, request: Request) -> bool:
        """Return whether *request*, to whatever path, comes from one who may see the dashboard."""
        return self._gate().decide(request, "dashboard").allowed

    async def aadmits(self, request: Request) -> bool:
        """Do what `admits` does, and await the user's access function where it is async."""
        return (await self._gate().adecide(request, "dashboard")).allowed

    def holds_secret(self, request: Request) -> bool:
        """Return True if the query of *request*, which was refused, brings a token that no access log may have."""
        is_secret = False
        with self._answers.errors.guarded("http", "could not look for a token"):
            route = self._table.get(request.path)
            is_secret = self._gate().hides(request, None if route is None else route.area)
        return is_secret

    def _decided(self, request: Request, area: Area, known: Decision | None) -> Decision:
        if not _counts(known, request, area):
            return self._gate().decide(request, area)
        if known.may_act:
            return known
        own = self._gate().decide(request, area)
        return own if own.allowed else known

    async def _adecided(self, request: Request, area: Area, known: Decision | None) -> Decision:
        if not _counts(known, request, area):
            return await self._gate().adecide(request, area)
        return self._decided(request, area, known)

    def _gate(self) -> Access:
        """Return the gate for the token in force; it is made anew when the start brings another token."""
        token, access = self._answers.token, self._access
        if access is None or token != self._token:
            config = self._answers.config
            access = Access(
                config.access,
                environment=config.environment,
                token=token,
                clock=self._answers.clock,
                errors=self._answers.errors,
                mounts=self._mounts,
            )
            self._access, self._token = access, token
        return access

    def _answer(self, request: Request, route: _Route, decision: Decision) -> Response | None:
        if route.area is not None:
            self._refusals.log(request, route.area, decision)
        if not (decision.allowed or route.is_public):
            return None
        if decision.redirect is not None:
            headers = (("location", decision.redirect), ("set-cookie", decision.set_cookie or ""))
            return text("", status=303, headers=headers)
        if request.method not in route.methods:
            return NOT_ALLOWED if route.methods is METHODS else None
        try:
            response = route.answer(request, decision)
        except Exception as error:  # noqa: BLE001 - the boundary: a fault of ours is never the app's
            self._answers.errors.report("http", error, doing=f"could not answer for {route.area or 'a probe'}")
            response = route.fallback
        return without_body(response) if response is not None and request.method == "HEAD" else response

    def _health(self, request: Request, decision: Decision) -> Response:
        config = self._answers.config
        # A stranger who may choose a tag learns which dependency there is, and which of them is down.
        tags = health.wanted_tags(request.query) if decision.allowed else frozenset[str]()
        snapshot = self._answers.health_snapshot(tags)
        if tags and not snapshot.checks:
            every = self._answers.health_snapshot().checks
            return health.no_such_tag(tags, {tag for check in every for tag in check.tags})
        return health.summary(
            request, snapshot, is_detailed=decision.allowed, service=config.service, release=config.release
        )

    def _live(self, request: Request, decision: Decision) -> Response:
        status = Status.HEALTHY if self._answers.health_snapshot().is_live else Status.CRITICAL
        return health.probe(status, accept=request.headers.get("accept", ""))

    def _ready(self, request: Request, decision: Decision) -> Response:
        return health.is_ready(self._answers.health_snapshot(), request.headers.get("accept", ""))

    def _startup(self, request: Request, decision: Decision) -> Response:
        return health.is_started(self._answers.health_snapshot(), request.headers.get("accept", ""))

    def _drain(self, request: Request, decision: Decision) -> Response | None:
        """Drain all workers, or end that. A header of ours keeps pages of other sites out: a browser asks us first."""
        # Who may only look must not take a service out of traffic; nor may another site that the app's CORS lets in.
        site = request.headers.get("sec-fetch-site", "none")
        if "x-perfkit-command" not in request.headers or not decision.may_act or site not in ("none", "same-origin"):
            return None
        is_draining = request.method == "POST"
        self._answers.drain() if is_draining else self._answers.resume()
        return health.draining(is_draining=is_draining)

    def _metrics(self, request: Request, decision: Decision) -> Response:
        choice = choose(request.headers.get("accept", ""), request.query)
        if isinstance(choice, BadQuery):
            return text(choice.message, status=choice.status)
        names = wanted_names(request.query)
        if isinstance(names, BadQuery):
            return text(names.message, status=names.status)
        body = self._answers.expose(choice.format, names=names, escaping=choice.escaping)
        headers: tuple[tuple[str, str], ...] = (("vary", VARY),)
        if len(body) >= _SMALLEST_GZIP and accepts_gzip(request.headers.get("accept-encoding", "")):
            body, headers = gzipped(body), (*headers, ("content-encoding", "gzip"))
        return reply(body, content_type=choice.content_type, headers=headers)

    def _load(self, request: Request, decision: Decision) -> Response:
        return reply(self._answers.load_report(), content_type="application/json")

    def _slash(self, request: Request, decision: Decision) -> Response:
        """Send the visitor on to the directory; relative, as only the browser may know the prefix of a proxy."""
        rest = without_token(request.query)
        name = quote(request.path.rpartition("/")[2], safe="~")
        return text("", status=308, headers=(("location", f"{name}/{'?' if rest else ''}{rest}"),))

    def _act(self, what: str, given: Given, who: str) -> Done:
        done = self._answers.act(what, given, who)
        self._pages.forget()
        return done

    def _page(self, name: str) -> Answer:
        actions = self._actions

        def answer(request: Request, decision: Decision) -> Response:
            return self._pages.page(request, name, actions.token(request, decision) if actions is not None else "")

        return answer

    def _document(self, name: str) -> Answer:
        return _versioned(lambda request, _: self._pages.document(request, name))

    def _openapi(self, request: Request, decision: Decision) -> Response:
        from perfkit.http.openapi.document import encoded

        return answered(request, self._contract, "openapi", lambda: encoded(self._answers.config), "application/json")

    def _asset(self, request: Request, decision: Decision) -> Response | None:
        found = asset(request.path.rpartition("/")[2])
        if found is None:
            return None
        return reply(found.body, content_type=found.content_type, fixed=True)
