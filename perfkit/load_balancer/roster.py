"""Who belongs to the balancer and how well each is: every change goes through here and makes a new fleet."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from perfkit.core.errors import LoadBalancerError, ServerNotFoundError
from perfkit.core.locks import OwnLock
from perfkit.load_balancer.fleet import Fleet, assemble
from perfkit.load_balancer.health.passive import Ejection
from perfkit.load_balancer.health.slow_start import admit
from perfkit.load_balancer.servers import Server, ServerSpec
from perfkit.load_balancer.settings import LoadBalancerSettings

__all__ = ["MOST_SERVERS", "Roster"]

PANIC_PERIOD = 0.25
"""Seconds after which a fleet that panics looks again who is well."""

_is_host = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*|[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?)|:[0-9A-Fa-f:.]+").fullmatch

MOST_SERVERS = 10_000
"""Servers that one balancer may know."""


class Roster:
    """All servers by name. Changes take a lock, which no pick ever takes.

    Attributes:
        fleet: Who may be picked now; read it without the lock.
        servers: By name, in the order in which they came.
        suspects: Servers that may be picked but failed the last time, as of the last time that they were counted, and
            those that have become so since.
    """

    def __init__(self, settings: LoadBalancerSettings, strategy: Any, ejection: Ejection, rng: random.Random) -> None:
        """Know nobody yet."""
        self._settings, self._strategy, self._ejection, self._rng = settings, strategy, ejection, rng
        self._lock = OwnLock()
        self._on_members = getattr(strategy, "on_members", None)
        self._is_reconciling = False
        self._hurries = 0
        self._expected: set[str] = set()
        self.suspects = 0
        self._readmits = not getattr(strategy, "heeds_slow_start", False)
        self.servers: dict[str, Server] = {}
        self.fleet: Fleet = self._assemble(math.inf)

    def get(self, name: str) -> Server:
        """Return the server called *name*.

        Raises:
            ServerNotFoundError: There is none.
        """
        server = self.servers.get(name)
        if server is None:
            known = ", ".join(list(self.servers)[:10]) or "none"
            raise ServerNotFoundError(
                f"There is no server {name!r}. The balancer knows: {known}. Add it, or use one of these names."
            )
        return server

    def add(self, spec: ServerSpec, now: float) -> Server:
        """Add a server, or give the one of that name the weight, zone and priority of *spec*.

        One that joins others starts slowly; those that come together at the beginning do not.

        Raises:
            LoadBalancerError: A figure cannot be, another server has this name, or there are too many.
        """
        _check(spec)
        with self._lock:
            known = self.servers.get(spec.name)
            if known is not None:
                return self._change(known, spec, now)
            if len(self.servers) >= MOST_SERVERS:
                raise LoadBalancerError(
                    f"The server {spec.name!r} would be number {len(self.servers) + 1}. A balancer knows at most "
                    f"{MOST_SERVERS}. Remove those that are gone."
                )
            server = Server(spec)
            server.joined_at = now
            server.is_draining = spec.name in self._expected
            self._expected.discard(spec.name)
            self.servers = {**self.servers, spec.name: server}
            self._members_changed()
            return server

    def _change(self, known: Server, spec: ServerSpec, now: float) -> Server:
        if (known.host, known.port) != (spec.host, spec.port):
            raise LoadBalancerError(
                f"The server {spec.name!r} is at {known.address!r} and was added at another address. A name belongs to "
                "one address. Remove the old one first, or use another name."
            )
        known.weight, known.zone, known.priority = spec.weight, spec.zone, spec.priority
        self._members_changed()
        return known

    def remove(self, name: str) -> Server:
        """Forget the server called *name*; its requests in flight end as they do."""
        with self._lock:
            server = self.get(name)
            server.is_removed = True
            self.servers = {key: value for key, value in self.servers.items() if key != name}
            self._members_changed()
            return server

    def drain(self, name: str) -> None:
        """Give it no more requests."""
        with self._lock:
            self.get(name).is_draining = True
            self._renew_lazily()

    def expect(self, name: str, *, is_draining: bool) -> bool:
        """Remember that the server called *name*, which is not known yet, drains, or that it does no more.

        Returns:
            False if it is known by now; then nothing was done.
        """
        with self._lock:
            if name in self.servers:
                return False
            if not is_draining:
                self._expected.discard(name)
            elif len(self._expected) < MOST_SERVERS:
                self._expected.add(name)
            return True

    def restore(self, name: str, now: float) -> None:
        """Give it requests again, slowly at first, whatever was held against it."""
        with self._lock:
            server = self.get(name)
            was_away = not server.is_eligible
            server.is_draining, server.is_healthy = False, True
            self._ejection.forgive(server, now)
            if was_away:
                self._begin(server, now)
            self._renew_lazily()

    def set_health(self, name: str, healthy: bool, now: float) -> bool:
        """Take the answer of an active check; return True if that changed something."""
        with self._lock:
            server = self.get(name)
            if healthy == server.is_healthy:
                return False
            server.is_healthy = healthy
            if healthy:
                if server.ejected_until and server.ejections <= 1:
                    self._ejection.readmit(server, now)
                self._begin(server, now)
            self._renew_lazily()
            return True

    def reconcile(self, specs: Iterable[ServerSpec], now: float) -> tuple[list[str], list[str]]:
        """Make the servers those of *specs*, by name; return the names added and removed.

        Raises:
            LoadBalancerError: A figure of one cannot be, or there are too many; then nothing has changed.
        """
        with self._lock:
            wanted = _by_name(specs)
            _check_all(wanted)
            known = self.servers
            moved = {
                name
                for name, spec in wanted.items()
                if name in known and (known[name].host, known[name].port) != (spec.host, spec.port)
            }
            gone = [name for name in known if name not in wanted or name in moved]
            new = [name for name in wanted if name not in known or name in moved]
            changed = [spec for name, spec in wanted.items() if name in new or known[name].spec != spec]
            self._is_reconciling = True
            try:
                for name in gone:
                    self.remove(name)
                for spec in changed:
                    self.add(spec, now)
            finally:
                self._is_reconciling = False
                if gone or changed:
                    self._members_changed()
            return new, gone

    def tend(self, *, is_over: bool = False) -> None:
        """Have the strategy do beside the requests what takes long; *is_over* when the balancer stops."""
        tend = getattr(self._strategy, "tend", None)
        if tend is not None:
            tend(is_over=is_over)

    def renew(self, now: float) -> Fleet:
        """End what is over at *now* (ejections, penalties, slow starts) and make the fleet anew."""
        with self._lock:
            due, hurries = math.inf, self._hurries
            everybody = list(self.servers.values())
            for server in everybody:
                if server.penalty:
                    if server.penalty_until <= now:
                        server.penalty = 0
                    else:
                        due = min(due, server.penalty_until)
                if server.ejected_until:
                    if server.ejected_until <= now:
                        self._ejection.readmit(server, now)
                        self._begin(server, now)
                    else:
                        due = min(due, server.ejected_until)
                self._ejection.decay(server, now)
            self.suspects = sum(1 for server in everybody if server.streak and server.is_eligible)
            again = admit(everybody, self._settings.slow_start, now)
            if again is not None:
                due = min(due, again)
            self.fleet = fleet = self._assemble(due)
            if fleet.is_panicking:
                fleet.due = min(due, now + PANIC_PERIOD)
            if self._hurries != hurries:
                # Somebody failed meanwhile and told the fleet of before.
                fleet.due = -math.inf
            return fleet

    def suspect(self, server: Server, now: float) -> None:
        """Take notice that *server*, which was well, has failed: with too many like it the fleet panics."""
        self.suspects += 1
        fleet = self.fleet
        trusted = len(fleet.servers) - self.suspects
        if not fleet.is_panicking and trusted < self._settings.panic_threshold * len(self.servers):
            self.hurry(-math.inf)

    def hurry(self, due: float) -> None:
        """Have the fleet made anew at *due*, if not before."""
        self._hurries += 1
        fleet = self.fleet
        if due < fleet.due:
            fleet.due = due

    def _begin(self, server: Server, now: float) -> None:
        server.joined_at = now
        on_return = getattr(self._strategy, "on_return", None)
        if on_return is not None:
            on_return(server, now)

    def _members_changed(self) -> None:
        if self._is_reconciling:
            return
        if self._on_members is not None:
            self._on_members(tuple(self.servers.values()))
        self._renew_lazily()

    def _renew_lazily(self) -> None:
        self.fleet.due = -math.inf

    def _assemble(self, due: float) -> Fleet:
        return assemble(
            tuple(self.servers.values()),
            self._strategy.prepare,
            zone=self._settings.zone,
            panic_threshold=self._settings.panic_threshold,
            due=due,
            readmits=self._readmits,
            rng=self._rng,
        )


def _by_name(specs: object) -> dict[str, ServerSpec]:
    wanted: dict[str, ServerSpec] = {}
    for spec in specs if isinstance(specs, Iterable) else (specs,):
        if not isinstance(spec, ServerSpec):
            raise LoadBalancerError(
                f"{spec!r} was given as a server. Each must be a ServerSpec. Write ServerSpec(name=..., host=...)."
            )
        wanted[spec.name] = spec
    return wanted


def _check_all(wanted: dict[str, ServerSpec]) -> None:
    if len(wanted) > MOST_SERVERS:
        raise LoadBalancerError(
            f"{len(wanted)} servers were found. A balancer knows at most {MOST_SERVERS}. Have the source name fewer."
        )
    for spec in wanted.values():
        _check(spec)


def _check(spec: ServerSpec) -> None:
    try:
        msgspec.convert(msgspec.structs.asdict(spec), ServerSpec)
    except msgspec.ValidationError as error:
        raise LoadBalancerError(
            f"The server {str(spec.name)[:50]!r} was added with something that cannot be: {error}. Name, host and "
            "zone are texts, port and priority whole numbers, the weight a number. Correct it."
        ) from error
    if not 1 <= len(spec.name) <= 200:
        raise LoadBalancerError(
            f"A server was added with the name {spec.name[:50]!r}. A name has 1 to 200 characters. Give it one."
        )
    if not (math.isfinite(spec.weight) and spec.weight > 0.0):
        raise LoadBalancerError(
            f"The server {spec.name!r} was added with the weight {spec.weight}. A weight is a number above 0. "
            "To give a server no requests, drain it."
        )
    if spec.host and not _is_host(spec.host):
        raise LoadBalancerError(
            f"The server {spec.name!r} was added with the host {spec.host[:100]!r}. A host is a name or an address in "
            "ASCII, without scheme, port, path or brackets. Write it as shop.internal, 10.0.0.7 or fd00::7."
        )
    if not 0 <= spec.priority <= 1_000_000:
        raise LoadBalancerError(
            f"The server {spec.name!r} was added with the priority {spec.priority}. It must be 0 to 1000000; 0 is used "
            "first. Correct it."
        )
    if not 0 <= spec.port <= 65_535:
        raise LoadBalancerError(
            f"The server {spec.name!r} was added with the port {spec.port}. A port is 0 to 65535. Correct it."
        )
