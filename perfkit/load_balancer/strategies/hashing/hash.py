"""Consistent hashing with bounded load: a key goes to its server, unless that has too much to do.

Sources: Maglev (see `maglev`); Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads", 2018:
no server has more than *factor* times the mean of requests in flight. The table knows all servers, healthy or not:
while one is away its keys go to the next one that follows from the key, and when it is back they come home.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import log

from perfkit.core.locks import OwnLock
from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies.hashing.maglev import fill, fingerprint, size_for, spread
from perfkit.load_balancer.strategies.power_of_two import PowerOfTwo

__all__ = ["FACTOR", "ConsistentHash", "Homes"]

FACTOR = 1.5
"""The bound: so many times the mean of requests in flight. 1.25 would send a third of skewed keys astray."""

MOST_KNOWN, LONGEST_KNOWN = 4096, 256
"""Keys whose servers are kept at hand, and characters of one that is."""

TRIES = 16
"""Servers that a key is tried with before the least busy one takes it."""


Table = tuple[Sequence[int], tuple[Server, ...], dict[str, tuple[Server, ...]]]
EMPTY: Table = ((), (), {})


class Homes:
    """Which server each key belongs to.

    The table takes 20 to 40 ms to fill. Where somebody tends it once a second, requests never do: they go on with the
    old table until the new one is there, and before the first one each key goes where it draws the highest bid. A
    balancer that stands alone fills it when a key needs it.

    Attributes:
        current: Slots, members, and with which servers keys of late were tried, in turn; None while there is no table.
        is_tended: Whether `tend` is called again and again.
        is_wanted: Whether there are requests with keys.
    """

    __slots__ = ("_lock", "_members", "current", "is_stale", "is_tended", "is_wanted")

    def __init__(self) -> None:
        """Know nobody."""
        self._members: tuple[Server, ...] = ()
        self.current: Table | None = None
        self.is_stale = self.is_tended = self.is_wanted = False
        self._lock = OwnLock()

    def settle(self, members: Sequence[Server]) -> None:
        """Take *members*, all servers that belong to the balancer."""
        with self._lock:
            self._members, self.is_stale = tuple(members), True

    def tend(self) -> None:
        """Fill the table anew where that is needed. Not for the path of a request."""
        if self.is_wanted and self.is_stale:
            self._renew()

    def find(self) -> Table:
        """Return the table, filled here only if nobody else does; empty where somebody will within a second."""
        current = self.current
        if self.is_tended:
            if current is None:
                self.is_wanted = True
                return EMPTY
        elif current is None or self.is_stale:
            return self._renew()
        return current

    def _renew(self) -> Table:
        with self._lock:
            if self.current is None or self.is_stale:
                members, self.is_stale = self._members, False
                self.current = (_fill(members), members, {}) if members else None
            return self.current or EMPTY


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

    def tend(self, *, is_over: bool = False) -> None:
        """Do beside the requests what takes long; *is_over* if this will not be called again."""
        self.homes.is_tended, self.homes.is_wanted = not is_over, True
        self.homes.tend()

    def on_members(self, members: Sequence[Server]) -> None:
        """Take notice of who belongs to the balancer."""
        self.homes.settle(members)

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        anyone = PowerOfTwo().prepare(group)
        by_key = self.by_key(group)

        def pick(now: float, key: Hashable | None) -> Server:
            return anyone(now, None) if key is None else by_key(now, key)

        return pick

    def by_key(self, group: Group) -> Pick:
        """Return a picker of *group* for those who have a key."""
        # A starting server gets its keys at once: they would only have to move twice.
        scale = self.factor / sum(server.weight for server in group.servers)
        shares = {id(server): scale * server.weight for server in group.servers}
        homes, in_flight = self.homes, self.in_flight or _sum_of(group)
        servers, find = group.servers, homes.find

        def pick(now: float, key: Hashable | None) -> Server:
            current = homes.current
            if current is None or homes.is_stale:
                current = find()
            # Text only: other keys may be equal and yet have another fingerprint, as 1 and True have.
            tried = current[2].get(key, ()) if type(key) is str else ()
            for server in tried:
                share = shares.get(id(server))
                if share is not None:
                    busy = server.in_flight
                    if not busy or busy < share * (in_flight() + 1):
                        return server
            return further(key, current, tried)

        def further(key: Hashable | None, current: Table, tried: tuple[Server, ...]) -> Server:
            table, members, known = current
            value = fingerprint(key)
            if not table:
                return max(servers, key=lambda server: _draw(server, value))
            for step in range(len(tried), TRIES):
                server = members[table[(spread(value, step) if step else value) % len(table)]]
                # Never changed in place: another thread may be at the same key.
                tried = (*tried, server)
                share = shares.get(id(server))
                if share is not None and (not server.in_flight or server.in_flight < share * (in_flight() + 1)):
                    _keep(known, key, tried)
                    return server
            _keep(known, key, tried)
            return min(servers, key=lambda server: (server.in_flight + 1) / server.weight)

        return pick


def _keep(known: dict[str, tuple[Server, ...]], key: Hashable, tried: tuple[Server, ...]) -> None:
    """Keep what *key* was *tried* with at hand if it is text and short; begin anew when there are many."""
    if type(key) is str and len(key) <= LONGEST_KNOWN:
        if len(known) >= MOST_KNOWN and key not in known:
            known.clear()
        known[key] = tried


def _draw(server: Server, value: int) -> float:
    """Return what *server* bids for a key while there is no table: the highest bid wins, in every process alike.

    Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998 (rendezvous hashing); with
    weights: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005.
    """
    chance = (spread(value ^ fingerprint(server.name), 1) + 0.5) / 2.0**64
    return server.weight / -log(chance)


def _sum_of(group: Group) -> Callable[[], int]:
    def total() -> int:
        return sum(server.in_flight for server in group.servers)

    return total
