"""What a response says of its own time: ``Server-Timing`` (W3C), which browsers show beside a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perfkit.recorder.folding import busy, by_kind

__all__ = ["server_timing"]

NAMES = {
    "sql": ("sql", "query", "queries"),
    "cache": ("cache", "look-up", "look-ups"),
    "outbound": ("out", "call", "calls"),
    "template": ("template", "template", "templates"),
}
"""Kind of a span → its name in the header, and what one and several of them are called."""


def server_timing(spans: Sequence[Any], seconds: float) -> str:
    """Return the value of the header for an exchange of *seconds* so far, whose *spans* have ended.

    What runs at the same time is counted once, so the parts never exceed the total; ``app`` is what is left.
    """
    parts = [f"total;dur={_ms(seconds)}"]
    kinds = by_kind(spans)
    for kind, (name, one, several) in NAMES.items():
        if kind in kinds:
            count, took = kinds[kind]
            parts.append(f'{name};dur={_ms(took)};desc="{count} {one if count == 1 else several}"')
    if kinds:
        rest = max(0.0, seconds - busy((span[2], span[3]) for span in spans if span[0] in NAMES))
        parts.append(f"app;dur={_ms(rest)}")
    return ", ".join(parts)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000.0:.1f}"
