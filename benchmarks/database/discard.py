"""Where the peers send what they made: nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

__all__ = ["Discard", "start_sentry"]


class Discard(SpanExporter):
    """Counts spans and throws them away."""

    def __init__(self) -> None:
        self.count = 0

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        self.count += len(spans)
        return SpanExportResult.SUCCESS


def start_sentry(**options: Any) -> list[Any]:
    """Start Sentry's SDK with a transport that throws away; return the list in which it leaves its envelopes."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    seen: list[Any] = []

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            seen.append(1)

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Nowhere, traces_sample_rate=1.0, **options)
    return seen
