"""What a user's check answers, made into a `CheckResult`, whatever it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from perfkit.core.checks import CheckResult
from perfkit.core.privacy.redaction import redacted
from perfkit.core.status import Status

__all__ = ["MOST_MESSAGE", "failure", "understand"]

MOST_MESSAGE = 300
"""Characters of a message that are kept."""

WORDS = {
    **{status.value: status for status in Status},
    **dict.fromkeys(("ok", "up", "pass", "passing"), Status.HEALTHY),
    **dict.fromkeys(("warn", "degraded"), Status.WARNING),
    **dict.fromkeys(("fail", "failing", "error", "down", "unhealthy"), Status.CRITICAL),
}
"""Words for a status: ours, those of `application/health+json` and those of other libraries."""

EXPECTED = (
    "It must answer with a CheckResult, a Status or its word, a bool, None (well, as nothing was raised), "
    'or a dict such as {"status": "healthy", "message": "…"}.'
)


def understand(answer: object) -> CheckResult:
    """Return what *answer* means; what cannot be understood is critical and says what was expected."""
    if isinstance(answer, CheckResult):
        return _checked(answer.status, answer.message, answer.value, answer.unit, answer.details)
    if answer is None or isinstance(answer, bool):
        return CheckResult(Status.CRITICAL if answer is False else Status.HEALTHY)
    if isinstance(answer, str):
        return _checked(answer)
    if isinstance(answer, Mapping):
        get = answer.get
        return _checked(get("status"), get("message"), get("value"), get("unit"), get("details"))
    return _rubbish(answer)


def failure(error: BaseException) -> CheckResult:
    """Return the result of a check that raised *error*; its text is told in the details alone."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error that cannot be shown is one all the same
        text = "the error has no text"
    return CheckResult(Status.CRITICAL, f"the check raised {type(error).__name__}", details=redacted(text))


def _checked(status: Any, message: Any = "", value: Any = None, unit: Any = "", details: Any = "") -> CheckResult:
    known = WORDS.get(status.strip().lower()) if isinstance(status, str) else None
    if known is None:
        return _rubbish(status)
    number = float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    return CheckResult(
        known,
        redacted(_text(message), most=MOST_MESSAGE),
        number,
        redacted(_text(unit), most=40),
        redacted(_text(details)),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _rubbish(answer: object) -> CheckResult:
    try:
        shown = repr(answer)
    except Exception:  # noqa: BLE001 - what cannot be shown is still no answer
        shown = f"a {type(answer).__name__} that cannot be shown"
    return CheckResult(
        Status.CRITICAL,
        f"the check answered with something else than a status: {type(answer).__name__}",
        details=f"It answered {redacted(shown, most=MOST_MESSAGE)}. {EXPECTED}",
    )
