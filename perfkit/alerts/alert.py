"""The words of alerts: severity, state, and the alert itself as everybody sees it.

The fingerprint is the one that Prometheus gives a set of labels (prometheus/common, ``model.LabelSet.Fingerprint``):
64-bit FNV-1a over the sorted names and values, each ended by the byte 255. So it equals Alertmanager's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

__all__ = ["Alert", "AlertState", "Severity", "fingerprint"]

FNV_OFFSET = 0xCBF2_9CE4_8422_2325
FNV_PRIME = 0x0000_0100_0000_01B3


class Severity(StrEnum):
    """How much an alert matters, from least to most."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return _RANKS[self]


_RANKS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class AlertState(StrEnum):
    """Where an alert stands: nothing wrong, wrong but not for long enough, wrong, over."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as of now: what events carry, receivers send and pages show.

    Attributes:
        name: Of the rule that it comes from.
        message: One sentence with the numbers.
        source: What it is about: the component or the metric.
        value: What was measured last; None if there was nothing to measure.
        threshold: What *value* was compared with.
        at: Unix seconds at which it came into its state.
        started_at: Unix seconds at which it began to fire; None while pending.
        labels: Tell it from others; with the name they make the fingerprint.
        annotations: What people want to read beside it.
        is_flapping: True while it changes so often that its changes are not told one by one.
        is_silenced: True while a silence mutes it.
        inhibited_by: Name of the firing alert that mutes it; empty if none does.
        acknowledged_by: Who took care of it; empty if nobody did.
    """

    fingerprint: str
    name: str
    severity: Severity
    state: AlertState
    message: str
    source: str
    value: float | None
    threshold: float
    at: float
    started_at: float | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    is_flapping: bool = False
    is_silenced: bool = False
    inhibited_by: str = ""
    acknowledged_by: str = ""

    @property
    def is_firing(self) -> bool:
        """True while receivers should take it for firing; one that flaps is not over."""
        return self.state is AlertState.FIRING or self.is_flapping

    @property
    def is_muted(self) -> bool:
        """True while it is kept from receivers."""
        return self.is_silenced or bool(self.inhibited_by)


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that stand for *labels*; empty values count as absent."""
    value = FNV_OFFSET
    for name in sorted(labels):
        if labels[name]:
            for byte in b"%s\xff%s\xff" % (name.encode("utf-8", "replace"), labels[name].encode("utf-8", "replace")):
                value = (value ^ byte) * FNV_PRIME & 0xFFFF_FFFF_FFFF_FFFF
    return f"{value:016x}"
