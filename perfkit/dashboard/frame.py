"""The frame around every page: head, header, navigation, footer."""

from __future__ import annotations

from perfkit.advice.wording import age, count, percent
from perfkit.core.status import Status
from perfkit.dashboard.assets import asset_url
from perfkit.dashboard.data import LIVE_SECONDS, OverviewData
from perfkit.dashboard.html import Child, Markup, document, h, script
from perfkit.dashboard.page import Entry
from perfkit.dashboard.pages import PAGES
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import logo
from perfkit.dashboard.sections.components import used
from perfkit.dashboard.times import stamp

__all__ = ["frame"]

_MODULES = ("chart.js", "keys.js", "live.js", "markup.js")
"""What `app.js` imports, told ahead so that all comes in one go."""

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


def frame(shown: OverviewData, entry: Entry, given: Given, title: str, *content: Child) -> str:
    """Return the whole document of the page *entry*."""
    return document(
        "en",
        _head(shown, title),
        [
            _skip(),
            _header(shown, given),
            _navigation(shown, entry),
            _main(title, [_done(shown), *content]),
            _footer(shown),
        ],
    )


def _head(data: OverviewData, title: str) -> list[Markup]:
    head = [
        h("meta", {"charset": "utf-8"}),
        h("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        h("meta", {"name": "color-scheme", "content": "light dark"}),
        h("title", None, f"{title} · {data.service} · perfkit"),
        h("link", {"rel": "icon", "type": "image/svg+xml", "href": asset_url("favicon.svg")}),
        script(asset_url("theme.js"), is_module=False),
        h("link", {"rel": "stylesheet", "href": asset_url("style.css")}),
        *(h("link", {"rel": "modulepreload", "href": asset_url(name)}) for name in _MODULES),
        script(asset_url("app.js")),
    ]
    if data.live:
        # Where there is script, it does better than to load the whole page again.
        head.append(h("noscript", None, h("meta", {"http-equiv": "refresh", "content": str(data.live)})))
    return head


def _skip() -> Markup:
    return h("a", {"class": "skip", "href": "#content"}, "Skip to the content")


def _header(data: OverviewData, given: Given) -> Markup:
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
        _live(data, given),
    )


def _live(data: OverviewData, given: Given) -> Markup:
    if not data.live:
        href, title = given.link(live=LIVE_SECONDS), f"Load this page again every {LIVE_SECONDS} s"
        return h(
            "a",
            {"class": "live", "href": href, "title": title},
            h("span", {"class": "dot"}),
            h("span", {"class": "word"}, "Live"),
        )
    return h(
        "a",
        {"class": "live on", "href": given.link(), "title": "Stop loading this page again"},
        h("span", {"class": "dot"}),
        h("span", {"class": "word"}, f"Live, every {data.live} s"),
        h("span", {"class": "hidden"}, ": stop"),
    )


def _navigation(data: OverviewData, entry: Entry) -> Markup:
    raw = [
        h("li", None, h("a", {"href": url}, _path(url), h("span", {"class": "arrow", "aria-hidden": "true"}, "↗")))
        for url in (data.health_url, data.metrics_url)
        if url
    ]
    return h(
        "nav",
        {"class": "side", "aria-label": "Pages"},
        h(
            "div",
            {"class": "links"},
            h("ul", {"class": "pages"}, [_link(data, each, entry) for each in PAGES if each.title]),
            h("ul", {"class": "raw"}, raw) if raw else None,
        ),
    )


def _link(data: OverviewData, each: Entry, entry: Entry) -> Markup:
    """Return the line of the navigation that leads to *each*; below the overview stand its own sections."""
    is_here, is_above = each is entry, each.name == entry.below and bool(entry.below)
    current = "page" if is_here else "true" if is_above else None
    line = h(
        "a", {"href": each.url, "aria-current": current, "data-key": each.key or None}, each.title, _badge(data, each)
    )
    return h("li", None, line, _sections(data) if is_here and not each.name else None)


def _badge(data: OverviewData, each: Entry) -> Markup | None:
    """Return how many things want a look on that page: what fires or is not healthy, else the findings."""
    if each.badge == "health":
        ill = sum(check.status in (Status.WARNING, Status.CRITICAL) for check in data.health.checks)
        return _counted(ill, "not healthy", "badge")
    if each.badge == "alerts":
        return _counted(len(data.alerts.active) if data.alerts is not None else 0, "firing", "badge")
    found = data.recommendations
    if each.badge == "findings":
        found = tuple(finding for finding in found if finding.component == each.component)
    return _counted(len(found), "findings", "badge soft") if each.badge else None


def _counted(number: int, word: str, kind: str) -> Markup | None:
    return h("span", {"class": kind}, number, h("span", {"class": "hidden"}, f" {word}")) if number else None


def _sections(data: OverviewData) -> Markup:
    ill = sum(check.status in (Status.WARNING, Status.CRITICAL) for check in data.health.checks)
    badges = {
        "checks": _counted(ill, "not healthy", "badge"),
        "advice": _counted(len(data.recommendations), "findings", "badge soft"),
    }
    links = [
        h("li", None, h("a", {"href": f"#{anchor}"}, name, badges.get(anchor)))
        for anchor, name in _SECTIONS
        if _is_shown(anchor, data)
    ]
    return h("ul", {"class": "group"}, links)


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


def _done(data: OverviewData) -> Markup | None:
    """Return what the visitor's action came to."""
    done = data.done
    if done is None:
        return None
    tone, mark, word = ("fine", "●", "Done. ") if done.is_done else ("", "■", "Not done. ")
    first, _, rest = done.result.partition("\n")
    return h(
        "div",
        {"class": f"notice {tone}".strip(), "role": "status"},
        h("span", {"class": "mark", "aria-hidden": "true"}, mark),
        h("div", None, h("strong", None, word), first, h("pre", {"tabindex": 0}, rest) if rest else None),
    )


def _main(title: str, content: Child) -> Markup:
    """Return the page itself; one without a title in sight has it for who hears the page."""
    made = h("main", {"id": "content", "tabindex": -1}, content)
    if "<h1" in made:
        return made
    return h("main", {"id": "content", "tabindex": -1}, h("h1", {"class": "hidden"}, title), content)


def _footer(data: OverviewData) -> Markup:
    live = len(data.performance.workers)
    is_all = data.is_shared or live <= 1
    whose = f"data from {count(live, 'worker')}" if is_all else "data from this worker alone"
    facts = [f"perfkit {data.version}", *([whose] if "performance" not in data.missing else [])]
    if data.background_share is not None:
        facts.append(f"its threads take {percent(data.background_share)} of a core in this worker")
    return h("footer", {"class": "bottom"}, h("p", None, " · ".join(facts), " · ", stamp(data.at, data.timezone)))
