"""Which hosts fail the app's calls, and where these are made: the same in all workers.

How many calls there were and how many failed is counted in the store, by all workers. Once a minute the leader notes
how far these counts are, and tells the others: so all compare with the same minutes. A host is told for the last six of
them, as long as it fails in the last two as well. Where the calls are made each worker notes at those that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from perfkit.core.families import Histogram
from perfkit.core.findings import Effect, Finding, Priority
from perfkit.core.lazy import imported
from perfkit.core.spans import Exchange, get_exchange, route_of
from perfkit.load_balancer.outbound.calls import CALLS, FAILURES, MOST_HOSTS
from perfkit.store import Store
from perfkit.store.checkpoints import Shares

__all__ = ["Failing"]

ENOUGH = 50
"""Calls of a host in these minutes from which on something is said of it."""

FEW = 20
"""Calls in the last two minutes below which these say nothing of their own."""

FAILING = 0.05
"""Part of failures from which on a host is a finding, 0-1."""

MINUTE = 60.0
MINUTES = 6
"""Minutes after which calls are forgotten."""

EPHEMERAL = 32_768
"""The lowest port that Linux gives to who asks for any (net.ipv4.ip_local_port_range)."""

MOST_SITES = 20
"""Places remembered of one host."""

SHOWN_SITES = 5

HANDLED = {
    "aiohttp": (
        "await session.get(url, timeout=aiohttp.ClientTimeout(total=2.0))",
        "aiohttp.ClientError, TimeoutError",
    ),
    "httpx": ("client.get(url, timeout=2.0)", "httpx.HTTPError"),
    "httpx2": ("client.get(url, timeout=2.0)", "httpx2.HTTPError"),
    "requests": ("session.get(url, timeout=2.0)", "requests.RequestException"),
    "urllib": ("urllib.request.urlopen(url, timeout=2.0)", "OSError"),
    "urllib3": ('http.request("GET", url, timeout=2.0)', "urllib3.exceptions.HTTPError"),
}
"""By client: a call with a timeout, and what it raises."""

_is_local = re.compile(r"(localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]):([0-9]{1,5})").fullmatch

Totals = dict[str, tuple[float, float]]
"""Calls and failures by host."""


class Minutes(msgspec.Struct, frozen=True, kw_only=True):
    """What had been counted at the last minutes, the newest first."""

    totals: list[Totals] = []


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Where one worker's calls to a host failed.

    Attributes:
        sites: Line of the user's code → failures seen there.
        route: The route of the last one; empty where there was none.
        client: The library.
    """

    sites: dict[str, int] = {}
    route: str = ""
    client: str = ""


class _Noted:
    """One host in this worker; the exchange tells the route once the request is over."""

    __slots__ = ("client", "exchange", "route", "sites")

    def __init__(self) -> None:
        self.sites: dict[str, int] = {}
        self.client = self.route = ""
        self.exchange: Exchange | None = None


class Failing:
    """What is known of hosts that fail. Thread-safe: what races costs a count of a place."""

    def __init__(self, store: Store) -> None:
        """Read the calls of *store*."""
        self._store = store
        self._noted: dict[str, _Noted] = {}
        self._callers = Shares(store, "outbound.caller", Caller, most=MOST_HOSTS)
        self._minutes = Shares(store, "outbound.minutes", Minutes, most=1)
        self._turned = 0.0

    def note(self, host: str, client: str, site: str) -> None:
        """Note that a call to *host* failed that *client* was asked for at *site*; empty where that is not known."""
        noted = self._noted.get(host)
        if noted is None:
            if len(self._noted) >= MOST_HOSTS:
                return
            noted = self._noted.setdefault(host, _Noted())
        if site and (site in noted.sites or len(noted.sites) < MOST_SITES):
            noted.sites[site] = noted.sites.get(site, 0) + 1
        noted.client = client
        noted.exchange = get_exchange() or noted.exchange

    def tick(self, now: float) -> None:
        """Tell the others where calls failed; as the leader, begin to forget what is older than two windows."""
        for host, noted in list(self._noted.items()):
            exchange = noted.exchange
            if exchange is not None and exchange[0]:
                noted.route = route_of(exchange) or noted.route
                noted.exchange = None
            known = Caller(sites=dict(noted.sites), route=noted.route, client=noted.client)
            self._callers.tell(host, known, now)
        if not self._turned:
            self._turned = now
        elif now - self._turned >= MINUTE and self._store.is_leader:
            self._turned = now
            self._minutes.tell("", Minutes(totals=[self._totals(), *self._known()[: MINUTES - 1]]), now)

    def findings(self) -> Iterator[Finding]:
        """Yield the hosts that fail often."""
        callers, minutes = self._callers.read(), self._known()
        for host, counted in self._totals().items():
            calls, failures = _since(counted, minutes[MINUTES - 1 : MINUTES], host)
            of_late, failed_of_late = _since(counted, minutes[1:2], host)
            is_over = of_late >= FEW and failed_of_late / of_late < FAILING
            if calls >= ENOUGH and failures / calls >= FAILING and not is_over:
                yield _finding(host, int(calls), int(failures), callers.get(host, []))

    def _known(self) -> list[Totals]:
        told = self._minutes.read().get("")
        return told[0].totals if told else []

    def _totals(self) -> Totals:
        found: Totals = {}
        for family in self._store.families({CALLS.name}):
            for point in family.points:
                if isinstance(point.value, Histogram):
                    host, _, outcome = point.labels
                    calls, failures = found.get(host, (0.0, 0.0))
                    count = point.value.count
                    found[host] = calls + count, failures + (count if outcome in FAILURES else 0.0)
        return found


def _since(counted: tuple[float, float], minutes: list[Totals], host: str) -> tuple[float, float]:
    """Return calls and failures after the one of *minutes*; all of them where there is none, or counts began anew."""
    calls, failures = minutes[0].get(host, (0.0, 0.0)) if minutes else (0.0, 0.0)
    if counted[0] < calls or counted[1] < failures:
        return counted
    return counted[0] - calls, counted[1] - failures


def _finding(host: str, calls: int, failures: int, callers: list[Caller]) -> Finding:
    sites: dict[str, int] = {}
    for caller in callers:
        for site, count in caller.sites.items():
            sites[site] = sites.get(site, 0) + count
    first = dict(sorted(sites.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_SITES])
    evidence: dict[str, object] = {"calls": calls, "failures": failures}
    if len(first) > 1:
        evidence["sites"] = first
    return Finding(
        code="PK503",
        kind="failing_dependency",
        component="load_balancer",
        priority=Priority.HIGH,
        message=f"{100.0 * failures / calls:.0f} % of {calls} calls to {host} failed.",
        action=f"Give calls to {host} a timeout and an answer for when it fails; look at that service.",
        site=next(iter(first), None),
        route=next((caller.route for caller in callers if caller.route), None),
        object=host,
        evidence=evidence,
        fix=_fix(next((caller.client for caller in callers if caller.client), "")),
        # An answer for when it fails is there at once; calls that succeed take as long as before.
        effect=Effect(kind="outbound", name=host, variant="failed"),
        fingerprint=f"failing_dependency:{_lasting(host)}",
    )


def _lasting(host: str) -> str:
    """Return *host* without a port that another run will not have: that of a stub on this machine.

    Else each run of tests would have a problem of its own. Where several such stubs fail, one is told at a time.
    """
    found = _is_local(host)
    return found[1] if found is not None and int(found[2]) >= EPHEMERAL else host


def _fix(client: str) -> dict[str, str]:
    name = client.partition(".")[0]
    if name == "urllib3" and imported("requests") is not None:
        name = "requests"
    if name not in HANDLED:
        return {}
    call, error = HANDLED[name]
    error = f"({error})" if "," in error else error
    return {"python": f"try:\n    answer = {call}\nexcept {error}:\n    answer = None  # and go on without it"}
