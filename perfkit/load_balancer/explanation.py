"""Why a server is picked or not: the state of the fleet in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from perfkit.load_balancer.fleet import Fleet
from perfkit.load_balancer.servers import Server, ServerState

if TYPE_CHECKING:
    from perfkit.load_balancer.balancer import LoadBalancer

__all__ = ["Explanation", "ServerExplanation", "explain"]


class ServerExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why one server is picked or not.

    Attributes:
        reason: One sentence.
        estimate: What one more request is estimated to take, in the measure of the strategy; None if it has none.
        share: Part of the traffic that its level gets, 0-1; 0 for a server that gets none.
        in_flight: Requests of this worker that it is working on.
    """

    name: str
    state: ServerState
    reason: str
    share: float
    in_flight: int
    estimate: float | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """How the fleet stands.

    Attributes:
        summary: One sentence.
        retries_available: Retries that the budget would grant now.
        servers: The best estimate first, then those that get nothing.
    """

    summary: str
    strategy: str
    is_panicking: bool
    retries_available: float
    servers: tuple[ServerExplanation, ...]

    def __str__(self) -> str:
        """Return it as lines of text."""
        lines = [self.summary, *(f"  {each.name}: {each.reason}" for each in self.servers)]
        return "\n".join(lines)


def explain(fleet: Fleet, servers: Sequence[Server], strategy: Any, balancer: LoadBalancer, now: float) -> Explanation:
    """Return why each of *servers* is picked or not at *now*."""
    shares = {id(server): share for share, group in fleet.levels for server in group.servers}
    estimate, remark = getattr(strategy, "estimate", None), getattr(strategy, "remark", None)
    found = [
        ServerExplanation(
            name=server.name,
            state=server.state,
            share=shares.get(id(server), 0.0),
            in_flight=server.in_flight,
            estimate=estimate(server, now) if estimate is not None and id(server) in shares else None,
            reason=_reason(server, shares.get(id(server), 0.0), now)
            + (_remarked(remark(server, now)) if remark is not None and id(server) in shares else ""),
        )
        for server in servers
    ]
    found.sort(key=lambda each: (each.share == 0.0, each.estimate if each.estimate is not None else 0.0, each.name))
    panic = " So few are well that sick ones get requests too." if fleet.is_panicking else ""
    return Explanation(
        summary=f"{balancer.strategy} chooses among {len(fleet.servers)} of {len(balancer.servers)} servers.{panic}",
        strategy=balancer.strategy,
        is_panicking=fleet.is_panicking,
        retries_available=balancer.retry_budget.available,
        servers=tuple(found),
    )


def _reason(server: Server, share: float, now: float) -> str:
    match server.state:
        case ServerState.DRAINING:
            return f"draining: gets nothing new, {server.in_flight} in flight"
        case ServerState.UNHEALTHY:
            return "its active check fails" + _anyway(share)
        case ServerState.EJECTED:
            left = max(0.0, server.ejected_until - now)
            return f"ejected for {left:.1f} s more, ejection {server.ejections}" + _anyway(share)
        case ServerState.PROBATION:
            part = f"{100.0 * server.admission:.0f} %"
            return f"on probation after an ejection: gets {part} of its share, one failure ejects it again"
        case ServerState.WARMING if server.admission < 1.0:
            return f"starting slowly: gets {100.0 * server.admission:.0f} % of its share"
        case _:
            where = "" if share >= 1.0 else f" of a level that gets {100.0 * share:.0f} % of the traffic"
            if not share:
                return "well, but a level before it takes all traffic"
            failed = "" if not server.streak else f", {server.streak} failure{'s' * (server.streak > 1)} in a row"
            word = "failing" if failed else "well"
            return f"{word}: one{where or ' to choose from'}, {server.in_flight} in flight{failed}"


def _remarked(remark: str) -> str:
    return f"; {remark}" if remark else ""


def _anyway(share: float) -> str:
    return ", but too few others are well" if share else ""
