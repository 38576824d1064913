"""Sources of servers. Each is a function without arguments that returns the servers there are now.

The last good set is kept: a source that raises, or returns nothing, changes nothing (see
`perfkit.load_balancer.background`).
"""

from __future__ import annotations

import importlib
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from perfkit.core.errors import LoadBalancerError, MissingDependencyError
from perfkit.load_balancer.servers import ServerSpec

__all__ = ["Source", "dns", "file", "specs_of", "srv"]

Source = Callable[[], Iterable[Any]]
"""Returns servers: `ServerSpec`s, mappings of its fields, or texts ``host:port``."""

MOST_BYTES = 4 << 20
"""Bytes of a file of servers."""


def specs_of(given: Iterable[Any]) -> list[ServerSpec]:
    """Return the servers in *given*, one for each name; the name of a text is the text.

    Raises:
        LoadBalancerError: One of them is not a server.
    """
    found: dict[str, ServerSpec] = {}
    for each in given.items() if isinstance(given, Mapping) else given:
        spec = _spec(each)
        found[spec.name] = spec
    return list(found.values())


def _spec(given: Any) -> ServerSpec:
    if isinstance(given, ServerSpec):
        return given
    if isinstance(given, str):
        host, separator, port = given.rpartition(":")
        if not separator or (given.startswith("[") and given.endswith("]")):
            host, port = given, "0"
        is_address = ":" not in host or (host.startswith("[") and host.endswith("]"))
        if port.isascii() and port.isdigit() and len(port) <= 5 and host and is_address:
            return ServerSpec(name=given, host=host.strip("[]"), port=int(port))
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], Mapping):
        given = {"name": given[0], **given[1]}
    if isinstance(given, Mapping):
        try:
            return msgspec.convert(dict(given), ServerSpec)
        except msgspec.ValidationError as error:
            raise LoadBalancerError(
                f"A source of servers returned {given!r}: {error}. A server has a name, a host, a port, and maybe "
                "weight, zone and priority. Correct the source."
            ) from error
    raise LoadBalancerError(
        f"A source of servers returned {given!r}. A server is a ServerSpec, a mapping of its fields, or a text "
        "host:port, an IPv6 address in brackets. Correct the source."
    )


def file(path: str | Path) -> Source:
    """Return the source that reads a JSON file: a list of servers, or an object of them by name."""

    def read() -> Iterable[Any]:
        with open(path, "rb") as stream:
            text = stream.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise LoadBalancerError(
                f"The file of servers {str(path)!r} is larger than {MOST_BYTES} bytes. It is not read. Make it smaller."
            )
        document = json.loads(text)
        if not isinstance(document, (list, dict)):
            raise LoadBalancerError(
                f"The file of servers {str(path)!r} holds a {type(document).__name__}. It must hold a list of servers, "
                "or an object of them by name. Correct it."
            )
        return document

    return read


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_port(value: object) -> bool:
    return isinstance(value, int) and 0 < value <= 65_535


def dns(host: str, port: int, *, weight: float = 1.0) -> Source:
    """Return the source that resolves *host*: one server for each IPv4 and IPv6 address, called ``address:port``."""

    if not (_is_name(host) and _is_port(port)):
        raise LoadBalancerError(
            f"A source was made of the host {host!r} and the port {port!r}. A name and a port of 1 to 65535 are "
            "expected. Correct them."
        )

    def resolve() -> Iterable[ServerSpec]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = sorted({str(entry[4][0]) for entry in found})
        return [
            ServerSpec(name=f"[{a}]:{port}" if ":" in a else f"{a}:{port}", host=a, port=port, weight=weight)
            for a in addresses
        ]

    return resolve


def srv(name: str, *, resolve: Callable[[str], Iterable[tuple[int, int, int, str]]] | None = None) -> Source:
    """Return the source that reads the SRV records of *name*, with their priorities and weights.

    Args:
        name: Such as ``_http._tcp.stock.internal``.
        resolve: Returns priority, weight, port and target of each record; by default the package dnspython is asked.
    """

    if not _is_name(name):
        raise LoadBalancerError(
            f"A source of SRV records was made of the name {name!r}. A name such as _http._tcp.stock.internal is "
            "expected. Give it one."
        )

    def read() -> Iterable[ServerSpec]:
        records = sorted((resolve or _resolve_srv)(name))
        ranks = {priority: rank for rank, priority in enumerate(sorted({record[0] for record in records}))}
        return [
            ServerSpec(
                name=f"{target.rstrip('.')}:{port}",
                host=target.rstrip("."),
                port=port,
                # RFC 2782: weight 0 is a very small chance, not none.
                weight=float(weight) or 0.01,
                priority=ranks[priority],
            )
            for priority, weight, port, target in records
            # RFC 2782: the root as target says that the service is not offered there.
            if target.rstrip(".")
        ]

    return read


def _resolve_srv(name: str) -> list[tuple[int, int, int, str]]:
    try:
        resolver = importlib.import_module("dns.resolver")
    except ImportError as error:
        raise MissingDependencyError("dnspython", extra="srv", wanted_by="Discovery by SRV records") from error
    return [(r.priority, r.weight, r.port, r.target.to_text()) for r in resolver.resolve(name, "SRV")]
