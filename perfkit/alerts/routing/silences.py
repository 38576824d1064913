"""Silences and acknowledgements: what people said about alerts, the same in all workers.

Each is a record with an id and the time of its last change, and the newer one wins: so workers may learn of them in any
order, twice, or from a file, and agree.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from perfkit.alerts.alert import Alert
from perfkit.alerts.rules.matchers import Matchers
from perfkit.core.errors import AlertError

__all__ = ["Acknowledgement", "Silence", "Silences"]

MOST = 500
"""Silences, and acknowledgements, that are kept; the oldest give way."""

MOST_REMEMBERED = 10_000
"""Alerts of which it is remembered whether they are muted."""

LONGEST = 366 * 86_400.0
"""Seconds that a silence may last."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Mutes the alerts whose labels match, for a while.

    Attributes:
        where: Matchers of the labels; ``alertname`` and ``severity`` are among them.
        starts_at, ends_at: Unix seconds.
        updated_at: Unix seconds of its last change.
    """

    id: str
    where: dict[str, str]
    starts_at: float
    ends_at: float
    author: str = ""
    comment: str = ""
    updated_at: float = 0.0

    def is_active(self, now: float) -> bool:
        """Return whether it mutes at *now* (Unix seconds)."""
        return self.starts_at <= now < self.ends_at


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody takes care of one firing of an alert: it is not repeated.

    Attributes:
        started_at: Of the firing that is meant; the next one is news again.
    """

    fingerprint: str
    started_at: float
    author: str = ""
    comment: str = ""
    updated_at: float = 0.0


class Silences:
    """All that people said. Reads take no lock: each change puts a new dict in place; one thread changes at a time."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._silences: dict[str, tuple[Silence, Matchers]] = {}
        self._acknowledgements: dict[str, Acknowledgement] = {}
        self._muted: tuple[tuple[str, ...], dict[str, bool]] = ((), {})

    def new(
        self, where: Mapping[str, str], *, now: float, duration: float, starts_at: float, author: str, comment: str
    ) -> Silence:
        """Return a silence, not yet added.

        Raises:
            AlertError: It matches everything, lasts for no time or too long, or cannot be compiled.
        """
        if not where:
            raise AlertError(
                "A silence without matchers would mute every alert. It must say which ones. "
                'Give labels, such as {"alertname": "SlowResponses"}.'
            )
        if not 0.0 < duration <= LONGEST:
            raise AlertError(
                f"A silence of {duration:g} seconds was asked for. It must last more than 0 and at most a year. "
                "Give another duration."
            )
        Matchers(where)
        return Silence(
            id=secrets.token_hex(8),
            where={str(label): str(text) for label, text in where.items()},
            starts_at=starts_at,
            ends_at=starts_at + duration,
            author=author[:200],
            comment=comment[:1000],
            updated_at=now,
        )

    def put(self, silence: Silence) -> bool:
        """Take *silence* over unless a newer one of its id is known; return whether it was taken."""
        known = self._silences.get(silence.id)
        if known is not None and known[0].updated_at >= silence.updated_at:
            return False
        kept = {**self._silences, silence.id: (silence, Matchers(silence.where))}
        self._silences = _newest(kept, lambda item: item[0].updated_at)
        return True

    def acknowledge(self, acknowledgement: Acknowledgement) -> bool:
        """Take *acknowledgement* over unless a newer one of its alert is known; return whether it was taken."""
        known = self._acknowledgements.get(acknowledgement.fingerprint)
        if known is not None and known.updated_at >= acknowledgement.updated_at:
            return False
        kept = {**self._acknowledgements, acknowledgement.fingerprint: acknowledgement}
        self._acknowledgements = _newest(kept, lambda each: each.updated_at)
        return True

    def get(self, silence_id: str) -> Silence | None:
        """Return the silence of that id."""
        known = self._silences.get(silence_id)
        return known[0] if known is not None else None

    def all(self) -> list[Silence]:
        """Return all silences, ended ones too, the latest first."""
        return sorted((silence for silence, _ in self._silences.values()), key=lambda each: -each.starts_at)

    def acknowledgements(self) -> list[Acknowledgement]:
        """Return all acknowledgements."""
        return list(self._acknowledgements.values())

    def expire(self, now: float, *, keep: float = 86_400.0) -> None:
        """Forget what ended more than *keep* seconds before *now*."""
        ended = [key for key, (silence, _) in self._silences.items() if now - silence.ends_at > keep]
        if ended:
            self._silences = {key: item for key, item in self._silences.items() if key not in ended}

    def apply(self, alerts: Iterable[Alert], now: float) -> list[Alert]:
        """Return *alerts* with what was said about them."""
        active = {silence.id: matchers for silence, matchers in self._silences.values() if silence.is_active(now)}
        said, muted = self._acknowledgements, self._muted_by(tuple(active))
        marked = []
        for alert in alerts:
            is_silenced = muted.get(alert.fingerprint)
            if is_silenced is None:
                is_silenced = any(matchers.match(alert.labels) for matchers in active.values())
                muted[alert.fingerprint] = is_silenced
            known = said.get(alert.fingerprint)
            is_meant = known is not None and alert.started_at is not None and known.started_at == alert.started_at
            author = (known.author or "somebody") if known is not None and is_meant else ""
            if is_silenced != alert.is_silenced or author != alert.acknowledged_by:
                alert = msgspec.structs.replace(alert, is_silenced=is_silenced, acknowledged_by=author)
            marked.append(alert)
        return marked

    def _muted_by(self, ids: tuple[str, ...]) -> dict[str, bool]:
        """Return what is known of alerts under the silences *ids*: a fingerprint's labels never change."""
        known = self._muted
        if known[0] != ids or len(known[1]) > MOST_REMEMBERED:
            known = self._muted = (ids, {})
        return known[1]


def _newest(items: dict[str, Any], stamp: Any) -> dict[str, Any]:
    if len(items) <= MOST:
        return items
    return dict(sorted(items.items(), key=lambda item: stamp(item[1]))[-MOST:])
