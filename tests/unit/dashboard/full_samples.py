"""Every page in each of its states: full to the brim, empty, asleep, off, failing, and as one that may only look.

`samples` has the states of the overview; here each page has all that it can show, for a browser to lay out.
"""

from __future__ import annotations

import msgspec

from perfkit.advice import Outlook
from perfkit.advice.ledger import Figures, Fixed, Release, Snoozed
from perfkit.cache.shadow.snapshot import ShadowEstimate, ShadowSnapshot
from perfkit.core.status import Status
from perfkit.dashboard import Done, Entry, Given, OverviewData
from perfkit.dashboard.pages.service.actions import ActionsFound
from perfkit.dashboard.pages.service.settings import SettingRow, SettingsFound
from perfkit.database.snapshot import CaptureState
from perfkit.health.snapshot import CheckSnapshot, StatusChange, WorkerHealth
from perfkit.performance.snapshot import Breach, Latency
from perfkit.registry import COMPONENTS
from tests.unit.dashboard import component_samples, samples
from tests.unit.dashboard.advice_samples import HOSTILE, SHORT, a_cache, a_database, a_load_balancer
from tests.unit.dashboard.samples import AT

__all__ = ["STATES", "found"]

LONG = "shop.catalogue.recommendations.personalised_for_returning_visitors"
"""A name without a place to break it."""


def filled(shown: OverviewData, text: str = "") -> OverviewData:
    """Return *shown* with something in all that a page may show, and *text* in all of that."""
    shadow = ShadowEstimate(
        hit_ratio=0.64, sizes={"0.5": 0.5, "2": 0.71, "4": 0.74}, strategies={"lru": 0.6, "s3fifo": 0.68}, expired=0.2
    )
    performance = msgspec.structs.replace(
        shown.performance,
        blocked=shown.performance.blocked or samples.HELD_UP,
        breaches=(
            Breach(name="p95", value=0.488, threshold=0.3, since=AT - 4000.0, route=f"GET /products{text}"),
            Breach(name="memory_share", value=2.1e9, threshold=2.0e9, since=AT - 40.0),
        ),
        event_loop_lag=Latency(mean=0.002, p50=0.001, p95=0.02, p99=0.31, max=0.8),
        queue_time=Latency(mean=0.001, p50=0.0004, p95=0.003, p99=0.01, max=0.09),
        gc_pause=Latency(mean=0.003, p50=0.002, p95=0.01, p99=0.02, max=0.05),
        gc_share=0.012,
        unavailable={"open_files": f"the platform does not say{text}"},
    )
    return msgspec.structs.replace(
        shown,
        performance=performance,
        health=msgspec.structs.replace(
            shown.health,
            checks=tuple(_seasoned(check, text) for check in shown.health.checks),
            workers=tuple(_worker(number) for number in range(4)),
        ),
        alerts=component_samples.alerts(AT, text),
        database=msgspec.structs.replace(
            a_database(text),
            captures=(
                CaptureState(name="sqlalchemy", is_active=True),
                CaptureState(name="asyncpg", is_active=False, reason=f"the self-test was not captured{text}"),
            ),
        ),
        cache=msgspec.structs.replace(
            a_cache(text or LONG), shadow=ShadowSnapshot(total=shadow, namespaces={text or LONG: shadow})
        ),
        load_balancer=a_load_balancer(text or "stock"),
        outlook=Outlook(score=94, fingerprints=("n1", "c1")),
        fixed=(_fixed(text), msgspec.structs.replace(_fixed(text), fingerprint="n8", proof="", release="")),
        snoozed=(Snoozed(finding=SHORT, until=AT + 600_000.0),),
        releases=tuple(Release(name=f"2.{n}.0{text}", at=AT - 90_000.0 + 29_950.0 * n) for n in range(4)),
        recordings=(AT - 5_000.0, AT - 60.0),
        done=_done(text),
    )


def _seasoned(check: CheckSnapshot, text: str) -> CheckSnapshot:
    history = (
        StatusChange(AT - 9000.0, Status.CRITICAL, f"Connection refused.{text}"),
        StatusChange(AT - 8000.0, Status.HEALTHY),
    )
    return msgspec.structs.replace(
        check, history=history, duration=0.0019, p95=0.004, failures=2, timeouts=1, depends_on=("database",)
    )


def _worker(number: int) -> WorkerHealth:
    return WorkerHealth(
        number=number,
        pid=812 + number,
        status=Status.HEALTHY,
        is_live=number != 3,
        is_started=number != 2,
        is_draining=number == 1,
        reported_at=AT - 1.0,
    )


def _fixed(text: str) -> Fixed:
    return Fixed(
        fingerprint="n9",
        code="PK101",
        kind="n_plus_one",
        component="database",
        message=f"214 queries in one request load Product.reviews one by one.{text}",
        site=f"shop/views/products.py:48{text}",
        route=f"GET /products{text}",
        object="review",
        first_seen=AT - 7_200.0,
        since=AT - 3_600.0,
        fixed_at=AT - 3_500.0,
        release=f"2.8.1{text}",
        before=Figures(requests=400, p95=0.488, queries=216.0),
        after=Figures(requests=120, p95=0.066, queries=3.0),
        proof="216 → 3 queries, p95 488 ms → 66.0 ms",
    )


def _done(text: str, number: int = 0) -> Done:
    return Done(
        id=f"{number:012x}",
        at=AT - 60.0 * number,
        who=f"127.0.0.1, loopback{text}",
        what=("cache-clear", "database-explain")[number % 2],
        said={"namespace": f"home{text}"},
        is_done=number % 3 != 2,
        result=f"Everything in the namespace 'home' of the cache is forgotten.{text}\nSEARCH review USING INDEX a",
    )


def _setting(number: int, text: str) -> SettingRow:
    values = ("5000", "GET /health, GET /metrics, GET /static", f"{LONG}{text}", "True", "hidden")
    return SettingRow(
        name=f"{('cache', 'database', 'performance')[number % 3]}.setting_with_a_long_name_{number}",
        value=values[number % 5],
        source=("default", "preset production", "settings", "PERFKIT_CACHE__MAX_SIZE", "code")[number % 5],
        meaning=f"What it means, in one line that tells the unit and the range of it.{text}",
    )


def found(entry: Entry, shown: OverviewData, given: Given) -> object:
    """What `Routes` gathers for one view of a page, made up; nothing of a service that has done nothing yet."""
    if not shown.performance.total_requests:
        return None
    text = HOSTILE if shown.service == HOSTILE else ""
    if entry.name in component_samples.NAMES:
        return component_samples.component_found(entry, shown, given, text)
    if entry.name == "actions":
        return ActionsFound(tuple(_done(text, number) for number in range(7)))
    if entry.name == "settings":
        return SettingsFound(settings=tuple(_setting(n, text) for n in range(30)), directory=f"/run/{LONG}{text}")
    return samples.found(entry, shown, given)


def _states() -> dict[str, OverviewData]:
    known = samples.states()
    healthy = known["healthy"]
    full = filled(known["advised"])
    return {
        **known,
        "full": full,
        "full-hostile": filled(known["hostile"], HOSTILE),
        "full-crowd": msgspec.structs.replace(full, performance=known["crowd"].performance),
        "full-failing": msgspec.structs.replace(full, **_of(known["failing"], "performance", "health", "verdict")),
        "full-alone": msgspec.structs.replace(full, **_of(known["not-shared"], "performance", "is_shared", "degraded")),
        "asleep": msgspec.structs.replace(healthy, asleep=("cache", "database", "load_balancer", "recorder")),
        "off": msgspec.structs.replace(
            known["performance-off"],
            health=known["health-off"].health,
            missing=("performance", "health"),
            off=tuple(COMPONENTS),
            health_url="",
            metrics_url="",
        ),
    }


def _of(shown: OverviewData, *names: str) -> dict[str, object]:
    return {name: getattr(shown, name) for name in names}


STATES = _states()
