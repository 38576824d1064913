"""Which finding comes first: what all components report, once each, the most urgent at the top. Pure.

Urgent is what costs users time. Where the requests that were kept tell what is saved (`perfkit.advice.foresight`), or a
finding says how much a request saves and in how many it was met, its part of all request time raises its priority; what
is cheap and rare as well is no advice. A cheap one that many requests meet keeps its priority: a database on the same
machine hides what it will cost over a network. What comes without evidence is no advice either.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from operator import attrgetter

import msgspec

from perfkit.core.findings import Finding, Priority, State

__all__ = ["MOST", "NOTABLE", "TIME_SHARE", "Load", "identity", "led_by", "rank"]

MOST = 100
"""Recommendations returned at most."""

LONGEST = 400
"""Characters of what tells two findings apart."""

TIME_SHARE = "request_time_share"
"""The name in `Finding.estimate` of the part of all request time that is saved, 0-1."""

LARGE = 0.1
"""Part of all request time from which a finding is of high priority at least."""

NOTABLE = 0.01
"""Part of all request time from which it is of medium priority at least, and below which it is cheap."""

RARE = 0.01
"""Part of all requests below which it is rare."""

ENOUGH = 50
"""Requests from which a part of their time says something."""

_TIMES = (TIME_SHARE, "load_seconds_saved", "seconds_saved", "seconds_saved_per_second")
"""Names in `Finding.estimate` of time that is saved."""

_CERTAINTY = {"sure": 0, "likely": 1, "guess": 2}


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the service has done since it started counting.

    Attributes:
        requests: Requests finished.
        seconds: The time that they took in all.
    """

    requests: int = 0
    seconds: float = 0.0


def rank(
    findings: Iterable[Finding],
    load: Load = Load(),  # noqa: B008 - frozen
    *,
    most: int = MOST,
    with_snoozed: bool = False,
) -> list[Finding]:
    """Return *findings* without repetitions, the most urgent first: by priority, time saved, confidence, code.

    Of the same priority, what has no estimate of the time comes after what has one. What is snoozed (unless
    *with_snoozed*), fixed or gone, has no evidence, or is cheap and rare, is left out. Where the time saved is known it
    is told in `Finding.estimate` under `TIME_SHARE`, and may change the priority.
    """
    kept: dict[str, Finding] = {}
    for finding in findings:
        is_hidden = finding.state is State.SNOOZED and not with_snoozed
        if is_hidden or finding.state.is_over or not finding.evidence:
            continue
        weighed = _weighed(_encodable(finding), load)
        if weighed is None:
            continue
        name = identity(finding)
        if name not in kept or _place(weighed) < _place(kept[name]):
            kept[name] = weighed
    return sorted(kept.values(), key=lambda finding: (*_place(finding), identity(finding)))[:most]


def led_by(fingerprint: str, findings: Iterable[Finding]) -> list[Finding]:
    """Return the ranked *findings* with that of *fingerprint* first; as they are where none is."""
    return sorted(findings, key=lambda finding: not fingerprint or identity(finding) != fingerprint)


def identity(finding: Finding) -> str:
    """Return what makes two findings the same problem."""
    path = (finding.site or "").rpartition(":")[0]
    told = finding.fingerprint or f"{finding.component}:{finding.code}:{finding.object}:{path}"
    return told[:LONGEST]


def _encodable(finding: Finding) -> Finding:
    """Return *finding* with evidence that every reader can show: file names need not be UTF-8, values not be JSON."""
    try:
        msgspec.json.encode(finding)
    except (TypeError, ValueError):
        fields = msgspec.structs.asdict(finding) | {"effect": finding.effect and msgspec.structs.asdict(finding.effect)}
        told = json.dumps(fields, default=repr, skipkeys=True, ensure_ascii=False).encode("utf-8", "replace")
        return msgspec.convert(json.loads(told), Finding)
    return finding


def _place(finding: Finding) -> tuple[float, ...]:
    return (
        finding.priority.rank,
        all(name not in finding.estimate for name in _TIMES),
        -finding.estimate.get(TIME_SHARE, 0.0),
        _CERTAINTY.get(finding.confidence, len(_CERTAINTY)),
        int("".join(filter(str.isdecimal, finding.code)) or 0),
    )


def _weighed(finding: Finding, load: Load) -> Finding | None:
    """Return *finding* with what it costs, and the priority that follows; None if that is next to nothing."""
    share = _time_share(finding, load)
    if share is None:
        return finding
    priority = finding.priority
    if share >= LARGE:
        priority = min(priority, Priority.HIGH, key=attrgetter("rank"))
    elif share >= NOTABLE:
        priority = min(priority, Priority.MEDIUM, key=attrgetter("rank"))
    elif _seconds_saved(finding) is not None and _is_rare(finding, load):
        # What is told for another reason than time, such as failures, is told however cheap it is.
        return None
    return msgspec.structs.replace(finding, priority=priority, estimate={**finding.estimate, TIME_SHARE: share})


def _is_rare(finding: Finding, load: Load) -> bool:
    met = finding.evidence.get("requests")
    return not isinstance(met, (int, float)) or met < RARE * load.requests


def _time_share(finding: Finding, load: Load) -> float | None:
    """Return the part of all request time that *finding* would save; None where nobody knows, or too few were seen."""
    if load.requests < ENOUGH or not load.seconds > 0.0:
        return None
    share = finding.estimate.get(TIME_SHARE)
    if share is None:
        seconds = _seconds_saved(finding)
        if seconds is None:
            return None
        share = seconds / load.seconds
    return min(1.0, share) if math.isfinite(share) and share >= 0.0 else None


def _seconds_saved(finding: Finding) -> float | None:
    """Return the seconds saved since the start: told as a sum over all workers, else of each request times requests."""
    told = finding.estimate.get("load_seconds_saved")
    if told is not None:
        return told
    each, requests = finding.estimate.get("seconds_saved"), finding.evidence.get("requests")
    return each * requests if each is not None and isinstance(requests, (int, float)) else None
