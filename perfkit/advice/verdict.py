"""The first thing a person reads: one sentence that says how the service is and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from perfkit.advice.ledger.record import BLOCKED_LOOP
from perfkit.advice.ranking import NOTABLE, TIME_SHARE, identity
from perfkit.advice.score import Score
from perfkit.advice.targets import Targets
from perfkit.advice.wording import count, factor, listed, percent, route_name, seconds, window
from perfkit.core.findings import Finding, Priority
from perfkit.core.status import Status
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot
from perfkit.performance.snapshot import PerformanceSnapshot, RouteSnapshot

__all__ = ["Verdict", "bounded", "summarize"]

FAILING = 5.0
"""From this many times its target the error rate is failing."""
ENOUGH = 20
"""Requests in the window from which its error rate and percentiles say something."""
FEW = 3
"""Failures from which it is no accident."""
FAILING_SERVICE = "failing_dependency"
"""Kind of the finding that answers why requests fail."""
NOTHING_TO_DO = "Nothing to do: "


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Status, headline, cause and action; cause and action are empty where there is nothing to say.

    Attributes:
        finding: The fingerprint of the finding whose action it is; empty where it is that of none.
    """

    status: Status
    headline: str
    cause: str = ""
    action: str = ""
    finding: str = ""

    @property
    def comes_before_findings(self) -> bool:
        """Whether what to do first is told by no finding, so that the findings say what to do next."""
        return bool(self.action and not self.finding)


def summarize(
    performance: PerformanceSnapshot,
    health: HealthSnapshot,
    targets: Targets | None = None,
    findings: Sequence[Finding] = (),
) -> Verdict:
    """Judge the service: the worst problem is the headline, the next one joins its cause.

    Known facts (a failing check, draining) count from the first second; error rate and latency count once
    there were `Targets.requests` requests. Of *findings*, ranked, the first tells what to do if it is urgent; where
    requests fail or a check does, that comes before. Pure: the same snapshots give the same words.
    """
    targets = targets or Targets()
    problems = list(_problems(performance, health, targets, findings))
    if problems:
        problems.sort(key=lambda problem: problem.status is not Status.CRITICAL)
        main, *others = problems
        also = f"Also: {others[0].headline}." if others else ""
        return msgspec.structs.replace(main, cause=" ".join(filter(None, (main.cause, also))))
    if performance.total_requests < targets.requests:
        return _collecting(performance, targets)
    return _advised(_healthy(performance, targets, findings), findings)


def bounded(verdict: Verdict, score: Score | None) -> Verdict:
    """Return the *verdict* of a healthy service with the band of *score*, where that is worse, and why."""
    if score is None or verdict.status is not Status.HEALTHY or not verdict.status.is_better_than(score.status):
        return verdict
    worst = max((loss for part in score.parts for loss in part.losses), key=lambda loss: loss.points, default=None)
    said = "A critical alert fires" if score.is_capped else f"Score {score.value} of 100"
    headline = f"{said}, though {verdict.headline.removeprefix(NOTHING_TO_DO)}"
    lost = f"{count(worst.points, 'point')} lost: {worst.reason.rstrip('.')}." if worst is not None else ""
    cause = verdict.cause if worst is not None and worst.reason in verdict.cause else f"{lost} {verdict.cause}".strip()
    return msgspec.structs.replace(verdict, status=score.status, headline=headline, cause=cause)


def _problems(
    performance: PerformanceSnapshot, health: HealthSnapshot, targets: Targets, findings: Sequence[Finding]
) -> Iterator[Verdict]:
    if performance.total_requests >= targets.requests:
        for errors in _errors(performance, targets):
            yield _traced(errors, performance, findings)
        for latency in _latency(performance, targets):
            yield _explained(latency, findings)
    yield from _checks(health)
    if health.is_draining:
        left = count(performance.in_flight, "request")
        yield Verdict(status=Status.WARNING, headline=f"Draining: {left} in flight, ready for no new ones")


def _traced(errors: Verdict, performance: PerformanceSnapshot, findings: Sequence[Finding]) -> Verdict:
    """Return *errors* with the failing service behind them, where the route that has most of them calls one."""
    worst = max(performance.routes, key=lambda route: route.errors, default=None)
    if worst is None or not worst.errors:
        return errors
    failing = (each for each in findings if each.kind == FAILING_SERVICE and each.route == _name(worst))
    found = next(failing, None)
    if found is None:
        return errors
    return _acting(errors, found, cause=f"{errors.cause} {found.message}".strip())


def _explained(latency: Verdict, findings: Sequence[Finding]) -> Verdict:
    """Return *latency* with the first of *findings*, unless that is known to save next to nothing."""
    first = _urgent(findings)
    if first is None or first.estimate.get(TIME_SHARE, 1.0) < NOTABLE:
        return latency
    # The sentence before is about the busiest route; this may be another one.
    is_other = first.route and not latency.cause.startswith(f"{first.route} ")
    told = f"{first.route}: {first.message}" if is_other else first.message
    return _acting(latency, first, cause=f"{latency.cause} {told}".strip())


def _advised(verdict: Verdict, findings: Sequence[Finding]) -> Verdict:
    """Return the *verdict* of a healthy service; where much is to be done all the same, it says so."""
    first = _urgent(findings)
    if first is None or verdict.finding == identity(first):
        return verdict
    headline = verdict.headline.removeprefix(NOTHING_TO_DO)
    return _acting(verdict, first, headline=headline, cause=f"{first.message} {verdict.cause}".strip())


def _urgent(findings: Sequence[Finding]) -> Finding | None:
    """Return the first of the ranked *findings*, where that should not wait."""
    first = next(iter(findings), None)
    return first if first is not None and first.priority in (Priority.CRITICAL, Priority.HIGH) else None


def _acting(verdict: Verdict, finding: Finding, **changes: str) -> Verdict:
    """Return *verdict* with *changes*, and *finding* as what to do."""
    action = f"{finding.action} See {finding.site}." if finding.site else finding.action
    return msgspec.structs.replace(verdict, action=action, finding=identity(finding), **changes)


def _errors(performance: PerformanceSnapshot, targets: Targets) -> Iterator[Verdict]:
    failed, requests, share = performance.errors, performance.requests, performance.error_rate
    if requests < ENOUGH:
        # Too few for a rate, but most of a handful failing is no accident.
        if failed >= FEW and share >= 0.5:
            headline = f"{failed} of {count(requests, 'request')} failed in the last {window(performance.window)}"
            yield _blame_errors(performance, Status.WARNING, headline)
        return
    if share <= targets.error_rate:
        return
    status = Status.CRITICAL if share >= FAILING * targets.error_rate else Status.WARNING
    limit = f"{_beyond(share, targets.error_rate)} {percent(targets.error_rate)}"
    headline = f"{percent(share)} of requests fail, {limit}"
    yield _blame_errors(performance, status, headline)


def _blame_errors(performance: PerformanceSnapshot, status: Status, headline: str) -> Verdict:
    worst = max(performance.routes, key=lambda route: route.errors, default=None)
    if worst is None or not worst.errors:
        return Verdict(status=status, headline=headline)
    name = _name(worst)
    is_all = worst.errors >= performance.errors
    part = "all errors" if is_all else f"{worst.errors:,} of the {count(performance.errors, 'error')}"
    return Verdict(
        status=status,
        headline=headline,
        cause=f"{name} has {part}.",
        action=(
            f"Read the app's log for {name}: {worst.errors:,} of its {count(worst.requests, 'request')} "
            "ended in a 5xx or an exception."
        ),
    )


def _latency(performance: PerformanceSnapshot, targets: Targets) -> Iterator[Verdict]:
    p95 = performance.latency.p95
    if p95 is None or p95 <= targets.p95:
        return
    headline = f"p95 is {seconds(p95)}, {_beyond(p95, targets.p95)} {seconds(targets.p95)}"
    busiest = max(performance.routes, key=lambda route: route.share, default=None)
    if busiest is None:
        yield Verdict(status=Status.WARNING, headline=headline)
        return
    name = _name(busiest)
    own = f"; its own p95 is {seconds(busiest.latency.p95)}" if busiest.latency.p95 is not None else ""
    half = percent(busiest.share / 2)
    yield Verdict(
        status=Status.WARNING,
        headline=headline,
        cause=f"{name} holds {percent(busiest.share)} of all request time{own}.",
        action=f"Start with {name}: halving its time frees about {half} of all request time.",
    )


def _checks(health: HealthSnapshot) -> Iterator[Verdict]:
    if health.status in (Status.UNKNOWN, Status.HEALTHY):
        return
    ill = [check for check in health.checks if check.status in (Status.WARNING, Status.CRITICAL)]
    ill.sort(key=lambda check: (check.status is not Status.CRITICAL, not check.critical))
    if not ill:
        yield Verdict(status=health.status, headline=f"Health is {health.status.value}")
        return
    first, *others = ill
    verb = "fails" if first.status is Status.CRITICAL else "warns"
    message = first.message.strip().rstrip(".")
    yield Verdict(
        status=health.status,
        headline=f"Check {first.name} {verb}" + (f": {message}" if message else ""),
        cause=_check_cause(health, others),
        action=f"Mend what check {first.name} watches." if health.status is Status.CRITICAL else "",
    )


def _check_cause(health: HealthSnapshot, others: list[CheckSnapshot]) -> str:
    sentences = []
    if others:
        verb = "is" if len(others) == 1 else "are"
        sentences.append(f"{listed(check.name for check in others)} {verb} not healthy either.")
    if not health.is_live:
        sentences.append("This process asks to be restarted: its liveness probe answers 503.")
    elif health.status is Status.CRITICAL and not health.is_ready:
        sentences.append("The readiness probe answers 503, so load balancers send no requests here.")
    return " ".join(sentences)


def _collecting(performance: PerformanceSnapshot, targets: Targets) -> Verdict:
    seen = performance.total_requests
    if not seen:
        return Verdict(
            status=Status.UNKNOWN,
            headline="No request yet",
            cause=f"The verdict needs {count(targets.requests, 'request')}; numbers show from the first one.",
        )
    headline = f"{count(seen, 'request')} so far, {targets.requests:,} needed for a verdict"
    if not performance.errors:
        return Verdict(status=Status.UNKNOWN, headline=headline, cause="None of the last ones failed.")
    blamed = _blame_errors(performance, Status.UNKNOWN, headline)
    failed = f"{performance.errors:,} of the last {count(performance.requests, 'request')} failed."
    return msgspec.structs.replace(blamed, cause=f"{failed} {blamed.cause}".rstrip())


def _healthy(performance: PerformanceSnapshot, targets: Targets, findings: Sequence[Finding]) -> Verdict:
    past = window(performance.window)
    if performance.latency.p95 is None:
        some = count(performance.requests, "request") if performance.requests else "no request"
        return Verdict(
            status=Status.HEALTHY,
            headline=f"{NOTHING_TO_DO}{some} in the last {past}",
            cause=f"{count(performance.total_requests, 'request')} since the start.",
        )
    within = f"p95 is {seconds(performance.latency.p95)}, within its target of {seconds(targets.p95)}"
    slowest, is_slow = _slowest(performance, targets)
    remarks = [*_failing_route(performance, targets), *_blocked_loop(performance, findings)]
    if remarks or is_slow:
        cause = " ".join(filter(None, (*(remark.cause for remark in remarks), slowest)))
        first = remarks[0] if remarks else Verdict(status=Status.HEALTHY, headline="")
        return msgspec.structs.replace(first, headline=within, cause=cause)
    return Verdict(status=Status.HEALTHY, headline=f"{NOTHING_TO_DO}{within}", cause=slowest)


def _slowest(performance: PerformanceSnapshot, targets: Targets) -> tuple[str, bool]:
    """Return a sentence about the slowest route, and whether it is slower than it should be."""
    slowest = max(performance.routes, key=lambda route: route.latency.p95 or 0.0, default=None)
    p95 = slowest.latency.p95 if slowest else None
    if slowest is None or p95 is None:
        return "", False
    said = f"Slowest route: {_name(slowest)}, p95 {seconds(p95)}"
    target = targets.of_route(slowest.method, slowest.route)
    if p95 <= target:
        return f"{said}.", False
    part = percent(slowest.requests / max(1, performance.requests))
    return f"{said}, {_beyond(p95, target)} {seconds(target)}; it answers {part} of requests.", True


def _failing_route(performance: PerformanceSnapshot, targets: Targets) -> Iterator[Verdict]:
    """Yield a remark about a route that fails often, though seldom enough for the service as a whole."""
    failing = [
        route
        for route in performance.routes
        if route.errors >= FEW and route.requests >= ENOUGH and route.error_rate > targets.error_rate
    ]
    worst = max(failing, key=lambda route: route.errors, default=None)
    if worst is not None:
        said = f"{_name(worst)} fails {percent(worst.error_rate)} of its {count(worst.requests, 'request')}."
        yield Verdict(status=Status.HEALTHY, headline="", cause=said, action=f"Read the app's log for {_name(worst)}.")


def _blocked_loop(performance: PerformanceSnapshot, findings: Sequence[Finding]) -> Iterator[Verdict]:
    """Yield a remark about the call that blocked an event loop most, if it did so lately."""
    since = performance.at - performance.window
    site = next((each for each in performance.blocked if each.site and each.last_at >= since), None)
    if site is not None:
        said = f"{site.site} blocked the event loop {count(site.count, 'time')}, {seconds(site.longest)} at most."
        action = f"Await an async call at {site.site}, or run it in a thread."
        remark = Verdict(status=Status.HEALTHY, headline="", cause=said, action=action)
        found = next((each for each in findings if each.kind == BLOCKED_LOOP and each.site == site.site), None)
        yield remark if found is None else _acting(remark, found)


def _beyond(value: float, target: float) -> str:
    """Say how far *value* lies over *target*, up to the word before the target's number."""
    if target <= 0.0 or value / target < 1.05:
        return "just over the target of"
    return f"{factor(value / target)} the target of"


def _name(route: RouteSnapshot) -> str:
    return route_name(route.method, route.route)
