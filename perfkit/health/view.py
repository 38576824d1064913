"""One picture of all workers: the worst of what each says, what is skipped, what is stale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from perfkit.core.status import Status
from perfkit.health.fleet import Report
from perfkit.health.registered.roster import Roster
from perfkit.health.snapshot import CheckSnapshot, WorkerHealth

__all__ = ["View", "registered_checks", "together"]


class View(msgspec.Struct, frozen=True):
    """The picture that was made of *own* checks and the *reports* of all; kept as long as those are the same.

    Attributes:
        status: The worst of all checks.
        workers: What each worker says of itself; empty where there is only one.
    """

    own: list[CheckSnapshot] = []
    reports: Mapping[str, Report] = {}
    checks: tuple[CheckSnapshot, ...] = ()
    status: Status = Status.UNKNOWN
    workers: tuple[WorkerHealth, ...] = ()

    @classmethod
    def of(cls, own: list[CheckSnapshot], reports: Mapping[str, Report]) -> View:
        """Return the picture of what this worker and all others say."""
        all_reports = list(reports.values())
        checks = together(own, all_reports) if len(all_reports) > 1 else tuple(own)
        workers = sorted((report.worker for report in all_reports), key=lambda worker: (worker.number, worker.pid))
        return cls(
            own=own,
            reports=reports,
            checks=checks,
            status=Status.worst(check.counted_status for check in checks),
            workers=tuple(workers) if len(workers) > 1 else (),
        )


def registered_checks(roster: Roster, now: float) -> list[CheckSnapshot]:
    """Return what the registered checks of this worker show at *now* (monotonic seconds).

    A check whose parent fails is not known, whatever it said; one without a result for longer than its ttl warns.
    """
    shown = []
    for record in list(roster.records.values()):
        seen = record.seen
        parent = roster.failing_parent(record.registration)
        if parent is not None:
            message = f'skipped because "{parent}" fails'
            seen = msgspec.structs.replace(
                seen, status=Status.UNKNOWN, message=message, value=None, details="", skipped_because=parent
            )
        elif record.is_stale(now) and seen.status is not Status.CRITICAL:
            message = f"no result for more than {record.registration.ttl:g} s; the last one: {seen.message}"
            seen = msgspec.structs.replace(seen, status=Status.WARNING, message=message)
        shown.append(seen)
    return shown


def together(own: Sequence[CheckSnapshot], reports: Iterable[Report]) -> tuple[CheckSnapshot, ...]:
    """Return each check once: shared ones as this worker knows them, the others as the worst worker says.

    Of equal ones the worker of the lowest number speaks, so that every worker shows the same.
    """
    ordered = sorted(reports, key=lambda report: (report.worker.number, report.token))
    said: dict[str, list[tuple[Report, CheckSnapshot]]] = {}
    for report in ordered:
        for check in report.checks:
            said.setdefault(check.name, []).append((report, check))
    checks = {check.name: check for check in own if check.is_shared or check.name not in said}
    for name, answers in said.items():
        if name not in checks:
            checks[name] = _worst(answers)
    order = {check.name: index for index, check in enumerate(own)}
    return tuple(sorted(checks.values(), key=lambda check: (order.get(check.name, len(order)), check.name)))


def _worst(answers: Sequence[tuple[Report, CheckSnapshot]]) -> CheckSnapshot:
    worst, check = answers[0]
    for report, other in answers[1:]:
        if _rank(other) > _rank(check):
            worst, check = report, other
    if len(answers) == 1 or check.status not in (Status.WARNING, Status.CRITICAL):
        return msgspec.structs.replace(check, worker=worst.worker.number)
    alike = sum(_rank(other) == _rank(check) for _, other in answers)
    more = f", and {alike - 1} more" if alike > 1 else ""
    message = f"{check.message} (worker {worst.worker.number}, pid {worst.worker.pid}{more})"
    return msgspec.structs.replace(check, worker=worst.worker.number, message=message)


def _rank(check: CheckSnapshot) -> int:
    return (Status.UNKNOWN, Status.HEALTHY, Status.WARNING, Status.CRITICAL).index(check.status)
