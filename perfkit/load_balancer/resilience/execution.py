"""Requests through the balancer: a server, a try, and what follows if it fails. One plan, a sync and an async shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import NoServerAvailable
from perfkit.core.shells import acall, call, is_loop_running
from perfkit.load_balancer.leases import Lease
from perfkit.load_balancer.reports.orca import report_of
from perfkit.load_balancer.resilience.deadline import deadline, time_left
from perfkit.load_balancer.resilience.hedging import SlowAfter
from perfkit.load_balancer.resilience.race import Race, Track
from perfkit.load_balancer.resilience.retry import Verdict, judge_error, judge_result
from perfkit.load_balancer.settings import function_of

if TYPE_CHECKING:
    from perfkit.load_balancer.balancer import LoadBalancer

__all__ = ["Execution", "Plan"]


class Plan:
    """The tries of one request: which servers were tried, and whether there may be one more."""

    def __init__(self, balancer: LoadBalancer, key: Hashable | None, *, idempotent: bool, retries: int) -> None:
        self._balancer, self._key, self._idempotent, self._left = balancer, key, idempotent, retries
        self._monotonic = balancer.monotonic
        self.tried: list[str] = []

    def begin(self) -> Lease:
        """Return the lease of the next try, on another server than those tried where there is one."""
        time_left(monotonic=self._monotonic)
        lease = self._balancer.acquire(self._key, exclude=self.tried)
        self.tried.append(lease.server.name)
        return lease

    def again(self, verdict: Verdict) -> Lease | None:
        """Return the lease of the try that follows one that ended with *verdict*, out of the budget; None for no other.

        Where no server has room for it there is none: the caller is told how the last try went.
        """
        if verdict is Verdict.GOOD or self._left <= 0:
            return None
        if not self._idempotent and verdict is not Verdict.NEVER_SENT:
            return None
        self._left -= 1
        return self.one_more()

    def one_more(self) -> Lease | None:
        """Return the lease of a try beyond the first; None where the budget or the servers have no room for it."""
        if not self._balancer.retry_budget.try_acquire():
            return None
        try:
            return self.begin()
        except NoServerAvailable:
            return None


class _Lost(Exception):  # noqa: N818 - said as what happened; it never leaves this module
    """The try that decides a race failed."""

    def __init__(self, error: Exception, lease: Lease) -> None:
        super().__init__(str(error))
        self.error, self.lease = error, lease


class Execution:
    """Runs requests for a balancer."""

    def __init__(self, balancer: LoadBalancer, *, retries: int, hedges: bool) -> None:
        """Try each request again up to *retries* times; with *hedges* ask a second server where the first is slow."""
        self._balancer, self._retries, self._hedges = balancer, retries, hedges
        self._slow = SlowAfter()
        self._track = Track()

    def end(self) -> None:
        """Let go of the threads that were used for hedging."""
        self._track.close()

    def run(self, fn: Callable[..., Any], key: Hashable | None, *, idempotent: bool, timeout: float | None) -> Any:
        """Do the request; see `LoadBalancer.execute_request`."""
        function_of("What does the request", fn)
        plan = Plan(self._balancer, key, idempotent=idempotent, retries=self._retries)
        with deadline(timeout, monotonic=self._balancer.monotonic):
            lease = plan.begin()
            while True:
                try:
                    if self._hedges and idempotent and self._slow.seconds is not None and not is_loop_running():
                        result, lease = self._raced(fn, lease, plan)
                    else:
                        result = call(fn, lease.server)
                except _Lost as lost:
                    lease = lost.lease
                    following = plan.again(self._failed(lease, lost.error))
                    if following is None:
                        raise lost.error from lost.error.__cause__
                except Exception as error:
                    following = plan.again(self._failed(lease, error))
                    if following is None:
                        raise
                except BaseException:
                    lease.cancel()
                    raise
                else:
                    following = plan.again(self._answered(lease, result))
                    if following is None:
                        return result
                lease = following

    async def arun(
        self,
        fn: Callable[..., Any],
        key: Hashable | None,
        *,
        idempotent: bool,
        timeout: float | None,  # noqa: ASYNC109 - of all tries together, which no scope of one library could tell
    ) -> Any:
        """Do the request; see `LoadBalancer.aexecute_request`."""
        function_of("What does the request", fn)
        plan = Plan(self._balancer, key, idempotent=idempotent, retries=self._retries)
        with deadline(timeout, monotonic=self._balancer.monotonic):
            lease = plan.begin()
            while True:
                try:
                    if self._hedges and idempotent and self._slow.seconds is not None:
                        result, lease = await self._hedged(fn, lease, plan)
                    else:
                        result = await acall(fn, lease.server)
                except Exception as error:
                    following = plan.again(self._failed(lease, error))
                    if following is None:
                        raise
                except BaseException:
                    lease.cancel()
                    raise
                else:
                    following = plan.again(self._answered(lease, result))
                    if following is None:
                        return result
                lease = following

    def _raced(self, fn: Callable[..., Any], lease: Lease, plan: Plan) -> tuple[Any, Lease]:
        """Return the first answer and its lease; see `_hedged`.

        Raises:
            _Lost: The last try left failed; with its lease, which is not given back.
        """
        race = Race(self._track)
        if not race.enter(lambda server: call(fn, server), lease):
            return call(fn, lease.server), lease
        try:
            if not race.is_decided(self._slow.seconds or 0.0):
                second = plan.one_more()
                if second is not None and not race.enter(lambda server: call(fn, server), second):
                    second.cancel()
            while True:
                future, winner = race.take()
                error = future.exception()
                if error is None:
                    return future.result(), winner
                if not isinstance(error, Exception):
                    winner.cancel()
                    raise error
                if race.is_over or judge_error(error) is Verdict.GOOD:
                    raise _Lost(error, winner)
                self._failed(winner, error)
        finally:
            race.give_up()

    async def _hedged(self, fn: Callable[..., Any], lease: Lease, plan: Plan) -> tuple[Any, Lease]:
        """Return the first answer and its lease; the other try is given up and counts as neither good nor bad.

        An exception of the last try left is raised; its lease is given back here.
        """
        tries = {asyncio.ensure_future(acall(fn, lease.server)): lease}
        try:
            done, _ = await asyncio.wait(tries, timeout=self._slow.seconds)
            second = None if done else plan.one_more()
            if second is not None:
                tries[asyncio.ensure_future(acall(fn, second.server))] = second
            while True:
                done, _ = await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
                task = next(iter(done))
                # Raises where the try was given up from inside: then no lease is left out of those given back below.
                error = task.exception()
                winner = tries.pop(task)
                if error is None:
                    return task.result(), winner
                verdict = self._failed(winner, error)
                if not tries or verdict is Verdict.GOOD:
                    raise error
        finally:
            for task, loser in tries.items():
                task.cancel()
                loser.cancel()

    def _failed(self, lease: Lease, error: BaseException) -> Verdict:
        verdict = judge_error(error)
        lease.release(success=verdict is Verdict.GOOD)
        return verdict

    def _answered(self, lease: Lease, result: Any) -> Verdict:
        verdict = judge_result(result)
        if verdict is Verdict.GOOD:
            self._slow.observe(self._balancer.monotonic() - lease.began)
        lease.release(success=verdict is Verdict.GOOD, report=report_of(result))
        return verdict
