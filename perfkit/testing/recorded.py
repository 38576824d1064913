"""What an adapter's client got, and what its system recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

from perfkit.core.families import Histogram
from perfkit.core.names import REQUEST_DURATION
from perfkit.system import PerformanceSystem

__all__ = ["TOKEN", "Answer", "Recorded", "recorded"]

TOKEN = "a-token-for-the-adapter-kit"


@dataclass
class Answer:
    """What a client got.

    Attributes:
        chunks: The body as it came, piece by piece.
        error: What the app raised through the adapter, if it did.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks)


@dataclass(frozen=True)
class Recorded:
    """One kind of exchange found in the store; the first five are the labels of the request duration."""

    method: str
    route: str
    status: str
    scheme: str
    error: str
    count: int
    seconds: float


def recorded(system: PerformanceSystem) -> list[Recorded]:
    """Return every kind of exchange that *system* has recorded, with its count."""
    return [
        Recorded(*_five(point.labels), int(point.value.count), point.value.sum)
        for family in system.store.families({REQUEST_DURATION.name}, detailed=True)
        for point in family.points
        if isinstance(point.value, Histogram) and point.value.count
    ]


def _five(labels: tuple[str, ...]) -> tuple[str, str, str, str, str]:
    method, route, status, scheme, error = labels
    return method, route, status, scheme, error
