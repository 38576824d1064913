"""Who may be picked now: an immutable view, made anew when something changes and read without a lock.

Levels are tried in order: lower priority first, one's own zone before the others. A level takes the part of the traffic
that its healthy servers can bear, overprovisioned by 1.4, and the next level the rest, so that traffic spills over in
proportion and never all at once. Source: Envoy, "Priority levels" and "Panic threshold". Deviation: in panic Envoy
forgets health altogether. Here the healthy servers keep what they can bear, less than twice their share, and only what
is above that goes to those believed to be sick. For this one question a server whose last answer was a failure counts
as sick even if it is not ejected: strategies that avoid failures would otherwise send everything to the few left.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Sequence

from perfkit.core.errors import NoServerAvailable
from perfkit.load_balancer.servers import Server

__all__ = ["OVERPROVISION", "PANIC_LOAD", "Fleet", "Group", "Pick", "assemble", "shares"]

Pick = Callable[[float, Hashable | None], Server]
"""Chooses a server at the given monotonic seconds for the given key, or None."""

OVERPROVISION = 1.4
"""A level of which 72 % are healthy still takes all of its traffic."""

PANIC_LOAD = 1.6
"""The most that a healthy server gets in panic, as a multiple of its share of the whole fleet."""


class Group:
    """Servers among which a strategy chooses.

    Attributes:
        servers: At least one.
        weights: Their weights; with slow start where the strategy heeds that.
        is_even: True if all weights are the same.
        rng: Chance.
    """

    __slots__ = ("is_even", "rng", "servers", "weights")

    def __init__(self, servers: Sequence[Server], rng: random.Random, *, slowly: bool = False) -> None:
        """Take *servers* with the weights that they have now; *slowly*: less for those that are starting."""
        self.servers = tuple(servers)
        self.weights = tuple(
            max(1e-9, server.weight * server.admission) if slowly else server.weight for server in self.servers
        )
        self.is_even = min(self.weights) == max(self.weights)
        self.rng = rng


class Fleet:
    """The servers that may be picked now, and how.

    Attributes:
        pick: Chooses one; raises `NoServerAvailable` where there is none.
        servers: Those believed to be well; in panic all that are there.
        due: Monotonic seconds at which it must be made anew, as a time-out ends.
        levels: Shares of the traffic and their groups.
        is_panicking: True while too few are healthy.
    """

    __slots__ = ("due", "is_panicking", "is_warming", "levels", "pick", "servers")

    def __init__(
        self,
        levels: Sequence[tuple[float, Group]],
        prepare: Callable[[Group], Pick],
        *,
        due: float,
        is_panicking: bool,
        is_warming: bool,
        readmits: bool,
        rng: random.Random,
    ) -> None:
        """Let *prepare* make a picker of each group; *readmits* if pickers know nothing of slow start."""
        self.levels = tuple(levels)
        self.servers = tuple(server for _, group in levels for server in group.servers)
        self.due, self.is_panicking, self.is_warming = due, is_panicking, is_warming
        picks = [(share, prepare(group)) for share, group in levels]
        choose = _nobody if not picks else picks[0][1] if len(picks) == 1 else _among(picks, rng)
        self.pick: Pick = _admitting(choose, rng) if is_warming and readmits and picks else choose


def _nobody(now: float, key: Hashable | None) -> Server:
    raise NoServerAvailable(
        "No server is available. The balancer knows none, or all of them are draining. "
        "Add a server, or restore one that was drained."
    )


def _among(picks: Sequence[tuple[float, Pick]], rng: random.Random) -> Pick:
    bounds, total = [], 0.0
    for share, choice in picks:
        total += share
        bounds.append((total, choice))
    last, chance = picks[-1][1], rng.random

    def pick(now: float, key: Hashable | None) -> Server:
        drawn = chance() * total
        for bound, choose in bounds:
            if drawn < bound:
                return choose(now, key)
        return last(now, key)

    return pick


def _admitting(pick: Pick, rng: random.Random) -> Pick:
    """Return *pick* that lets a starting server through as often as its slow start allows."""
    chance = rng.random

    def admit(now: float, key: Hashable | None) -> Server:
        server = pick(now, key)
        for _ in range(3):
            if server.admission >= 1.0 or chance() < server.admission:
                return server
            server = pick(now, key)
        return server

    return admit


def assemble(
    servers: Sequence[Server],
    prepare: Callable[[Group], Pick],
    *,
    zone: str,
    panic_threshold: float,
    due: float,
    readmits: bool,
    rng: random.Random,
) -> Fleet:
    """Return the fleet of *servers* in the state in which they are."""
    there = [server for server in servers if not server.is_draining and not server.is_removed]
    well = [server for server in there if server.is_eligible]
    trusted = [server for server in well if not server.streak]
    share = _weight(trusted) / _weight(there) if there else 1.0
    is_panicking = share < panic_threshold
    if is_panicking:
        bearable = min(1.0, PANIC_LOAD * share)
        others = [server for server in there if not (server.is_eligible and not server.streak)]
        parts = [(bearable * part, group) for part, group in _healthy(_levels(trusted, zone))] if trusted else []
        if bearable < 1.0:
            parts.append((1.0 - bearable, others))
    else:
        parts = _healthy(_levels(there, zone))
    return Fleet(
        [(part, Group(members, rng, slowly=not readmits)) for part, members in parts],
        prepare,
        due=due,
        is_panicking=is_panicking,
        is_warming=any(server.admission < 1.0 for server in well),
        readmits=readmits,
        rng=rng,
    )


def _weight(servers: Sequence[Server]) -> float:
    return math.fsum(server.weight for server in servers)


def _levels(servers: Sequence[Server], zone: str) -> list[list[Server]]:
    found: dict[tuple[int, bool], list[Server]] = {}
    for server in servers:
        found.setdefault((server.priority, bool(zone) and server.zone != zone), []).append(server)
    return [found[rank] for rank in sorted(found)]


def _healthy(levels: Sequence[Sequence[Server]]) -> list[tuple[float, list[Server]]]:
    """Return the part of the traffic and the healthy servers of each level that gets any."""
    well = [[server for server in level if server.is_eligible] for level in levels]
    health = [_weight(good) / _weight(level) for good, level in zip(well, levels, strict=True)]
    return [(part, good) for part, good in zip(shares(health), well, strict=True) if part > 0.0]


def shares(health: Sequence[float]) -> list[float]:
    """Return the part of the traffic of each level, given the healthy part of its weight, 0-1."""
    bearable = [min(1.0, OVERPROVISION * part) for part in health]
    total = math.fsum(bearable)
    if total <= 0.0:
        return [0.0] * len(bearable)
    scale, left, parts = max(1.0, 1.0 / total), 1.0, []
    for part in bearable:
        part = min(left, part * scale)
        parts.append(part)
        left = max(0.0, left - part)
    return parts
