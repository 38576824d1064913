"""What the pages of single components are made of: made up, always the same."""

from __future__ import annotations

from perfkit.alerts.alert import Alert, AlertState, Severity
from perfkit.alerts.delivery.courier import ReceiverSnapshot
from perfkit.alerts.routing.silences import Silence
from perfkit.alerts.snapshot import AlertRecord, AlertsSnapshot, RuleSnapshot, SloSnapshot
from perfkit.core.status import Status
from perfkit.dashboard import Entry, Given, OverviewData
from perfkit.dashboard.pages.components.alerts import AlertsFound
from perfkit.dashboard.pages.components.database import PoolRow, PoolsFound, QueryFound
from perfkit.dashboard.pages.components.upstreams import HostRow, UpstreamsFound
from perfkit.database.report.statistics import Caller, SlowQuery
from perfkit.database.report.texts import RouteUse
from perfkit.load_balancer.explanation import Explanation, ServerExplanation
from perfkit.load_balancer.servers import ServerState

__all__ = ["NAMES", "alerts", "component_found"]

NAMES = ("database", "query", "upstreams", "alerts")


def alert(at: float, text: str, **changes: object) -> Alert:
    fields: dict[str, object] = {
        "fingerprint": "90ab",
        "name": f"slow{text}",
        "severity": Severity.CRITICAL,
        "state": AlertState.FIRING,
        "message": f"p95 is 488 ms, above 300 ms{text}",
        "source": f"performance{text}",
        "value": 0.488,
        "threshold": 0.3,
        "at": at - 90.0,
        "started_at": at - 90.0,
        "labels": {"method": "GET", "route": f"/products{text}"},
    }
    return Alert(**{**fields, **changes})  # type: ignore[arg-type]  # of its fields


def alerts(at: float, text: str = "") -> AlertsSnapshot:
    """Return one alert of each kind, with *text* in all that has any."""
    return AlertsSnapshot(
        at=at,
        status=Status.CRITICAL,
        evaluated_at=at - 1.0,
        is_evaluating=True,
        active=(
            alert(at, text),
            alert(at, text, is_silenced=True, acknowledged_by=text, inhibited_by=text, value=None, labels={}),
        ),
        pending=(alert(at, text, state=AlertState.PENDING, severity=Severity.WARNING),),
        resolved=(alert(at, text, state=AlertState.RESOLVED),),
        silences=(Silence(id=f"s1{text}", where={"alertname": text}, starts_at=at, ends_at=at + 60.0, author=text),),
        receivers=(
            ReceiverSnapshot(name=f"mail{text}", kind=text, failing_since=at - 5.0, last_error=text),
            ReceiverSnapshot(name="log", kind="log"),
        ),
        rules=(
            RuleSnapshot(name=f"errors{text}", severity=Severity.INFO, state=AlertState.INACTIVE, threshold=1.0),
            RuleSnapshot(name="slow", severity=Severity.CRITICAL, state=AlertState.FIRING, threshold=0.3, value=0.488),
        ),
        slos=(
            SloSnapshot(
                name=f"orders{text}", objective=0.999, period=2_592_000.0, events=10.0, bad=1.0, budget_left=-0.5
            ),
        ),
    )


def query(text: str = "") -> SlowQuery:
    return SlowQuery(
        sql=f"SELECT review.id FROM review WHERE review.product_id = ?{text}",
        id=f"f987{text}",
        system=f"sqlite{text}",
        summary=f"SELECT review{text}",
        calls=10_800,
        slow=3,
        total=16.1,
        mean=0.00149,
        p95=0.0075,
        rows=1.0,
        errors=2,
        share=0.099,
        callers=(Caller(f"shop/{text}views.py:48", f"list{text}", 2452),),
        routes=(RouteUse(f"GET /products{text}", 245, 13_230, 19.4, 0.16),),
    )


def component_found(entry: Entry, shown: OverviewData, given: Given, text: str) -> object:
    """Return what the page of *entry*, one of `NAMES`, gathers, with *text* in all that has any."""
    if entry.name == "query":
        return QueryFound(query(text))
    if entry.name == "database":
        pool = PoolRow(name=f"sqlite-1{text}", used=1, idle=35, waiting=2, wait_p95=0.000975)
        return PoolsFound(queries=(query(text), query()), pools=(pool,))
    if entry.name == "alerts":
        record = AlertRecord(
            at=shown.at - 60.0,
            fingerprint="90ab",
            name=f"slow{text}",
            severity=Severity.WARNING,
            state=AlertState.RESOLVED,
            message=text,
            source=text,
            value=None,
            threshold=0.3,
            labels={},
            duration=75.0,
        )
        return AlertsFound((record,))
    why = ServerExplanation(name=f"app-1{text}", state=ServerState.HEALTHY, reason=text, share=0.5, in_flight=1)
    host = HostRow(
        host=f"stock.internal{text}", calls=110, failures=21, seconds=9.9, p95=0.4, outcomes={"2xx": 89, text: 21}
    )
    told = Explanation(
        summary=f"2 of 2 are well{text}", strategy="auto", is_panicking=False, retries_available=10.0, servers=(why,)
    )
    return UpstreamsFound(hosts=(host,), explanation=told)
