"""The sections of the settings that belong to no component: our own paths, and who may see them."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from perfkit.config.fields import fields_of
from perfkit.core.message import Request
from perfkit.core.settings import HIDDEN, Settings

__all__ = ["EDITORS", "Access", "AccessSettings", "DashboardSettings", "HttpSettings"]

# One or more segments that are not made of dots alone; `\Z` because `$` lets a final newline pass.
PATH = r"^(/(?!\.+(/|\Z))[A-Za-z0-9._~-]+)+\Z"
Path = Annotated[str, Meta(pattern=PATH, max_length=200)]
EXPECTED_PATH = "a path such as {0}, of letters, digits, dots, _ ~ and -, without .. and without a slash at its end"

Token = Annotated[str, Meta(min_length=16, max_length=500, pattern=r"^[!-~]+\Z")]
EXPECTED_TOKEN = "text of 16 to 500 printable ASCII characters without spaces"

Answer = bool | Literal["read", "act"]
Access = Literal["auto", "token", "off"] | Callable[[Request], Answer | Awaitable[Answer]]


class HttpSettings(Settings, frozen=True):
    """The paths that perfkit itself answers (None switches one off), and what it reads of other requests."""

    prefix: Annotated[
        str,
        Meta(
            pattern=rf"^\Z|{PATH}",
            max_length=200,
            description="Stands in front of these paths; empty for none.",
            extra={"expected": EXPECTED_PATH.format("/internal") + ", or an empty text"},
        ),
    ] = ""
    health_path: Annotated[
        Path | None,
        Meta(
            description="Health, with the probes live, ready and startup below it; None switches them off.",
            extra={"expected": EXPECTED_PATH.format("/health") + ", or None"},
        ),
    ] = "/health"
    metrics_path: Annotated[
        Path | None,
        Meta(
            description="Metrics for Prometheus; None switches them off.",
            extra={"expected": EXPECTED_PATH.format("/metrics") + ", or None"},
        ),
    ] = "/metrics"
    load_path: Annotated[
        Path | None,
        Meta(
            description="This service's own load for the probes of load balancers, an ORCA report as JSON, seen by "
            "those who see the metrics; None switches it off.",
            extra={"expected": EXPECTED_PATH.format("/load") + ", or None"},
        ),
    ] = None
    dashboard_path: Annotated[
        Path | None,
        Meta(
            description="The dashboard, with its pages below it; None switches it off.",
            extra={"expected": EXPECTED_PATH.format("/perfkit") + ", or None"},
        ),
    ] = "/perfkit"
    queue_time: Annotated[
        bool,
        Meta(
            description="Measure how long requests waited before the app, where a proxy tells when it got them "
            "(X-Request-Start or X-Queue-Start). Switch it off where clients can send that header themselves."
        ),
    ] = True

    log_probes: Annotated[
        bool,
        Meta(
            description="Leave the good answers to probes and scrapes in the access log of the server. False: only "
            "those that are not 2xx (uvicorn, gunicorn, hypercorn, development servers)."
        ),
    ] = False

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield each pair of paths of which one hides the other."""
        names = ("health_path", "metrics_path", "load_path", "dashboard_path")
        for first, second in itertools.permutations(names, 2):
            outer, inner = getattr(self, first), getattr(self, second)
            if outer is None or inner is None:
                continue
            if inner.startswith(f"{outer}/") or (inner == outer and names.index(first) < names.index(second)):
                yield (
                    (second, first),
                    f"{{0}} is {inner!r}, which {{1}} ({outer!r}) already answers. No path may be equal to another or "
                    "lie below it. Give one of the two a path of its own.",
                )


EDITORS = {
    **{
        name: f"{name}://file{{path}}:{{line}}"
        for name in ("vscode", "vscode-insiders", "vscodium", "cursor", "windsurf", "zed")
    },
    **{name: f"{name}://open?file={{path}}&line={{line}}" for name in ("pycharm", "idea")},
    "sublime": "subl://open?url=file://{path}&line={line}",
    "textmate": "txmt://open?url=file://{path}&line={line}",
}
"""The editors that are known by name, and the URL that opens a line in each."""

_SCHEMES = sorted({template.partition(":")[0] for template in EDITORS.values()})
_TEMPLATE = rf"(?:{'|'.join(_SCHEMES)})://[!-~]*\{{path\}}[!-~]*"


class DashboardSettings(Settings, frozen=True):
    """What the pages of the dashboard can do."""

    editor: Annotated[
        str,
        Meta(
            pattern=rf"^(?:auto|off|{'|'.join(EDITORS)}|{_TEMPLATE})\Z",
            max_length=300,
            description="What opens a line of your code from the pages, in development only. auto: the editor in whose "
            "terminal the server runs; off: none; or a name, or a URL with {path} and {line} of one of their schemes.",
            extra={"expected": f"auto, off, {', '.join(EDITORS)}, or a URL such as vscode://file{{path}}:{{line}}"},
        ),
    ] = "auto"
    path_map: Annotated[
        dict[str, str],
        Meta(
            max_length=20,
            description="Beginnings of paths where the app runs, and what they are on the machine of the editor, "
            "such as /app in a container.",
        ),
    ] = field(default_factory=dict)


class AccessSettings(Settings, frozen=True):
    """Who may see what reveals internals. Whoever may not gets the app's own 404."""

    access: Annotated[
        Access,
        Meta(
            description="Who sees dashboard and health details. auto: whoever brings the token, and in "
            "development this very machine; token: only who brings the token; off: nobody; a function of the "
            "request (perfkit.core.message.Request): whoever it answers True for; 'read' lets in who may not act."
        ),
    ] = "auto"
    metrics_access: Annotated[
        Access | None,
        Meta(description="Who sees the metrics and the load, in the words of access; None: the same as access."),
    ] = None
    token: Annotated[
        Token | None,
        Meta(
            description="The secret that opens; None: one is made at start and printed if the server runs on a "
            "terminal. Give it as PERFKIT_TOKEN, not in code.",
            extra={"secret": True, "expected": EXPECTED_TOKEN},
        ),
    ] = None
    metrics_token: Annotated[
        Token | None,
        Meta(
            description="A secret that opens the metrics and the load only, for scrapers and probes; None: the token "
            "opens them.",
            extra={"secret": True, "expected": EXPECTED_TOKEN},
        ),
    ] = None
    actions: Annotated[
        bool | None,
        Meta(description="Let the dashboard's buttons change things; None: in every environment but production."),
    ] = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return name and value of each field without the secrets: a config is logged and shown in tracebacks."""
        values = ((field, getattr(self, field.name)) for field in fields_of(AccessSettings))
        return [(field.name, HIDDEN if field.is_secret and value is not None else value) for field, value in values]

    def __repr__(self) -> str:
        """Return the fields without the secrets."""
        return f"AccessSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
