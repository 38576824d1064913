"""The types of WSGI (PEP 3333), so that the adapter needs no framework to be installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Environ", "Headers", "StartResponse", "WSGIApp", "Write"]

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]
