"""What cannot be is refused where it is said, in three sentences, and changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from perfkit.load_balancer import (
    LoadBalancer,
    LoadBalancerError,
    ServerNotFoundError,
    ServerSpec,
    deadline,
    dns,
    srv,
)
from perfkit.load_balancer.proxy import Proxy

Ask = Callable[[LoadBalancer], Any]

MISTAKES: dict[str, Ask] = {
    "a strategy that is a number": lambda b: LoadBalancer(3),
    "a strategy without a name": lambda b: LoadBalancer(""),
    "a strategy that there is not": lambda b: LoadBalancer("peek_ewma"),
    "a negative slow start": lambda b: LoadBalancer(slow_start=-1),
    "a slow start that is no number": lambda b: LoadBalancer(slow_start=math.nan),
    "a zone that is a number": lambda b: LoadBalancer(zone=3),  # type: ignore[arg-type]  # the mistake
    "settings that are a dict": lambda b: LoadBalancer(settings={}),  # type: ignore[arg-type]  # the mistake
    "a server without a name": lambda b: b.add_server("", host="h"),
    "a long name": lambda b: b.add_server("n" * 201, host="h"),
    "a name that is a number": lambda b: b.add_server(3, host="h"),  # type: ignore[arg-type]  # the mistake
    "a port that is a text": lambda b: b.add_server("n", host="h", port="80"),  # type: ignore[arg-type]  # the mistake
    "a negative port": lambda b: b.add_server("n", host="h", port=-1),
    "a port too high": lambda b: b.add_server("n", host="h", port=65_536),
    "no weight": lambda b: b.add_server("n", host="h", weight=0),
    "a weight that is no number": lambda b: b.add_server("n", host="h", weight=math.nan),
    "a weight without end": lambda b: b.add_server("n", host="h", weight=math.inf),
    "a negative priority": lambda b: b.add_server("n", host="h", priority=-1),
    "a host that is a URL": lambda b: b.add_server("n", host="http://h/"),
    "a host with a port": lambda b: b.add_server("n", host="shop:80"),
    "a host in brackets": lambda b: b.add_server("n", host="[::1]"),
    "a host with a space": lambda b: b.add_server("n", host="a b"),
    "a host with another header": lambda b: b.add_server("n", host="a\r\nX: y"),
    "a host that is not ASCII": lambda b: b.add_server("n", host="lädchen.example"),
    "another address for a name": lambda b: b.add_server("a", host="other", port=1),
    "reconciling texts": lambda b: b.reconcile(["n"]),  # type: ignore[list-item]  # the mistake
    "reconciling nothing": lambda b: b.reconcile(None),  # type: ignore[arg-type]  # the mistake
    "reconciling one that cannot be": lambda b: b.reconcile([ServerSpec(name="n"), ServerSpec(name="m", weight=-1)]),
    "a latency that is no number": lambda b: b.acquire().release(latency=math.nan),
    "a negative latency": lambda b: b.acquire().release(latency=-0.1),
    "a latency without end": lambda b: b.acquire().release(latency=math.inf),
    "a request that is no function": lambda b: b.execute_request(None),  # type: ignore[arg-type]  # the mistake
    "a timeout that is no number": lambda b: b.execute_request(lambda server: 1, timeout=math.nan),
    "a timeout that is a text": lambda b: b.execute_request(lambda server: 1, timeout="1"),  # type: ignore[arg-type]  # the mistake
    "a source that is no function": lambda b: b.discover(3),
    "an interval of nothing": lambda b: b.discover(list, interval=0),
    "an interval that is no number": lambda b: b.discover(list, interval=math.nan),
    "a check that is no function": lambda b: b.check_servers(3),
    "a deadline that is no number": lambda b: deadline(math.nan).__enter__(),
    "a source without a host": lambda b: dns("", 80),
    "a source without a port": lambda b: dns("h", 0),
    "records without a name": lambda b: srv(""),
    "a proxy of nothing": lambda b: Proxy(3),  # type: ignore[arg-type]  # the mistake
    "a negative time of the proxy": lambda b: Proxy(b, connect_timeout=-1),
    "a time that is no number": lambda b: Proxy(b, idle_timeout=math.nan),
    "a time that is a text": lambda b: Proxy(b, response_timeout="60"),
    "no headers at all": lambda b: Proxy(b, max_headers=0),
    "hosts in one text": lambda b: Proxy(b, allowed_hosts="shop.example"),
    "proxies in one text": lambda b: Proxy(b, trusted_proxies="10.0.0.0/8"),
    "a proxy that is no address": lambda b: Proxy(b, trusted_proxies=("ten",)),
    "a pseudonym of two words": lambda b: Proxy(b, pseudonym="a b"),
    "a key that is no function": lambda b: Proxy(b, key=3),  # type: ignore[arg-type]  # the mistake
}


@pytest.fixture
def balancer() -> LoadBalancer:
    made = LoadBalancer()
    made.add_server("a", host="h", port=1)
    return made


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_sentences_and_changes_nothing(balancer: LoadBalancer, mistake: str) -> None:
    with pytest.raises(LoadBalancerError) as caught:
        MISTAKES[mistake](balancer)
    told = str(caught.value)
    assert told.endswith((".", "?"))
    assert told.count(". ") >= 1, told
    assert [server.name for server in balancer.servers] == ["a"]
    assert sum(server.in_flight for server in balancer.servers) == 0
    balancer.acquire().release(latency=0.1)


@pytest.mark.parametrize("name", ["remove_server", "drain_server", "restore_server", "server", "explain"])
def test_a_server_that_is_not_there_is_named_with_those_that_are(balancer: LoadBalancer, name: str) -> None:
    with pytest.raises(ServerNotFoundError, match=r"There is no server 'x'\. The balancer knows: a\. "):
        getattr(balancer, name)("x")
    with pytest.raises(ServerNotFoundError):
        balancer.set_health("x", True)


@pytest.mark.parametrize("figure", [math.nan, -3, math.inf, "x", None])
def test_a_probe_that_cannot_be_is_counted_and_forgotten(balancer: LoadBalancer, figure: Any) -> None:
    balancer.record_probe("a", in_flight=figure)
    balancer.record_probe("gone", in_flight=1)
    assert balancer.server("a").report is None or figure is None
    assert balancer.probe_targets(-1) == []


@pytest.mark.parametrize("host", ["h", "10.0.0.7", "::1", "fd00::7", "fe80::1%eth0", "shop_1.internal", "a-b.c", ""])
def test_hosts_that_can_be_are_taken(balancer: LoadBalancer, host: str) -> None:
    assert balancer.add_server("n", host=host).host == host
