"""The requests that a service has kept whole, as the commands ask for them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from perfkit.cli.reading.overview import plain
from perfkit.cli.reading.service import Service, ServiceError
from perfkit.recorder.kept import KeptExchange

__all__ = ["slowest"]

MOST = 500


class _Listed(msgspec.Struct, frozen=True):
    """A kept request as a list tells it, as far as it is read here."""

    id: str
    seconds: float


def slowest(service: Service, route: str) -> KeptExchange | None:
    """Return the slowest kept request of *route* (``GET /orders``); None where none is kept.

    Raises:
        ServiceError: The service does not say, or says what is no request.
    """
    listed = _ask(service, f"requests?route={quote(route, safe='')}&limit={MOST}", "requests", list[_Listed])
    if not listed:
        return None
    longest = max(listed, key=lambda each: each.seconds)
    kept: KeptExchange = _ask(service, f"request?id={quote(longest.id, safe='')}", "request", KeptExchange)
    return kept


def _ask(service: Service, question: str, name: str, kind: Any) -> Any:
    reply = service.get(f"{service.mount}/api/{question}")
    if reply.code == 404:
        raise ServiceError(
            f"{service.name} has no kept requests to show. The recorder must be on, and the request still be kept. "
            "Look at recorder.enabled."
        )
    try:
        if reply.code != 200:
            raise ValueError(f"the code is {reply.code}")
        return msgspec.convert(plain(reply.body)[name], kind)
    except (ValueError, TypeError, KeyError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise ServiceError(
            f"{service.name} did not tell its kept requests ({error}). It must answer with JSON. "
            "Look at the service and what is in front of it."
        ) from None
