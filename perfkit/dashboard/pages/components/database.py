"""What the service asks of its databases: the shapes of statements, and one of them by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

import msgspec

from perfkit.advice.wording import NOTHING, age, count, percent, seconds
from perfkit.core.families import Histogram
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.editor import Editor
from perfkit.dashboard.html import Attributes, Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Choice, Given, Parameter, Text
from perfkit.dashboard.parts import Columns, breakable, cell, empty, section, site_code, state, table
from perfkit.dashboard.sections.found import figures, found_card, sort_link
from perfkit.dashboard.timeline.comparison import whole_notice
from perfkit.database.pool.metrics import CONNECTIONS, HELD, PENDING, WAITED
from perfkit.database.report.statistics import SlowQuery
from perfkit.store.quantiles import quantile

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import DatabaseDocument, QueryDocument
    from perfkit.system import PerformanceSystem

__all__ = ["DATABASE", "QUERY", "PoolRow", "PoolsFound", "QueryFound"]

MOST = 50
"""Shapes of one table."""

LONGEST = 240
"""Characters of a statement in a table."""

LONGEST_TEXT = 8_000
"""Characters of a statement on its own page."""

_BY: dict[str, Callable[[SlowQuery], float]] = {
    "total": lambda query: query.total,
    "calls": lambda query: query.calls,
    "mean": lambda query: query.mean,
    "p95": lambda query: query.p95,
    "slow": lambda query: query.slow,
    "errors": lambda query: query.errors,
}


class PoolRow(msgspec.Struct, frozen=True, kw_only=True):
    """One pool of connections, all live workers together.

    Attributes:
        used, idle: Connections.
        waiting: Callers that wait for one now.
        wait_p95, held_p95: Seconds since the start; None before the first.
    """

    name: str
    used: int = 0
    idle: int = 0
    waiting: int = 0
    wait_p95: float | None = None
    held_p95: float | None = None


class PoolsFound(msgspec.Struct, frozen=True, kw_only=True):
    """The shapes and the pools."""

    queries: tuple[SlowQuery, ...] = ()
    pools: tuple[PoolRow, ...] = ()


class Database(Page[PoolsFound]):
    """All shapes, sorted as the query says; pools; what captures, and how the look at the indexes went."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"sort": Choice(tuple(_BY)), "q": Text(100)}

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> PoolsFound:
        """Return the shapes that the view shows, and the pools."""
        wanted, by = given.text("q").lower(), _BY[given.text("sort")]
        kept = [each for each in system.database.get_queries() if wanted in each.sql.lower()]
        return PoolsFound(queries=tuple(sorted(kept, key=by, reverse=True)[:MOST]), pools=_pools(system))

    def content(self, shown: OverviewData, found: PoolsFound | None, given: Given) -> Child:
        """Return the figures, the findings, the tables."""
        database = shown.database
        if database is None:
            return empty("No statement was seen yet.")
        found = found or PoolsFound(queries=database.top)
        facts = figures(
            ("Statements", count(database.statements), "since the start, all workers"),
            ("Time in databases", seconds(database.seconds), _share(database.top)),
            ("Slow", count(database.slow), "took slow_query_threshold or longer"),
            ("Failed", count(database.errors), percent(database.errors / max(1, database.statements))),
        )
        return [
            h("h1", {"class": "hidden"}, "Database"),
            whole_notice(shown),
            facts,
            found_card(shown, given, "database"),
            _shapes(found.queries, shown, given),
            _pool_card(found.pools) if found.pools else None,
            _state(shown),
        ]

    def document(self, shown: OverviewData, found: PoolsFound | None, given: Given) -> DatabaseDocument:
        """Return the same shapes and pools, and the component's snapshot."""
        found = found or PoolsFound()
        return {"database": shown.database, "queries": found.queries, "pools": found.pools}


def _share(top: Sequence[SlowQuery]) -> str:
    shares = [query.share for query in top if query.share is not None]
    return f"{percent(min(1.0, sum(shares)))} of all request time" if shares else "of all workers together"


def _shapes(queries: Sequence[SlowQuery], shown: OverviewData, given: Given) -> Markup:
    columns: Columns = [
        ("Statement", ""),
        (sort_link(given, "calls", "Calls"), "number"),
        (sort_link(given, "total", "Total"), "number"),
        (sort_link(given, "mean", "Mean"), "number"),
        (sort_link(given, "p95", "p95"), "number"),
        (sort_link(given, "slow", "Slow"), "number"),
        (sort_link(given, "errors", "Failed"), "number"),
        ("Share", "number"),
        ("From", ""),
        ("Finding", ""),
    ]
    box: Attributes = {
        "type": "search",
        "name": "q",
        "value": given.text("q"),
        "maxlength": 100,
        "placeholder": "Part of a statement",
        "aria-label": "Part of a statement",
    }
    kept = h("input", {"type": "hidden", "name": "sort", "value": given.text("sort")})
    form = h(
        "form",
        {"class": "filter", "role": "search", "action": "./database"},
        kept,
        h("input", box),
        h("button", None, "Filter"),
    )
    body: Child = table("Statements", columns, [_row(query, shown) for query in queries], "queries")
    if not queries:
        body = empty(
            f"No statement has {given.text('q')!r} in it." if given.text("q") else "No statement was sent yet."
        )
    note = f"the first {MOST}, since the start; values are left out" if len(queries) == MOST else "since the start"
    return section("queries", "Statements by shape", form, body, note=note)


def _row(query: SlowQuery, shown: OverviewData) -> list[Child]:
    text = query.sql if len(query.sql) <= LONGEST else f"{query.sql[: LONGEST - 1]}…"
    caller = query.callers[0].site if query.callers else ""
    codes = dict.fromkeys(each.code for each in shown.recommendations if each.evidence.get("shape") == query.id)
    return [
        h("a", {"href": f"./query?{urlencode({'id': query.id})}"}, h("code", None, text)),
        cell(count(query.calls)),
        cell(seconds(query.total)),
        cell(seconds(query.mean)),
        cell(seconds(query.p95)),
        cell(count(query.slow)),
        cell(count(query.errors)),
        cell(percent(query.share)),
        cell(site_code(caller, shown.editor) if caller else NOTHING, "from"),
        cell([h("span", {"class": "tag"}, code) for code in list(codes)[:3]], ""),
    ]


def _pools(system: PerformanceSystem) -> tuple[PoolRow, ...]:
    families = {
        each.definition.name: each
        for each in system.store.families({CONNECTIONS.name, PENDING.name, WAITED.name, HELD.name})
    }
    rows: dict[str, dict[str, Any]] = {}
    for name, field in (
        (CONNECTIONS.name, ""),
        (PENDING.name, "waiting"),
        (WAITED.name, "wait_p95"),
        (HELD.name, "held_p95"),
    ):
        for point in families[name].points if name in families else ():
            row = rows.setdefault(point.labels[0], {})
            if isinstance(point.value, Histogram):
                row[field] = quantile(point.value.boundaries, point.value.counts, 0.95) if point.value.count else None
            elif isinstance(point.value, int | float):
                row[field or point.labels[1]] = int(point.value)
    known = PoolRow.__struct_fields__
    return tuple(
        PoolRow(name=name, **{field: value for field, value in row.items() if field in known})
        for name, row in sorted(rows.items())
    )


def _pool_card(pools: Sequence[PoolRow]) -> Markup:
    columns: Columns = [
        ("Pool", ""),
        ("In use", "number"),
        ("Idle", "number"),
        ("Waiting", "number"),
        ("Wait p95", "number"),
        ("Held p95", "number"),
    ]
    rows = [
        [
            h("code", None, breakable(pool.name)),
            cell(count(pool.used)),
            cell(count(pool.idle)),
            cell(count(pool.waiting)),
            cell(seconds(pool.wait_p95)),
            cell(seconds(pool.held_p95)),
        ]
        for pool in pools
    ]
    return section("pools", "Connection pools", table("Connection pools", columns, rows), note="all live workers")


def _state(shown: OverviewData) -> Markup | None:
    database = shown.database
    assert database is not None
    rows: list[list[Child]] = [
        [
            each.name,
            cell(state("ok" if each.is_active else "bad", "captured" if each.is_active else "not captured"), ""),
            cell(each.reason or NOTHING, "text"),
        ]
        for each in database.captures
    ]
    indexes = database.indexes
    parts: list[Child] = []
    if rows:
        parts.append(table("Captured libraries", [("Library", ""), ("State", ""), ("Says", "text")], rows))
    else:
        parts.append(empty("No database library is hooked into in this worker: none was imported yet."))
    if indexes.at:
        said = f"Indexes were looked at {age(shown.at - indexes.at)} ago: {count(indexes.statements, 'statement')}"
        said += f", {indexes.open:,} {'index' if indexes.open == 1 else 'indexes'} advised"
        parts.append(
            h("p", {"class": "footnote"}, said + (f", by {indexes.verified_by}." if indexes.verified_by else "."))
        )
    if indexes.reason:
        parts.append(h("p", {"class": "footnote"}, f"No advice on indexes: {indexes.reason}."))
    return section("captures", "What is captured", parts, note="in this worker")


class QueryFound(msgspec.Struct, frozen=True):
    """One shape, if there is such a one."""

    query: SlowQuery | None = None


class Query(Page[QueryFound]):
    """One shape: its text, its numbers, who sends it, what was found, its plan on demand."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"id": Text(100)}

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> QueryFound:
        """Return the shape that the query names."""
        wanted = given.text("id")
        return QueryFound(next((each for each in system.database.get_queries() if each.id == wanted), None))

    def title(self, shown: OverviewData, found: QueryFound | None, given: Given) -> str:
        """Return the statement in short."""
        return found.query.summary[:80] if found is not None and found.query is not None else "Statement"

    def content(self, shown: OverviewData, found: QueryFound | None, given: Given) -> Child:
        """Return all that is known of it."""
        query = None if found is None else found.query
        if query is None:
            back = h("a", {"class": "more", "href": "./database"}, "All statements")
            return section("query", "Statement", empty("No statement has this id, or its numbers are gone."), back)
        facts = figures(
            ("Calls", count(query.calls), f"{count(query.errors)} failed, {count(query.slow)} slow"),
            ("Mean", seconds(query.mean), f"p95 {seconds(query.p95)}"),
            ("Total", seconds(query.total), f"{percent(query.share)} of all request time"),
            ("Rows a call", NOTHING if query.rows is None else f"{query.rows:,.1f}", "in the mean"),
        )
        plan = action_form(shown, given, "database-explain", "Show the plan", says={"shape": query.id})
        code = h("pre", {"tabindex": 0, "aria-label": "Statement"}, h("code", None, query.sql[:LONGEST_TEXT]))
        text = h("div", {"class": "fix"}, h("span", {"class": "note"}, query.system), code)
        note = "the plan is asked for read-only; the statement is never run" if plan is not None else None
        return [
            h("h1", {"class": "hidden"}, query.summary[:LONGEST]),
            section("query", query.summary[:LONGEST] or "Statement", text, plan, note=note),
            facts,
            found_card(shown, given, "database", is_about=(query.id,)),
            _callers(query, shown.editor),
            _routes(query),
        ]

    def document(self, shown: OverviewData, found: QueryFound | None, given: Given) -> QueryDocument:
        """Return the same."""
        query = None if found is None else found.query
        about = [each for each in shown.recommendations if query is not None and each.evidence.get("shape") == query.id]
        return {"query": query, "findings": about}


def _callers(query: SlowQuery, editor: Editor | None) -> Markup:
    columns: Columns = [("Line", ""), ("Function", ""), ("Seen", "number")]
    rows: list[list[Child]] = [
        [site_code(each.site, editor), cell(h("code", None, each.function), ""), cell(count(each.count))]
        for each in query.callers
    ]
    body = (
        table("Lines that send it", columns, rows) if rows else empty("No line of your own code was seen sending it.")
    )
    return section("callers", "Who sends it", body, note="looked at where it pays: first, slow and repeated ones")


def _routes(query: SlowQuery) -> Markup | None:
    if not query.routes:
        return None
    columns: Columns = [
        ("Route", ""),
        ("Requests", "number"),
        ("Statements", "number"),
        ("Time", "number"),
        ("Of the route", "number"),
    ]
    rows: list[list[Child]] = [
        [
            h(
                "a",
                {"href": f"./route?{urlencode({'r': each.route}, errors='replace')}"},
                h("code", None, breakable(each.route)),
            ),
            cell(count(each.requests)),
            cell(count(each.statements)),
            cell(seconds(each.seconds)),
            cell(percent(each.share)),
        ]
        for each in query.routes
    ]
    return section("routes", "Where it is sent from", table("Routes that send it", columns, rows))


DATABASE, QUERY = Database(), Query()
