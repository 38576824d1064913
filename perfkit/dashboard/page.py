"""The frame around every page: head, header, navigation, footer."""

from __future__ import annotations

from perfkit.advice.wording import age, count, percent, seconds
from perfkit.core.status import Status
from perfkit.dashboard.assets import asset_url
from perfkit.dashboard.data import LIVE_SECONDS, OverviewData
from perfkit.dashboard.html import Child, Markup, document, h
from perfkit.dashboard.parts import logo
from perfkit.dashboard.sections.components import used
from perfkit.dashboard.times import stamp

__all__ = ["page"]

_SECTIONS = (
    ("advice", "Advice"),
    ("score", "Score"),
    ("traffic", "Traffic"),
    ("routes", "Routes"),
    ("blocked", "Blocked event loop"),
    ("database", "Database"),
    ("cache", "Cache"),
    ("load_balancer", "Load balancer"),
    ("workers", "Workers"),
    ("checks", "Health checks"),
)


def page(data: OverviewData, title: str, *content: Child) -> str:
    """Return the whole document of one page."""
    return document(
        "en", _head(data, title), [_skip(), _header(data), _navigation(data), _main(content), _footer(data)]
    )


def _head(data: OverviewData, title: str) -> list[Markup]:
    head = [
        h("meta", {"charset": "utf-8"}),
        h("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        h("meta", {"name": "color-scheme", "content": "light dark"}),
        h("title", None, f"{title} · {data.service} · perfkit"),
        h("link", {"rel": "icon", "type": "image/svg+xml", "href": asset_url("favicon.svg")}),
        h("link", {"rel": "stylesheet", "href": asset_url("style.css")}),
    ]
    if data.live:
        head.append(h("meta", {"http-equiv": "refresh", "content": str(data.live)}))
    return head


def _skip() -> Markup:
    return h("a", {"class": "skip", "href": "#content"}, "Skip to the verdict")


def _header(data: OverviewData) -> Markup:
    workers = len(data.performance.workers)
    facts = [count(workers, "worker")] if workers else []
    facts += [f"up {age(data.performance.uptime)}"] if "performance" not in data.missing else []
    if data.release:
        facts.append(f"release {data.release}")
    return h(
        "header",
        {"class": "top"},
        h("a", {"class": "brand", "href": "./"}, logo(), "perfkit"),
        h(
            "p",
            {"class": "where"},
            h("strong", None, data.service),
            h("span", {"class": "slash", "aria-hidden": "true"}, "/"),
            h("span", None, data.environment),
            h("span", {"class": "facts"}, " · ".join(facts)),
        ),
        h("p", {"class": "time"}, stamp(data.at, data.timezone)),
        _live(data),
    )


def _live(data: OverviewData) -> Markup:
    if not data.live:
        href, title = f"?live={LIVE_SECONDS}", f"Load this page again every {LIVE_SECONDS} s"
        return h("a", {"class": "live", "href": href, "title": title}, h("span", {"class": "dot"}), "Live")
    return h(
        "a",
        {"class": "live on", "href": "./", "title": "Stop loading this page again"},
        h("span", {"class": "dot"}),
        f"Live, every {data.live} s",
        h("span", {"class": "hidden"}, ": stop"),
    )


def _navigation(data: OverviewData) -> Markup:
    ill = sum(check.status in (Status.WARNING, Status.CRITICAL) for check in data.health.checks)
    badges = {}
    if ill:
        badges["checks"] = h("span", {"class": "badge"}, ill, h("span", {"class": "hidden"}, " not healthy"))
    if found := len(data.recommendations):
        badges["advice"] = h("span", {"class": "badge soft"}, found, h("span", {"class": "hidden"}, " findings"))
    sections = [
        h("li", None, h("a", {"href": f"#{anchor}"}, name, badges.get(anchor)))
        for anchor, name in _SECTIONS
        if _is_shown(anchor, data)
    ]
    raw = [
        h("li", None, h("a", {"href": url}, _path(url), h("span", {"class": "arrow", "aria-hidden": "true"}, "↗")))
        for url in (data.health_url, data.metrics_url)
        if url
    ]
    overview = h("li", None, h("a", {"href": "./", "aria-current": "page"}, "Overview"))
    return h(
        "nav",
        {"class": "side", "aria-label": "Pages"},
        h(
            "div",
            {"class": "links"},
            h("ul", None, overview, h("li", {"class": "group"}, h("ul", None, sections))),
            h("ul", {"class": "raw"}, raw) if raw else None,
        ),
    )


def _is_shown(anchor: str, data: OverviewData) -> bool:
    """Return True if the page has the section *anchor*: some come with the first request, one with trouble."""
    if anchor == "advice":
        return bool(data.recommendations) or data.score is not None
    if anchor in ("database", "cache", "load_balancer"):
        return anchor in used(data)
    if ("health" if anchor == "checks" else "performance") in data.missing:
        return False
    if not data.performance.total_requests:
        return anchor in ("workers", "checks")
    return anchor != "blocked" or bool(data.performance.blocked)


def _path(url: str) -> str:
    """Say where a relative URL leads: ``/health`` for ``../health``."""
    return "/" + url.replace("../", "")


def _main(content: Child) -> Markup:
    return h("main", {"id": "content", "tabindex": -1}, content)


def _footer(data: OverviewData) -> Markup:
    live = len(data.performance.workers)
    if data.is_shared or live <= 1:
        whose = f"data from {live} of {count(max(live, data.expected_workers or live), 'worker')}"
    else:
        whose = "data from this worker alone"
    facts = [f"perfkit {data.version}", *([whose] if "performance" not in data.missing else [])]
    if data.overhead is not None:
        mean = data.performance.latency.mean
        part = f" ({percent(data.overhead / mean)})" if mean else ""
        facts.append(f"costs {seconds(data.overhead)} a request{part}")
    return h("footer", {"class": "bottom"}, h("p", None, " · ".join(facts), " · ", stamp(data.at, data.timezone)))
