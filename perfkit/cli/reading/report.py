"""`perfkit report [URL] -o report.html`: what a service knows, in one file that needs nothing else.

It is the dashboard's own page, made here from the service's JSON, with its style inside and all that could ask for
something taken out: scripts, links to other files, addresses that only the running service has. A content security
policy in the file itself keeps it so in every browser.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from perfkit.cli.arguments import add_service

if TYPE_CHECKING:
    from perfkit.cli.reading.document import Overview
    from perfkit.dashboard import OverviewData

__all__ = ["add_arguments", "page", "run", "self_contained"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
DROPPED = frozenset({"script", "iframe", "object", "embed", "base", "template", "form", "button"})
HIDES = "nav li:empty { display: none; }"
VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "base"})
ADDRESSES = frozenset({"src", "srcset", "action", "formaction", "poster", "data", "ping", "background", "xlink:href"})


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit report` to *command*."""
    add_service(command)
    add = command.add_argument
    add("-o", "--output", metavar="FILE", default="-", help="the file to write; stdout by default")
    add("--from", dest="source", metavar="FILE", help="make it of what perfkit export wrote, and ask no service")


def run(options: argparse.Namespace) -> int:
    """Write the report.

    Raises:
        ServiceError, NotAllowedError: The service cannot be asked.
        PerfkitError: A file cannot be read or written.
    """
    from perfkit.cli.console import say
    from perfkit.cli.reading.document import decoded, of_file
    from perfkit.cli.reading.service import Service
    from perfkit.cli.written import written

    if options.source is not None:
        overview = of_file(options.source)
    else:
        service = Service.of(options)
        overview = decoded(service.overview(), service.name)
    body = page(overview).encode("utf-8", "replace")
    if options.output == "-":
        sys.stdout.buffer.write(body)
        return 0
    written(options.output, body)
    say(f"perfkit: {options.output} holds {overview.service} as of {datetime.fromtimestamp(overview.at):%F %T}.")
    return 0


def page(overview: Overview) -> str:
    """Return the report as a whole HTML document."""
    from perfkit.cli.reading.service import ServiceError
    from perfkit.dashboard import asset, asset_names
    from perfkit.dashboard import overview as rendered

    sheets = [found for name in asset_names() if name.endswith(".css") and (found := asset(name)) is not None]
    style = "\n".join(sheet.body.decode() for sheet in sheets)
    try:
        document = rendered(_data(overview))
    except (ArithmeticError, OSError, ValueError) as error:  # so do times say that no calendar holds them
        raise ServiceError(
            f"The service tells numbers that no page can show ({error}). They must be those of a perfkit. "
            "Look at the address or the file."
        ) from None
    return self_contained(document, style)


def _data(overview: Overview) -> OverviewData:
    import msgspec

    from perfkit.alerts.snapshot import AlertsSnapshot
    from perfkit.cache.snapshot import CacheSnapshot
    from perfkit.cli.reading.service import ServiceError
    from perfkit.dashboard import OverviewData
    from perfkit.database.snapshot import DatabaseSnapshot
    from perfkit.http.dashboard.absent import NO_HEALTH, NO_PERFORMANCE
    from perfkit.load_balancer.snapshot import LoadBalancerSnapshot

    def converted(value: Any, kind: Any) -> Any:
        try:
            return None if value is None else msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise ServiceError(
                f"The service says what this command does not know ({error}). Both must be of one release. "
                "Use the perfkit command of the service's own perfkit."
            ) from None

    return OverviewData(
        service=overview.service,
        environment=overview.environment,
        release=overview.release or "",
        version=overview.perfkit,
        verdict=overview.verdict,
        score=overview.score,
        outlook=overview.outlook,
        recommendations=overview.recommendations,
        fixed=overview.fixed,
        snoozed=overview.snoozed,
        releases=overview.releases,
        performance=overview.performance or NO_PERFORMANCE,
        health=overview.health or NO_HEALTH,
        cache=converted(overview.cache, CacheSnapshot),
        database=converted(overview.database, DatabaseSnapshot),
        load_balancer=converted(overview.load_balancer, LoadBalancerSnapshot),
        alerts=converted(overview.alerts, AlertsSnapshot),
        off=overview.off,
        asleep=overview.asleep,
        missing=tuple(word for word in ("performance", "health") if getattr(overview, word) is None),
        targets=overview.targets,
        at=overview.at,
        timezone=datetime.now().astimezone().tzinfo or UTC,
        is_shared=overview.is_shared,
        degraded=overview.degraded,
        home_url="",
        health_url="",
        metrics_url="",
    )


def self_contained(document: str, style: str) -> str:
    """Return *document* with *style* inside and without everything that would ask for another file or run."""
    whole = _SelfContained(style)
    whole.feed(document)
    whole.close()
    return "".join(whole.parts)


class _SelfContained(HTMLParser):
    """Writes a document again without its links, scripts and addresses."""

    def __init__(self, style: str) -> None:
        """Put *style* at the end of the head; it is ours, and ends no element."""
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._style = style.replace("</", "<\\/") + HIDES
        self._dropping, self._in_navigation, self._is_link_dropped = 0, False, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED:
            self._dropping += tag not in VOID
            return
        named = dict(attrs)
        self._in_navigation |= tag == "nav"
        if tag == "a" and not self._dropping and self._leads_nowhere(named):
            self._is_link_dropped = True
            self._dropping += 1
        if self._dropping or tag == "link" or (tag == "meta" and "http-equiv" in named):
            return
        kept = [(name, value) for name, value in attrs if _is_kept(tag, name, value)]
        written = "".join(f" {name}" if value is None else f' {name}="{escape(value)}"' for name, value in kept)
        self.parts.append(f"<{tag}{written}>")
        if tag == "head":
            self.parts.append(f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">')

    def handle_endtag(self, tag: str) -> None:
        if tag in DROPPED:
            self._dropping = max(0, self._dropping - (tag not in VOID))
            return
        self._in_navigation &= tag != "nav"
        if tag == "a" and self._is_link_dropped:
            self._is_link_dropped = False
            self._dropping -= 1
            return
        if self._dropping or tag in VOID:
            return
        if tag == "head":
            self.parts.append(f"<style>{self._style}</style>")
        self.parts.append(f"</{tag}>")

    def _leads_nowhere(self, named: dict[str, str | None]) -> bool:
        """Return True for a link whose words make no sense in a file: nothing here is live, nor another page."""
        if "live" in (named.get("class") or "").split():
            return True
        return self._in_navigation and "aria-current" not in named and not (named.get("href") or "").startswith("#")

    def handle_data(self, data: str) -> None:
        if not self._dropping:
            self.parts.append(escape(data, quote=False))

    def handle_decl(self, decl: str) -> None:
        self.parts.append(f"<!{decl}>\n")


def _is_kept(tag: str, name: str, value: str | None) -> bool:
    """Return True for an attribute that neither runs nor asks for anything."""
    if name.startswith("on") or name in ADDRESSES or name in ("style", "srcdoc"):
        return False
    return name != "href" or (value or "").startswith("#")
