"""Cache, database and load balancer in short; each only where it is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.advice.wording import NOTHING, count, percent, seconds, size
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import breakable, cell, section, state, table

if TYPE_CHECKING:
    from perfkit.cache.snapshot import CacheSnapshot, NamespaceSnapshot
    from perfkit.database.report.statistics import SlowQuery
    from perfkit.database.snapshot import DatabaseSnapshot
    from perfkit.load_balancer.snapshot import LoadBalancerSnapshot, ServerSnapshot

__all__ = ["TONES", "component_sections", "lookups", "server_row", "used"]

MOST_ROWS = 5
"""Rows of one table; the others are counted."""

LONGEST = 200
"""Characters of a statement."""

TONES = {
    "unhealthy": "bad",
    "ejected": "bad",
    "probation": "warn",
    "warming": "warn",
    "healthy": "ok",
    "draining": "unknown",
    "removed": "unknown",
}
"""The states of a server, those first that want a look, and their colours."""


def used(data: OverviewData) -> tuple[str, ...]:
    """Return which of the three components are in use, in the order of the page."""
    database, cache, balancer = data.database, data.cache, data.load_balancer
    is_used = {
        "database": database is not None and database.statements > 0,
        "cache": cache is not None and lookups(cache) > 0,
        "load_balancer": balancer is not None and bool(balancer.servers),
    }
    return tuple(word for word, so in is_used.items() if so)


def component_sections(data: OverviewData) -> list[Child]:
    """Return one card for each component in use."""
    words, cards = used(data), list[Child]()
    if data.database is not None and "database" in words:
        cards.append(_database(data.database))
    if data.cache is not None and "cache" in words:
        cards.append(_cache(data.cache))
    if data.load_balancer is not None and "load_balancer" in words:
        cards.append(_load_balancer(data.load_balancer))
    return cards


def _database(database: DatabaseSnapshot) -> Markup:
    columns = [
        ("Statement", ""),
        ("Calls", "number"),
        ("Total", "number"),
        ("Mean", "number"),
        ("p95", "number"),
        ("Slow", "number"),
        ("From", ""),
    ]
    note = (
        f"{count(database.statements, 'statement')}, {seconds(database.seconds)} in all, {database.slow:,} slow, "
        f"{database.errors:,} failed; since the start"
    )
    rows = [_query(query) for query in database.top[:MOST_ROWS]]
    body = [table("Database", columns, rows, "queries"), _more(len(database.top) - MOST_ROWS, "more shape")]
    return section("database", "Database: what takes most time", *body, note=note)


def _query(query: SlowQuery) -> list[Child]:
    text = query.sql if len(query.sql) <= LONGEST else query.sql[: LONGEST - 1] + "…"
    caller = query.callers[0].site if query.callers else ""
    return [
        h("code", None, text),
        cell(count(query.calls)),
        cell(seconds(query.total)),
        cell(seconds(query.mean)),
        cell(seconds(query.p95)),
        cell(count(query.slow)),
        cell(h("code", None, breakable(caller)) if caller else NOTHING, ""),
    ]


def _cache(cache: CacheSnapshot) -> Markup:
    columns = [
        ("Namespace", ""),
        ("Look-ups", "number"),
        ("Hit ratio", "number"),
        ("Loads", "number"),
        ("Mean load", "number"),
        ("Saved", "number"),
        ("Evictions", "number"),
    ]
    facts = [f"hit ratio {percent(cache.hit_ratio)}", f"{cache.entries:,} entries"]
    if cache.bytes is not None:
        facts.append(size(cache.bytes) + (f" of {size(cache.max_bytes)} a worker" if cache.max_bytes else ""))
    facts += [cache.strategy, "since the start"]
    spaces = sorted(cache.namespaces.items(), key=lambda item: (-lookups(item[1]), item[0]))
    rows = [_namespace(name, space) for name, space in spaces[:MOST_ROWS]]
    body = [table("Cache", columns, rows, "spaces"), _more(len(spaces) - MOST_ROWS, "more namespace")]
    return section("cache", "Cache", *body, note=" · ".join(facts))


def _namespace(name: str, space: NamespaceSnapshot) -> list[Child]:
    return [
        h("code", None, name),
        cell(count(lookups(space))),
        cell(percent(space.hit_ratio)),
        cell(count(space.loads)),
        cell(seconds(space.load_seconds / space.loads if space.loads else None)),
        cell(seconds(space.saved_seconds if space.loads or space.saved_seconds else None)),
        cell(count(sum(space.evictions.values()))),
    ]


def _load_balancer(balancer: LoadBalancerSnapshot) -> Markup:
    columns = [
        ("Server", ""),
        ("State", ""),
        ("Requests", "number"),
        ("In flight", "number"),
        ("Latency", "number"),
        ("Failed", "number"),
    ]
    facts = [balancer.strategy, f"{balancer.healthy} of {count(len(balancer.servers), 'server')} well"]
    facts += [f"retries {balancer.retries:,}"] if balancer.retries else []
    order = list(TONES)
    servers = sorted(balancer.servers.values(), key=lambda server: (order.index(server.state), server.name))
    rows = [server_row(server) for server in servers[:MOST_ROWS]]
    body = [table("Servers", columns, rows, "servers"), _more(len(servers) - MOST_ROWS, "more server")]
    return section("load_balancer", "Load balancer", *body, note=" · ".join(facts))


def server_row(server: ServerSnapshot) -> list[Child]:
    """Return the cells of one server."""
    address = None if server.address == server.name else h("span", {"class": "note"}, f" {server.address}")
    return [
        h("span", None, h("code", None, server.name), address),
        cell(state(TONES[server.state], str(server.state)), ""),
        cell(count(server.picks)),
        cell(count(server.in_flight)),
        cell(seconds(server.latency)),
        cell(percent(server.error_share)),
    ]


def lookups(space: NamespaceSnapshot) -> int:
    """Return how often *space* was asked for a value."""
    return space.hits + space.misses + space.stale_hits + space.remote_hits


def _more(number: int, noun: str) -> Markup | None:
    return h("p", {"class": "footnote"}, f"and {count(number, noun)}") if number > 0 else None
