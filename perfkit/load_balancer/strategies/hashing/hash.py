"""Consistent hashing with bounded load: a key goes to its server, unless that has too much to do.

Sources: Maglev (see `maglev`); Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads", 2018:
no server has more than *factor* times the mean of requests in flight. The table knows all servers, healthy or not:
while one is away its keys go to the next one that follows from the key, and when it is back they come home.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import ceil

from perfkit.core.locks import OwnLock
from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies.hashing.maglev import fill, fingerprint, size_for, spread
from perfkit.load_balancer.strategies.power_of_two import PowerOfTwo

__all__ = ["FACTOR", "ConsistentHash", "Homes"]

FACTOR = 1.5
"""The bound: so many times the mean of requests in flight. 1.25 would send a third of skewed keys astray."""

TRIES = 16
"""Servers that a key is tried with before the least busy one takes it."""


class Homes:
    """Which server each key belongs to.

    The table, which takes milliseconds to fill, is made at the first key; from then on by whoever changes the
    fleet, while requests go on with the old one.
    """

    def __init__(self) -> None:
        """Know nobody."""
        self._members: tuple[Server, ...] = ()
        self._table: tuple[Sequence[int], tuple[Server, ...]] | None = None
        self._lock = OwnLock()

    def settle(self, members: Sequence[Server]) -> None:
        """Take *members*, all servers that belong to the balancer."""
        with self._lock:
            new = tuple(members)
            was, self._members = self._table, new
            if was is not None:
                self._table = (_fill(new), new) if new else None

    def table(self) -> tuple[Sequence[int], tuple[Server, ...]]:
        """Return slots and members."""
        table = self._table
        if table is not None:
            return table
        with self._lock:
            if self._table is None:
                self._table = _fill(self._members), self._members
            return self._table


def _fill(members: Sequence[Server]) -> Sequence[int]:
    weights = [max(1e-6, member.weight) for member in members]
    return fill([member.name for member in members], weights, size_for(len(members)))


class ConsistentHash:
    """The server of the key; without a key, the better of two."""

    heeds_slow_start = True

    def __init__(self, *, factor: float = FACTOR, in_flight: Callable[[], int] | None = None) -> None:
        """Bound the load to *factor* times the mean; *in_flight* returns the balancer's requests in flight."""
        self.factor = factor
        self.in_flight = in_flight
        self.homes = Homes()

    def on_members(self, members: Sequence[Server]) -> None:
        """Take notice of who belongs to the balancer."""
        self.homes.settle(members)

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        anyone = PowerOfTwo().prepare(group)
        by_key = self._by_key(group)

        def pick(now: float, key: Hashable | None) -> Server:
            return anyone(now, None) if key is None else by_key(now, key)

        return pick

    def _by_key(self, group: Group) -> Pick:
        # A starting server gets its keys at once: they would only have to move twice.
        full = {id(server): server.weight for server in group.servers}
        scale = self.factor / sum(full.values())
        homes, in_flight = self.homes, self.in_flight or _sum_of(group)
        servers = group.servers
        table: Sequence[int] = ()
        members: tuple[Server, ...] = ()

        def pick(now: float, key: Hashable | None) -> Server:
            nonlocal table, members
            if not table:
                table, members = homes.table()
            value, size = fingerprint(key), len(table)
            for step in range(TRIES):
                server = members[table[(spread(value, step) if step else value) % size]]
                weight = full.get(id(server))
                if weight is not None:
                    busy = server.in_flight
                    if not busy or busy < ceil(scale * weight * (in_flight() + 1)):
                        return server
            return min(servers, key=lambda server: (server.in_flight + 1) / server.weight)

        return pick


def _sum_of(group: Group) -> Callable[[], int]:
    def total() -> int:
        return sum(server.in_flight for server in group.servers)

    return total
