"""What the balancer counts, in the store and so for all workers."""

from __future__ import annotations

from collections.abc import Iterable

from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.core.locks import OwnLock
from perfkit.load_balancer.keeper import Keeper
from perfkit.load_balancer.servers import Server, ServerState
from perfkit.store import Store

__all__ = ["EJECTIONS", "IN_FLIGHT", "LEAKED", "OUT", "PICKS", "REQUESTS", "RETRIES", "SECONDS", "Numbers"]

PICKS = Definition(
    name="perfkit_load_balancer_picks_total",
    type=MetricType.COUNTER,
    description="Requests given to a server.",
    labels=("server",),
)
REQUESTS = Definition(
    name="perfkit_load_balancer_requests_total",
    type=MetricType.COUNTER,
    description="Requests that a server answered, by how that ended.",
    labels=("server", "outcome"),
)
SECONDS = Definition(
    name="perfkit_load_balancer_request_seconds_total",
    type=MetricType.COUNTER,
    description="Time that answers of a server took, in seconds.",
    labels=("server",),
    unit="seconds",
)
IN_FLIGHT = Definition(
    name="perfkit_load_balancer_in_flight",
    type=MetricType.GAUGE,
    description="Requests that a server is working on.",
    labels=("server",),
)
OUT = Definition(
    name="perfkit_load_balancer_server_out",
    type=MetricType.GAUGE,
    description="1 where a worker gives a server no requests (ejected, unhealthy, draining), else 0; mean of all.",
    labels=("server",),
    unit="ratio",
    mode=GaugeMode.MEAN,
)
EJECTIONS = Definition(
    name="perfkit_load_balancer_ejections_total",
    type=MetricType.COUNTER,
    description="Servers that were left alone for a while because they failed.",
)
RETRIES = Definition(
    name="perfkit_load_balancer_retries_total",
    type=MetricType.COUNTER,
    description="Retries and hedges that were asked of the budget, by its answer.",
    labels=("answer",),
)
LEAKED = Definition(
    name="perfkit_load_balancer_leaked_leases_total",
    type=MetricType.COUNTER,
    description="Leases that were dropped without being given back.",
)

OUTS = frozenset({ServerState.EJECTED, ServerState.UNHEALTHY, ServerState.DRAINING, ServerState.REMOVED})


class Numbers:
    """Moves what was counted into the store: once a second, and whenever somebody asks. Thread-safe.

    A request counts in plain attributes of its server, which costs a third of counting in the store.
    """

    def __init__(self, store: Store) -> None:
        """Count into *store*."""
        self._store = store
        self._lock = OwnLock()
        self._moved: dict[int, tuple[Server, list[float]]] = {}
        self._rest: dict[tuple[Definition, tuple[str, ...]], float] = {}

    def move(self, servers: Iterable[Server], keeper: Keeper, granted: int = 0, refused: int = 0) -> None:
        """Move what *servers*, and those that left with requests in flight, counted since the last time."""
        with self._lock:
            for server in servers:
                self._moved.setdefault(id(server), (server, [0.0, 0.0, 0.0, 0.0]))
            for identity, (server, moved) in list(self._moved.items()):
                self._move_server(server, moved)
                if server.is_removed and not server.in_flight:
                    del self._moved[identity]
            self._grow(EJECTIONS, (), keeper.ejections)
            self._grow(LEAKED, (), keeper.leaked)
            self._grow(RETRIES, ("granted",), granted)
            self._grow(RETRIES, ("refused",), refused)

    def _move_server(self, server: Server, moved: list[float]) -> None:
        store, name = self._store, (server.name,)
        now = [float(server.picks), float(server.successes), float(server.failures), server.seconds]
        series = (
            (PICKS, name),
            (REQUESTS, (server.name, "success")),
            (REQUESTS, (server.name, "failure")),
            (SECONDS, name),
        )
        for place, (definition, labels) in enumerate(series):
            if now[place] > moved[place]:
                store.add(store.row(definition, labels), now[place] - moved[place])
                moved[place] = now[place]
        store.set(store.row(IN_FLIGHT, name), float(server.in_flight))
        store.set(store.row(OUT, name), 1.0 if server.state in OUTS else 0.0)

    def _grow(self, definition: Definition, labels: tuple[str, ...], total: float) -> None:
        before = self._rest.get((definition, labels), 0.0)
        if total > before:
            self._store.add(self._store.row(definition, labels), float(total) - before)
            self._rest[definition, labels] = float(total)

    def after_fork(self, servers: Iterable[Server], keeper: Keeper) -> None:
        """In a forked child: what the parent counted is the parent's, and its requests are not ours."""
        for server in servers:
            server.picks = server.successes = server.failures = server.in_flight = 0
            server.seconds = 0.0
            server.window_at = -1e308
        keeper.begun = keeper.ended = keeper.failures = keeper.leaked = keeper.ejections = 0
        self._moved, self._rest = {}, {}
