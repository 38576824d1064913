"""auto: the smallest estimate of what one more request would take, from all that is known.

Without load reports the estimate is ``(own in flight + 1)^1.5 × latency``, where the latency of a server is its average
over the last seconds, drawn towards the fleet's average by as much as it is noise: with the variance of single answers
and the variance between servers known, the weight of the fleet's average is their ratio (empirical Bayes; Efron and
Morris, "Stein's estimation rule and its competitors", 1973). So with one client and equal servers the latencies cancel
out and it is least connections; with one slow server among many the latency decides; what was not heard of for a while
counts as average again and is tried.

With load reports, on answers or by probes, it is ``(in flight there + 1 + 3 × own in flight) × √(service time ×
latency)``: the report is drawn towards the fleet's average as it ages; the service time is latency for each request
in flight there, again drawn towards the fleet's. Alone it would call a server with many slots fast that is merely
full, and latency alone would count the queue twice. A latency that a probe brings counts as one more answer. Sources:
Suresh et al., "C3: cutting tail latency in cloud data stores", NSDI 2015, for the product of queue and service time;
Wydrowski et al., "Load is not what you should balance: introducing Prequal", NSDI 2024, for requests in flight as the
signal that comes before latency.

A failure counts as twenty average latencies, so to fail fast is never rewarded. What fails when hardly anything does is
probably gone, not unlucky: the estimate of a server is raised by the odds of that, and it is tried again with single
requests, after waits that grow. So of a dead server one request is lost at first, and few to see whether it is back;
when it is, it is as good as new at once. The estimates of the servers lie in one flat list: it is mended where
something happened, and at one or more places in turn at each pick as time passes; the smallest is found in C. Up to
`SCAN` servers all are compared, of more `SCAN` neighbours in an order drawn at random, so the cost does not grow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import exp, inf, sqrt

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.reports.report import STALE, LoadReport
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies.estimates import (
    FAILURE,
    LATENCY_MEMORY,
    LONGEST_BACK_OFF,
    Estimate,
    Estimates,
)
from perfkit.load_balancer.strategies.hashing.hash import ConsistentHash

__all__ = ["SCAN", "Auto"]

SCAN = 48
"""Servers whose estimates are compared for one choice."""

JITTER = 0.02
"""Part by which an estimate is raised at random, so that equals take turns and many clients do not run in step."""

RARE = 0.05
"""Seconds between two picks from which on more than one estimate is mended."""

OFTEN = 0.001
"""Seconds for which the best estimate is known well enough to say that a key's own server is far worse."""

BETWEEN_TRIALS = 0.05
"""Seconds from a failure, or from a trial, to the next trial: who is asked again after a failure goes to no other."""

MOST_DOUBTED = 63
"""Servers that are tried again when it is time; others in turn, as what is known of them fades."""

AFFINITY = 12.0
"""A key stays with its server until that is estimated to take so many times as long as the best one."""

POWERS = tuple(float(n) * sqrt(n) for n in range(1, 66))
"""(n + 1)^1.5 by n."""


class Board:
    """The estimates of the servers of one group, in a flat list.

    Attributes:
        hand, last: Which place was mended last as time passed, and when that was.
        scores: Seconds, by place.
        memories: What is known of each server, by place.
        servers: By place, in an order of this client's own.
    """

    __slots__ = ("hand", "last", "memories", "scores", "servers", "shares")

    def __init__(self, group: Group) -> None:
        order = list(range(len(group.servers)))
        group.rng.shuffle(order)
        self.servers = [group.servers[place] for place in order]
        mean = sum(server.weight for server in self.servers) / len(self.servers)
        self.shares = [mean / server.weight for server in self.servers]
        for server in self.servers:
            if not isinstance(server.memory, Estimate):
                server.memory = Estimate()
        self.memories: list[Estimate] = [server.memory for server in self.servers]
        self.scores = [0.0] * len(self.servers)
        self.hand, self.last = 0, 0.0


class Auto:
    """The server that will be fastest, as far as can be known."""

    def __init__(self) -> None:
        """Know nothing."""
        self.estimates = Estimates()
        self._by_key = ConsistentHash()
        self._chance: Callable[[], float] = float
        self.in_flight: Callable[[], int] | None = None
        self._doubted: list[Server] = []
        self._trial_at = inf

    def on_members(self, members: Sequence[Server]) -> None:
        """Take notice of who belongs to the balancer."""
        self._by_key.on_members(members)

    def tend(self, *, is_over: bool = False) -> None:
        """Do beside the requests what takes long; *is_over* if this will not be called again."""
        homes = self._by_key.homes
        homes.is_tended = not is_over
        homes.tend()

    def on_return(self, server: Server, now: float) -> None:
        """Forget what was known of a server that was away: slow start is careful enough."""
        if isinstance(server.memory, Estimate):
            server.memory.forget()

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        self._chance = chance = group.rng.random
        self._by_key.in_flight = self.in_flight
        board = Board(group)
        for place, server in enumerate(board.servers):
            server.memory.board, server.memory.place = board, place
        servers, scores, count = board.servers, board.scores, len(board.servers)
        width, mend = min(SCAN, count), self._mend
        at = max((server.memory.at for server in servers), default=0.0)
        for place in range(count):
            mend(board, place, at, servers[place].in_flight)
        hash_pick = self._keyed(group, board)

        def pick(now: float, key: Hashable | None) -> Server:
            hand = board.hand
            if now - board.last > RARE:
                for _ in range(min(count, 15)):
                    hand = hand + 1 if hand + 1 < count else 0
                    mend(board, hand, now, servers[hand].in_flight)
            board.hand = hand = hand + 1 if hand + 1 < count else 0
            board.last = now
            mend(board, hand, now, servers[hand].in_flight)
            if now >= self._trial_at:
                doubted = self._trial(board, now)
                if doubted is not None:
                    return doubted
            if key is not None:
                return hash_pick(now, key)
            # A copy: another thread may mend the list between the search for the least and that for its place.
            if count == width:
                near = scores.copy()
                best = near.index(min(near))
            else:
                start = int(chance() * count)
                near = scores[start : start + width]
                if start + width > count:
                    near += scores[: start + width - count]
                best = (start + near.index(min(near))) % count
            server = servers[best]
            mend(board, best, now, server.in_flight + 1)
            return server

        return pick

    def _trial(self, board: Board, now: float) -> Server | None:
        """Return a server that failed and is to be tried again now; None if there is none."""
        doubted = [server for server in self._doubted if server.memory is not None and server.memory.fails]
        due, chosen = inf, None
        for server in doubted:
            memory = server.memory
            if memory.until <= now and not server.in_flight and memory.board is board:
                chosen = server
            elif memory.until > now:
                due = min(due, memory.until)
        self._doubted = doubted
        self._trial_at = now + BETWEEN_TRIALS if chosen is not None else max(due, now + BETWEEN_TRIALS)
        return chosen

    def _keyed(self, group: Group, board: Board) -> Pick:
        """Return the picker of a key: its own server, unless that would take far longer than another."""
        home, scores = self._by_key.by_key(group), board.scores
        # Not `memory.place`, which another thread may have moved to another board.
        places = {id(server): place for place, server in enumerate(board.servers)}
        limit = looked_at = -inf

        def pick(now: float, key: Hashable | None) -> Server:
            nonlocal limit, looked_at
            server = home(now, key)
            place = places[id(server)]
            if now - looked_at > OFTEN:
                limit, looked_at = AFFINITY * min(scores[:SCAN]), now
            if limit < scores[place]:
                # Rare, so both are reckoned anew; a single slow answer is no reason to leave, a failure is.
                near = scores[:SCAN]
                other = near.index(min(near))
                self._mend(board, place, now, server.in_flight)
                self._mend(board, other, now, board.servers[other].in_flight)
                is_known = server.streak > 0 or board.memories[place].weight > 3.0
                if is_known and 0.0 < AFFINITY * scores[other] < scores[place]:
                    place, server = other, board.servers[other]
            self._mend(board, place, now, server.in_flight + 1)
            return server

        return pick

    def _mend(self, board: Board, place: int, now: float, pending: int) -> None:
        """Reckon the estimate at *place* anew, as if *pending* requests of our own were in flight there."""
        memory: Estimate = board.memories[place]
        estimates = self.estimates
        share = board.shares[place]
        if share != 1.0:
            pending = int(pending * share)
        # The average, drawn towards the fleet's; written out, as it is reckoned three times a request.
        fade = exp((memory.at - now) / LATENCY_MEMORY)
        trust = estimates.trust
        cost = (memory.sum * fade + trust * estimates.latency) / (memory.weight * fade + trust)
        if now - estimates.reported_at < STALE:
            cost = sqrt(cost * memory.service(now, estimates)) * (memory.load(now, estimates) + 1.0 + 3.0 * pending)
        elif pending:
            cost *= POWERS[pending if pending < 64 else 64]
        if memory.doubt and now < memory.until + LONGEST_BACK_OFF:
            cost *= 1.0 + (FAILURE - 1.0) * memory.doubt
        board.scores[place] = cost + cost * JITTER * self._chance()

    def observe(self, server: Server, latency: float, success: bool, now: float) -> None:
        """Learn from an answer."""
        memory = server.memory
        if memory is None:
            return
        self.estimates.learn(memory, latency, success, now)
        if not success:
            self.estimates.failed(memory, latency, now, self._chance())
            self._doubted = [each for each in self._doubted[-MOST_DOUBTED:] if each is not server] + [server]
            self._trial_at = max(now + BETWEEN_TRIALS, min(self._trial_at, memory.until))
        self._touch(server, memory, now)

    def on_cancel(self, server: Server, now: float) -> None:
        """Take notice that one request less is in flight."""
        if server.memory is not None:
            self._touch(server, server.memory, now)

    def on_report(self, server: Server, report: LoadReport, now: float, is_probe: bool) -> None:
        """Learn from a load report."""
        memory = server.memory
        if memory is None or report.in_flight is None:
            return
        self.estimates.reported(memory, report.in_flight, now)
        if is_probe:
            if report.latency:
                self.estimates.probed(memory, report.latency, report.in_flight, now)
            self._touch(server, memory, now)

    def _touch(self, server: Server, memory: Estimate, now: float) -> None:
        board: Board = memory.board
        place = memory.place
        # Another thread may have made another board meanwhile.
        if place < len(board.scores) and board.servers[place] is server:
            self._mend(board, place, now, server.in_flight)

    def remark(self, server: Server, now: float) -> str:
        """Return what is thought of *server*, for `explain`."""
        memory, estimate = server.memory, self.estimate(server, now)
        if estimate is None:
            return ""
        if memory.fails and now < memory.until + LONGEST_BACK_OFF:
            when = f"in {memory.until - now:.1f} s" if memory.until > now else "now"
            return f"gone with a chance of {100.0 * min(0.99, memory.doubt):.0f} %, tried again {when}"
        took = f"{estimate * 1e3:.3g} ms" if estimate < 0.9995 else f"{estimate:.3g} s"
        return f"one more request would take about {took}"

    def estimate(self, server: Server, now: float) -> float | None:
        """Return the seconds that one more request is estimated to take, for `explain`."""
        memory = server.memory
        if not isinstance(memory, Estimate) or memory.board is None:
            return None
        # A copy of both: another thread may just give it a place on another board.
        scores, place = memory.board.scores, memory.place
        return scores[place] if place < len(scores) else None
