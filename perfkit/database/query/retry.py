"""Which failures of a transaction may be met by running the whole of it again, and how often.

Sources: PostgreSQL documentation 13.5 (serialization failures and deadlocks: the whole transaction, with the logic
that chose the values, must run again); MySQL reference, errors 1213 and 1205; SQLite, SQLITE_BUSY. A connection lost
while a statement was under way is not retried, as it may have been committed. The pauses are tenacity's: exponential
with full jitter. The budget is that of gRPC (proposal A6): retries are a share of the calls, so that a database in
trouble is not asked more than before.
"""

from __future__ import annotations

import contextvars
import importlib.util
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from perfkit.core.context import Context
from perfkit.core.errors import MissingDependencyError
from perfkit.core.families import Definition, MetricType
from perfkit.database.capture.failures import reason_of
from perfkit.database.settings import DatabaseSettings

__all__ = ["RETRIES", "Retry"]

T = TypeVar("T")

RETRIES = Definition(
    name="perfkit_database_retries_total",
    type=MetricType.COUNTER,
    description="Transactions that were run again, by what they failed with, and those for which no retry was left.",
    labels=("reason", "outcome"),
    max_series=20,
)

_BURST = 10.0

_is_within: contextvars.ContextVar[bool] = contextvars.ContextVar("perfkit_transaction", default=False)


class Retry:
    """Runs transactions again where that is safe. Thread-safe."""

    def __init__(self, context: Context, settings: DatabaseSettings) -> None:
        """Count in the store of *context*."""
        self._store, self._settings = context.store, settings
        self._lock = threading.Lock()
        self._tokens = _BURST

    def run(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call *function*, which does a whole transaction; call it again where its failure allows that.

        Raises:
            MissingDependencyError: tenacity is not installed.
        """
        if _is_within.get():
            return function(*arguments, **named)
        attempts = self._attempts("Retrying")
        token = _is_within.set(True)
        try:
            self._earn()
            for attempt in attempts:
                with attempt:
                    return function(*arguments, **named)
        finally:
            _is_within.reset(token)
        raise AssertionError  # the attempts return from within or raise

    async def arun(self, function: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        """Do what `run` does for a coroutine *function*."""
        if _is_within.get():
            return await function(*arguments, **named)
        attempts = self._attempts("AsyncRetrying")
        token = _is_within.set(True)
        try:
            self._earn()
            async for attempt in attempts:
                with attempt:
                    return await function(*arguments, **named)
        finally:
            _is_within.reset(token)
        raise AssertionError  # the attempts return from within or raise

    @property
    def is_possible(self) -> bool:
        """Whether the library for the pauses is installed."""
        return importlib.util.find_spec("tenacity") is not None

    def _attempts(self, kind: str) -> Any:
        try:
            import tenacity
        except ImportError as error:
            raise MissingDependencyError("tenacity", extra="retry", wanted_by="A retried transaction") from error
        settings = self._settings
        return getattr(tenacity, kind)(
            retry=tenacity.retry_if_exception(self._may_retry),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(settings.retry_attempts), tenacity.stop_after_delay(settings.retry_timeout)
            ),
            wait=tenacity.wait_random_exponential(multiplier=0.02, max=1.0),
            reraise=True,
        )

    def _may_retry(self, error: BaseException) -> bool:
        reason = reason_of(error)
        if not reason:
            return False
        may = self._spend()
        self._store.add(self._store.row(RETRIES, (reason, "retried" if may else "budget_spent")), 1.0)
        return may

    def _earn(self) -> None:
        with self._lock:
            self._tokens = min(_BURST, self._tokens + self._settings.retry_budget)

    def _spend(self) -> bool:
        with self._lock:
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True
