"""The settings of the load balancer."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from perfkit.core.errors import LoadBalancerError
from perfkit.core.settings import Settings

if TYPE_CHECKING:
    from perfkit.core.context import Context

__all__ = ["LoadBalancerSettings", "ServerSettings", "StrategyName", "function_of", "overridden", "positive"]

CLIENTS = ("httpx", "httpx2", "urllib3", "urllib.request", "aiohttp")
"""Modules by which an app calls others; requests brings urllib3."""

StrategyName = Literal[
    "auto",
    "round_robin",
    "weighted_round_robin",
    "least_connections",
    "least_response_time",
    "resource_based",
    "hash",
    "random",
    "power_of_two",
    "peak_ewma",
    "prequal",
]


class ServerSettings(Settings, frozen=True):
    """One server that the balancer knows from the start."""

    host: Annotated[str, Meta(min_length=1, max_length=255, description="Name or address of the server.")]
    port: Annotated[int, Meta(ge=0, le=65_535, description="Its port; 0 where the host says it all.")] = 0
    weight: Annotated[float, Meta(gt=0, le=1e6, description="Its capacity beside the others'.")] = 1.0
    zone: Annotated[str, Meta(max_length=100, description="Where it runs; empty where that does not matter.")] = ""
    priority: Annotated[int, Meta(ge=0, le=100, description="0 is used first; others as those before fail.")] = 0


class LoadBalancerSettings(Settings, frozen=True):
    """Who gets which request, when a server is left alone, and how often a request is tried again."""

    enabled: Annotated[bool, Meta(description="Have a load balancer.")] = True
    strategy: Annotated[
        StrategyName,
        Meta(
            description="How a server is chosen; auto estimates from requests in flight, latencies and, where servers "
            "send them, load reports."
        ),
    ] = "auto"
    servers: Annotated[
        dict[str, ServerSettings], Meta(max_length=10_000, description="The servers by name, known from the start.")
    ] = field(default_factory=dict)
    zone: Annotated[
        str, Meta(max_length=100, description="Where this client runs: servers of this zone are preferred.")
    ] = ""
    consecutive_failures: Annotated[
        int, Meta(ge=0, le=1000, description="Failures in a row after which a server is ejected; 0 never.")
    ] = 5
    failure_share: Annotated[
        float, Meta(gt=0, le=1, description="Part of failures within the window that ejects a server, 0-1.")
    ] = 0.5
    failure_least: Annotated[
        int, Meta(ge=2, le=100_000, description="Requests within the window from which on the part counts.")
    ] = 8
    failure_window: Annotated[float, Meta(gt=0, le=3600, description="Seconds of the window.")] = 10.0
    ejection_time: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds of a server's first ejection; the n-th lasts n times as long.")
    ] = 5.0
    ejection_time_max: Annotated[float, Meta(gt=0, le=86_400, description="The most seconds of an ejection.")] = 300.0
    panic_threshold: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Healthy part of the servers below which sick ones get requests too, 0-1, so that the healthy "
            "ones are not overrun.",
        ),
    ] = 0.5
    slow_start: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds over which a server that came back gets its share; 0 at once.")
    ] = 3.0
    retries: Annotated[
        int, Meta(ge=0, le=10, description="Times that execute_request tries a request again, on other servers.")
    ] = 1
    retry_budget: Annotated[
        float, Meta(ge=0, le=1, description="Retries and hedges as a part of the requests, 0-1; 0 allows none.")
    ] = 0.2
    hedging: Annotated[
        bool,
        Meta(description="Ask a second server when the first takes longer than 95 % do; idempotent requests only."),
    ] = False
    report_header: Annotated[
        Literal["off", "text", "json"],
        Meta(
            description="Tell this service's own load in the header endpoint-load-metrics (ORCA) of every response of "
            "the app, in which form. Whoever gets the responses reads it: have the outermost proxy take it away."
        ),
    ] = "off"
    concurrency_limit: Annotated[
        bool, Meta(description="Limit each server's requests in flight to what keeps its latency low.")
    ] = False
    check: Annotated[
        Literal["none", "http", "tcp"], Meta(description="Ask servers regularly whether they are well.")
    ] = "none"
    check_path: Annotated[
        str, Meta(min_length=1, max_length=2000, description="Path that an http check gets; below 400 is well.")
    ] = "/health/ready"
    check_interval: Annotated[float, Meta(ge=0.5, le=3600, description="Seconds between two checks.")] = 5.0
    check_timeout: Annotated[float, Meta(gt=0, le=60, description="Seconds that a check may take.")] = 1.0
    check_rise: Annotated[int, Meta(ge=1, le=100, description="Good checks in a row until a server is healthy.")] = 2
    check_fall: Annotated[int, Meta(ge=1, le=100, description="Bad checks in a row until it is not.")] = 3

    outbound: Annotated[
        bool,
        Meta(
            description="Record the app's HTTP calls to others by httpx, requests, urllib3, urllib and aiohttp: host, "
            "method, outcome and duration."
        ),
    ] = True

    def has_work(self, context: Context) -> bool:
        """Return whether there are servers from the start, a load to be told, or a client whose calls are recorded.

        Other servers come by its own calls.
        """
        if self.servers or self.report_header != "off":
            return True
        return self.outbound and any(name in sys.modules for name in CLIENTS)

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield what cannot be together."""
        if self.check_timeout > self.check_interval:
            yield (
                ("check_timeout", "check_interval"),
                f"{{0}} is {self.check_timeout:g}, but {{1}} is {self.check_interval:g}. A check must be over before "
                "the next one is due. Lower {0}, or raise {1}.",
            )
        if self.ejection_time > self.ejection_time_max:
            yield (
                ("ejection_time", "ejection_time_max"),
                f"{{0}} is {self.ejection_time:g}, but {{1}} is {self.ejection_time_max:g}. The first ejection must "
                "not be longer than the longest. Lower {0}, or raise {1}.",
            )


def positive(what: str, value: Any, *, or_zero: bool = False) -> float:
    """Return *value* as a number above 0, or with *or_zero* of 0 or more; *what* it is stands in the error.

    Raises:
        LoadBalancerError: It is none.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and (value > 0 or (or_zero and value == 0)):
        return float(value)
    least = "0 or more" if or_zero else "above 0"
    raise LoadBalancerError(f"{what} is {value!r}. It must be a number {least}. Correct the argument.")


def function_of(what: str, value: object) -> None:
    """Check that *value* can be called; *what* it is stands in the error.

    Raises:
        LoadBalancerError: It cannot.
    """
    if not callable(value):
        raise LoadBalancerError(f"{what} is {value!r}. It must be a function. Give one that can be called.")


def overridden(settings: LoadBalancerSettings | None, **given: object) -> LoadBalancerSettings:
    """Return *settings*, by default those of `LoadBalancerSettings`, with those of the *given* that are not None.

    Raises:
        LoadBalancerError: One of them is nothing that the settings allow.
    """
    if settings is None:
        settings = LoadBalancerSettings()
    elif not isinstance(settings, LoadBalancerSettings):
        raise LoadBalancerError(
            f"A load balancer was made with the settings {settings!r}. They must be LoadBalancerSettings. "
            "Write LoadBalancerSettings(retries=2)."
        )
    wanted = {name: value for name, value in given.items() if value is not None}
    try:
        msgspec.convert(wanted, LoadBalancerSettings)
    except msgspec.ValidationError as error:
        raise LoadBalancerError(
            f"A load balancer was made with {wanted!r}: {error}. The settings of the same names say what is allowed. "
            "Correct the argument."
        ) from error
    return msgspec.structs.replace(settings, **wanted)
