"""The cache: how often it helps, each namespace, and what another size or strategy would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from perfkit.advice.wording import NOTHING, count, percent, seconds, size
from perfkit.cache.shadow.snapshot import ShadowEstimate, ShadowSnapshot
from perfkit.cache.snapshot import CacheSnapshot, NamespaceSnapshot
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Choice, Given, Parameter
from perfkit.dashboard.parts import Columns, cell, empty, section, table
from perfkit.dashboard.sections.components import lookups
from perfkit.dashboard.sections.found import figures, found_card, sort_link
from perfkit.dashboard.timeline.comparison import whole_notice

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import CacheDocument

__all__ = ["CACHE"]

MOST = 50
"""Namespaces of one table."""


_BY: dict[str, Callable[[NamespaceSnapshot], float]] = {
    "lookups": lookups,
    "saved": lambda space: space.saved_seconds,
    "misses": lambda space: space.misses,
    "evictions": lambda space: sum(space.evictions.values()),
}


class Cache(Page[None]):
    """Figures, namespaces, estimates, buttons."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"sort": Choice(tuple(_BY))}

    def content(self, shown: OverviewData, found: None, given: Given) -> Child:
        """Return the figures, the findings, the tables."""
        cache = shown.cache
        if cache is None:
            return empty("The cache was not used yet.")
        bound = f"at most {cache.max_size:,} a worker" if cache.max_size else "no bound on entries"
        memory = f", {size(cache.max_bytes)} a worker" if cache.max_bytes else ""
        loads = f"{count(cache.loads)} loads, {count(cache.load_errors)} failed"
        facts = figures(
            ("Hit ratio", percent(cache.hit_ratio), f"{count(lookups(cache), 'look-up')} since the start"),
            ("Saved", _saved(cache), "loads that hits spared" if cache.loads else "not known: no load was timed"),
            ("Mean load", seconds(cache.load_seconds / cache.loads if cache.loads else None), loads),
            ("Entries", count(cache.entries), bound)
            if cache.bytes is None
            else ("Size", size(cache.bytes), f"{cache.entries:,} entries, {bound}{memory}"),
        )
        return [
            h("h1", {"class": "hidden"}, "Cache"),
            whole_notice(shown),
            facts,
            found_card(shown, given, "cache"),
            _spaces(shown, cache, given),
            _shadow(cache.shadow, cache.strategy) if cache.shadow is not None else None,
        ]

    def document(self, shown: OverviewData, found: None, given: Given) -> CacheDocument:
        """Return the component's snapshot."""
        return {"cache": shown.cache}


def _saved(cache: CacheSnapshot) -> str:
    return seconds(cache.saved_seconds if cache.loads or cache.saved_seconds else None)


def _spaces(shown: OverviewData, cache: CacheSnapshot, given: Given) -> Markup:
    by = _BY[given.text("sort")]
    spaces = sorted(cache.namespaces.items(), key=lambda item: (-by(item[1]), item[0]))
    columns: Columns = [("Namespace", "")]
    for word, title in (
        ("lookups", "Look-ups"),
        ("", "Hit ratio"),
        ("misses", "Misses"),
        ("", "Stale"),
        ("", "Mean load"),
    ):
        columns.append((sort_link(given, word, title) if word else title, "number"))
    columns += [(sort_link(given, "saved", "Saved"), "number"), (sort_link(given, "evictions", "Evictions"), "number")]
    may_act = bool(shown.action_token)
    if may_act:
        columns.append(("", ""))
    rows = [[*_space(name, space), *_clear(shown, given, name, may_act)] for name, space in spaces[:MOST]]
    note = f"{MOST} of {len(spaces)}" if len(spaces) > MOST else f"{cache.strategy}, since the start"
    return section("spaces", "Namespaces", table("Namespaces", columns, rows, "spaces"), note=note)


def _space(name: str, space: NamespaceSnapshot) -> list[Child]:
    evictions = ", ".join(f"{cause} {number:,}" for cause, number in space.evictions.items() if number)
    return [
        h("code", None, name),
        cell(count(lookups(space))),
        cell(percent(space.hit_ratio)),
        cell(count(space.misses)),
        cell(count(space.stale_hits)),
        cell(seconds(space.load_seconds / space.loads if space.loads else None)),
        cell(seconds(space.saved_seconds if space.loads or space.saved_seconds else None)),
        cell(evictions or "0"),
    ]


def _clear(shown: OverviewData, given: Given, name: str, may_act: bool) -> list[Child]:
    if not may_act:
        return []
    return [
        cell(
            action_form(shown, given, "cache-clear", "Clear", says={"namespace": name}, note=f"the namespace {name}"),
            "",
        )
    ]


def _shadow(shadow: ShadowSnapshot, strategy: str) -> Markup:
    sizes = sorted({each for one in (shadow.total, *shadow.namespaces.values()) for each in one.sizes}, key=float)
    strategies = sorted({each for one in (shadow.total, *shadow.namespaces.values()) for each in one.strategies})
    columns: Columns = [("Namespace", ""), ("Now", "number")]
    columns += [(f"{each}× size", "number") for each in sizes]
    columns += [(each, "number") for each in strategies if each != strategy]
    rows = [
        _estimate(name, estimate, sizes, [each for each in strategies if each != strategy])
        for name, estimate in [("all", shadow.total), *sorted(shadow.namespaces.items())][:MOST]
    ]
    said = "Estimated from a sample of the keys that were asked for; a figure in bold gains three points or more."
    return section(
        "shadow",
        "What another cache would do",
        table("Estimated hit ratios", columns, rows),
        h("p", {"class": "footnote"}, said),
        note="hit ratio",
    )


def _estimate(name: str, estimate: ShadowEstimate, sizes: list[str], strategies: list[str]) -> list[Child]:
    def told(ratio: float | None) -> Markup:
        if ratio is None:
            return cell(NOTHING)
        said = percent(ratio)
        return cell(h("strong", None, said) if ratio >= estimate.hit_ratio + 0.03 else said)

    return [
        h("code", None, name),
        cell(percent(estimate.hit_ratio)),
        *(told(estimate.sizes.get(each)) for each in sizes),
        *(told(estimate.strategies.get(each)) for each in strategies),
    ]


CACHE = Cache()
