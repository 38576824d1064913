"""THE table of pages: one line each, in the order of the navigation. A page is a module here and a line below.

Every page lies exactly one level below the mount and links relatively, so it works below any prefix; ids stand in the
query. Its JSON lies beside it, at ``api/<name>``.
"""

from __future__ import annotations

from perfkit.dashboard.page import Entry

__all__ = ["PAGES", "page_entry"]

PAGES = (
    Entry(name="", title="Overview", key="o", made_by="overview:OVERVIEW"),
    Entry(name="routes", title="Routes", key="r", component="performance", made_by="routes:ROUTES"),
    Entry(name="route", below="routes", component="performance", made_by="route:ROUTE"),
    Entry(
        name="requests",
        title="Requests",
        key="q",
        component="recorder",
        made_by="requests:REQUESTS",
        has_document=False,
    ),
    Entry(name="request", below="requests", component="recorder", made_by="request:REQUEST", has_document=False),
    Entry(
        name="database",
        title="Database",
        key="d",
        component="database",
        made_by="components.database:DATABASE",
        badge="findings",
    ),
    Entry(name="query", below="database", component="database", made_by="components.database:QUERY"),
    Entry(name="cache", title="Cache", key="c", component="cache", made_by="components.cache:CACHE", badge="findings"),
    Entry(
        name="upstreams",
        title="Upstreams",
        key="u",
        component="load_balancer",
        made_by="components.upstreams:UPSTREAMS",
        badge="findings",
    ),
    Entry(
        name="runtime",
        title="Runtime",
        key="t",
        component="performance",
        made_by="components.runtime:RUNTIME",
        badge="findings",
    ),
    Entry(
        name="health", title="Health", key="h", component="health", made_by="components.health:HEALTH", badge="health"
    ),
    Entry(
        name="alerts", title="Alerts", key="a", component="alerts", made_by="components.alerts:ALERTS", badge="alerts"
    ),
    Entry(name="advice", title="Advice", key="v", made_by="advice:ADVICE", badge="advice"),
    Entry(name="code", below="advice", made_by="codes.code:CODE"),
    Entry(name="actions", title="Actions", key="x", made_by="service.actions:ACTIONS"),
    Entry(name="settings", title="Settings", key="s", made_by="service.settings:SETTINGS"),
)
"""All pages."""

_BY_NAME = {entry.name: entry for entry in PAGES}


def page_entry(name: str) -> Entry:
    """Return the page called *name*.

    Raises:
        KeyError: There is none.
    """
    return _BY_NAME[name]
