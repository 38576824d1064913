"""A measured block, and what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from perfkit.testing.measuring.limits import Excess, Limits
from perfkit.testing.measuring.sent import CONTROL, Sent
from perfkit.testing.measuring.window import begin, end

if TYPE_CHECKING:
    from perfkit.core.findings import Finding

__all__ = ["LimitExceededError", "Measurement", "Statement", "measure"]

SHOWN_SHAPES = 5
"""Shapes of statements that a failure shows."""

MOST_REMEMBERED = 2_000
"""Statements whose findings are remembered, each with its call site."""

SHOWN_TEXT = 110
"""Characters of a statement that a failure shows."""


class LimitExceededError(AssertionError):
    """A block did more than it may; the message says what, where, and what to change.

    Attributes:
        measurement: What was measured.
        excesses: What was too much.
    """

    def __init__(self, measurement: Measurement, excesses: tuple[Excess, ...]) -> None:
        """Say what was too much."""
        self.measurement, self.excesses = measurement, excesses
        super().__init__("\n".join(_lines(excesses)))


def _lines(excesses: tuple[Excess, ...]) -> Iterator[str]:
    for excess in excesses:
        yield f"perfkit: {excess.message}"
        yield from (f"  {line}" for line in excess.details)


@dataclass(frozen=True, slots=True)
class Statement:
    """The statements of one shape, sent from one line.

    Attributes:
        text: Without values.
        count: How often it was sent.
        seconds: All of them together.
        site: ``path:line`` of the user's own code, or empty.
        summary: In a few words: ``SELECT review``.
    """

    text: str
    count: int
    seconds: float
    site: str
    summary: str


class Measurement:
    """What a block did: a context manager that fails at its end where a limit is exceeded.

    Attributes:
        limits: What the block may do at most.
        queries: Statements sent, transaction control not counted; final at the end of the block.
        seconds: Duration of the block; final at its end.
        memory: Bytes of Python objects at the peak above those at the start; None unless a limit asks for it, as to
            know them makes Python two to four times as slow.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        """Measure with *limits*."""
        self.limits = limits or Limits()
        self.seconds = 0.0
        self.memory: int | None = None
        self._sent: Sent | None = None
        self._is_running = False
        self._findings: list[Finding] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; fail if that was too much, unless the block has failed already.

        Raises:
            LimitExceededError: A limit was not kept.
        """
        __tracebackhide__ = True
        self.stop()
        if error is None:
            self.check()

    def start(self) -> None:
        """Begin to measure."""
        self._findings = None
        if self.limits.max_memory is not None:
            self._memory = _Memory()
        self._sent = begin()
        self._is_running = True
        self._started = perf_counter()

    def stop(self) -> None:
        """End; called again it does nothing."""
        if not self._is_running or self._sent is None:
            return
        self.seconds = perf_counter() - self._started
        self._is_running = False
        end(self._sent)
        if self.limits.max_memory is not None:
            self.memory = self._memory.end()

    def check(self) -> None:
        """Fail where a limit was not kept.

        Raises:
            LimitExceededError: With all of them.
        """
        __tracebackhide__ = True
        excesses = tuple(self.excesses())
        if excesses:
            raise LimitExceededError(self, excesses)

    @property
    def queries(self) -> int:
        """Statements sent so far, transaction control not counted."""
        return 0 if self._sent is None else self._sent.count

    @property
    def statements(self) -> list[Statement]:
        """What was sent, by shape and line, the most frequent first."""
        counts: Counter[tuple[str, str, str]] = Counter()
        spent: Counter[tuple[str, str, str]] = Counter()
        for _, entry, _, _, _, seconds, site in self._sent.kept if self._sent is not None else ():
            if entry.facts.verb not in CONTROL:
                shape = entry.facts.shape
                key = (shape.text, site, shape.summary)
                counts[key] += 1
                spent[key] += seconds  # type: ignore[assignment]  # a Counter adds floats as well
        return [
            Statement(text, count, float(spent[text, site, summary]), site, summary)
            for (text, site, summary), count in counts.most_common()
        ]

    @property
    def findings(self) -> list[Finding]:
        """What perfkit finds wrong with the statements, the most urgent first."""
        if self._sent is None:
            return []
        if self._findings is None or self._is_running:
            self._findings = _findings(self._sent)
        return self._findings

    def excesses(self) -> Iterator[Excess]:
        """Yield the limits that were not kept."""
        limits = self.limits
        if limits.max_queries is not None and self.queries > limits.max_queries:
            yield self._too_many(f"{self.queries} queries, limit {limits.max_queries}")
        elif limits.no_n_plus_one or limits.fail_on:
            for finding in self.findings:
                if limits.fails(finding):
                    yield Excess(finding.message, finding.code, finding.site or "", tuple(_advice(finding)))
        if limits.max_seconds is not None and self.seconds > limits.max_seconds:
            yield Excess(f"{_ms(self.seconds)}, limit {_ms(limits.max_seconds)}")
        if limits.max_memory is not None and (self.memory or 0) > limits.max_memory:
            yield Excess(f"{(self.memory or 0) / 2**20:.1f} MiB of memory, limit {limits.max_memory / 2**20:.1f} MiB")

    def _too_many(self, message: str) -> Excess:
        """Return *message* with what was sent most, and with the finding that explains it, if there is one."""
        worst = next((each for each in self.findings if each.site), None)
        details = [
            line
            for each in self.statements[:SHOWN_SHAPES]
            for line in (f"{each.count} × {_cut(each.text)}", *_at(each))
        ]
        left = len(self.statements) - SHOWN_SHAPES
        if left > 0:
            details.append(f"and {left} other statements")
        if worst is None:
            return Excess(message, site=self.statements[0].site, details=tuple(details))
        return Excess(
            f"{message}  ({worst.code} {worst.kind})", worst.code, worst.site or "", (*details, *_advice(worst))
        )


def _at(statement: Statement) -> Iterator[str]:
    if statement.site:
        yield f"      {statement.site}: {_source(statement.site)}".rstrip(": ")


def _advice(finding: Finding) -> Iterator[str]:
    yield f"Do: {finding.action}"
    for orm in ("django", "sqlalchemy", "sql"):
        fix = finding.fix.get(orm)
        if fix:
            yield f"{orm}: {_cut(' '.join(fix.split()))}"


def _source(site: str) -> str:
    import linecache

    path, _, line = site.rpartition(":")
    return linecache.getline(path, int(line)).strip()[:SHOWN_TEXT] if line.isdigit() else ""


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_TEXT else f"{text[: SHOWN_TEXT - 1]}…"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1.0 else f"{seconds:.3g} s"


def _findings(sent: Sent) -> list[Finding]:
    from perfkit.database.patterns.request import patterns_of

    found: dict[str, Finding] = {}
    for group in sent.groups():
        if len(group) > 1:
            for finding in patterns_of(group):
                found.setdefault(finding.fingerprint, finding)
    sites: dict[int, tuple[Any, str]] = {}
    for _, entry, _, _, _, _, site in sent.kept:
        sites.setdefault(id(entry.record), (entry.record, site))
    for record, site in sites.values():
        for finding in _of_statement(record.sample, record.system, site or None, record.has_wildcard):
            found.setdefault(finding.fingerprint, finding)
    return sorted(found.values(), key=lambda finding: (finding.priority.rank, finding.code))


@lru_cache(MOST_REMEMBERED)
def _of_statement(sql: str, system: str, site: str | None, has_wildcard: bool) -> tuple[Finding, ...]:
    """Return what the statement itself says is wrong with it; the tests of a suite send the same ones over and over."""
    from perfkit.database.patterns.statements import find_statement_patterns

    return tuple(find_statement_patterns(sql, dialect=system, site=site, has_wildcard=has_wildcard))


class _Memory:
    """The bytes of Python objects while something is measured: within another measurement, which goes on, too."""

    _open: ClassVar[list[_Memory]] = []

    def __init__(self) -> None:
        """Begin; the peak so far is kept for those that are open, as there is but one of the whole process."""
        import gc
        import tracemalloc

        self._was_tracing = tracemalloc.is_tracing()
        if not self._was_tracing:
            tracemalloc.start()
        gc.collect()
        self._keep_peak()
        tracemalloc.reset_peak()
        self._before = self._highest = tracemalloc.get_traced_memory()[0]
        self._open.append(self)

    def end(self) -> int:
        """End; return the bytes at the peak above those at the beginning."""
        import tracemalloc

        self._keep_peak()
        self._open.remove(self)
        if not self._was_tracing and not self._open:
            tracemalloc.stop()
        return self._highest - self._before

    def _keep_peak(self) -> None:
        import tracemalloc

        peak = tracemalloc.get_traced_memory()[1]
        for memory in self._open:
            memory._highest = max(memory._highest, peak)


@contextmanager
def measure(**limits: Any) -> Iterator[Measurement]:
    """Measure a block, and fail where it does more than it may.

    Args:
        limits: The fields of `Limits`: ``max_queries=5``, ``max_seconds="300ms"``, ``max_memory="20MB"``,
            ``no_n_plus_one=True``, ``fail_on="PK1"``.

    Yields:
        What is measured; its numbers are final at the end of the block.

    Raises:
        LimitExceededError: A limit was not kept; an `AssertionError`.
        ValueError: A limit is none.
    """
    __tracebackhide__ = True
    with Measurement(Limits.of(limits)) as measurement:
        yield measurement
