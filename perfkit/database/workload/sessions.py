"""Who waits for whom in the database right now: sessions that wait for locks, idle in a transaction or hold one long.

Only the server sees this, whatever library the app uses. Sources: PostgreSQL documentation 28.2.3 (pg_stat_activity)
and 9.27 (pg_blocking_pids, asked only for sessions that wait, as it stops the lock manager for a moment); MariaDB
documentation, information_schema.innodb_trx and innodb_lock_waits. What is kept of a statement is its shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from perfkit.core.findings import Finding
from perfkit.database.indexes.session import Session
from perfkit.database.patterns.found import found
from perfkit.database.report.texts import ShapeText
from perfkit.database.shapes.shape import QueryShape, fingerprint

__all__ = ["Held", "held_in", "troubles"]

WAITED, IDLE, LONG = 1.0, 5.0, 30.0
"""Seconds of waiting for a lock, of doing nothing in a transaction, and of a transaction, from which it is told."""

MOST_SESSIONS = 100

_POSTGRESQL = f"""
SELECT pid, state, extract(epoch FROM now() - xact_start)::float8, extract(epoch FROM now() - state_change)::float8,
       coalesce(wait_event_type = 'Lock', false), left(query, 5000),
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{{}}' END
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND xact_start < now() - interval '1 second'
 ORDER BY xact_start LIMIT {MOST_SESSIONS}
"""
_INNODB = f"""
SELECT t.trx_mysql_thread_id, p.command, timestampdiff(MICROSECOND, t.trx_started, now(6)) / 1e6,
       coalesce(timestampdiff(MICROSECOND, t.trx_wait_started, now(6)) / 1e6, p.time), t.trx_state = 'LOCK WAIT',
       left(t.trx_query, 5000), t.trx_id
  FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
 WHERE p.db = database() AND p.id <> connection_id()
 ORDER BY t.trx_started LIMIT {MOST_SESSIONS}
"""
_INNODB_WAITS = "SELECT requesting_trx_id, blocking_trx_id FROM information_schema.innodb_lock_waits"


class Held(NamedTuple):
    """A session with an open transaction.

    Attributes:
        pid: Its number in the server.
        is_idle: Whether it does nothing, between two statements of the transaction.
        age: Seconds since its transaction began.
        since: Seconds in which it has been idle, or waiting, or running its statement.
        is_waiting: Whether it waits for a lock.
        shape: Of its last statement, or of the running one; None where the server does not tell.
        blockers: Numbers of the sessions that it waits for.
    """

    pid: int
    is_idle: bool
    age: float
    since: float
    is_waiting: bool
    shape: QueryShape | None
    blockers: tuple[int, ...] = ()


def held_in(session: Session) -> list[Held]:
    """Return the sessions with a transaction that began a second ago or earlier; of PostgreSQL and MariaDB."""
    if session.dialect == "postgresql":
        return [
            Held(int(pid), str(state).startswith("idle"), float(age), float(since), bool(waits), _shape(text, session),
                 tuple(map(int, blockers or ())))
            for pid, state, age, since, waits, text, blockers in session.rows(_POSTGRESQL)
        ]  # fmt: skip
    if session.dialect != "mariadb":
        return []
    rows = session.rows(_INNODB)
    numbers = {str(row[6]): int(row[0]) for row in rows}
    waits: dict[int, list[int]] = {}
    if any(row[4] for row in rows):
        for requesting, blocking in session.rows(_INNODB_WAITS):
            if str(requesting) in numbers and str(blocking) in numbers:
                waits.setdefault(numbers[str(requesting)], []).append(numbers[str(blocking)])
    return [
        Held(int(pid), str(command) == "Sleep", float(age), float(since or 0.0), bool(is_waiting),
             _shape(text, session), tuple(waits.get(int(pid), ())))
        for pid, command, age, since, is_waiting, text, _ in rows
    ]  # fmt: skip


def _shape(text: object, session: Session) -> QueryShape | None:
    return fingerprint(str(text), session.dialect) if text else None


def troubles(sessions: Iterable[Held], texts: Mapping[str, ShapeText], name: str) -> Iterator[Finding]:
    """Yield what is wrong with *sessions* of the database *name*; *texts* tell which lines send which shape."""
    known = list(sessions)
    by_pid = {each.pid: each for each in known}
    blocking = {pid for each in known if each.is_waiting for pid in each.blockers}
    for each in known:
        if each.is_waiting and each.since >= WAITED:
            yield _lock_wait(each, [by_pid[pid] for pid in each.blockers if pid in by_pid], texts, name)
        elif each.is_idle and each.since >= IDLE:
            yield _idle(each, texts, name, is_blocking=each.pid in blocking)
        elif not each.is_idle and not each.is_waiting and each.age >= LONG:
            yield _long(each, texts, name)


def _site(shape: QueryShape | None, texts: Mapping[str, ShapeText]) -> str | None:
    text = texts.get(shape.id) if shape is not None else None
    return text.callers[0].site if text is not None and text.callers else None


def _told(shape: QueryShape | None) -> str:
    return shape.summary if shape is not None else "a statement"


def _lock_wait(waiting: Held, blockers: list[Held], texts: Mapping[str, ShapeText], name: str) -> Finding:
    first = max(blockers, key=lambda each: each.age, default=None)
    by = ""
    if first is not None:
        doing = f"is idle after {_told(first.shape)}" if first.is_idle else f"runs {_told(first.shape)}"
        by = f" that another transaction holds, {first.age:.0f} s old, which {doing}"
    evidence = {
        "seconds": round(waiting.since, 1),
        "database": name,
        "blockers": len(waiting.blockers),
        "blocked_by": first.shape.text[:500] if first is not None and first.shape is not None else None,
        "blocked_by_site": _site(first.shape, texts) if first is not None else None,
    }
    return found(
        "lock_wait",
        f"{_told(waiting.shape)} has waited {waiting.since:.1f} s for a lock{by}.",
        "Commit the other transaction sooner: nothing slow between its first write and its commit.",
        site=_site(waiting.shape, texts),
        object=next(iter(waiting.shape.tables), None) if waiting.shape is not None else None,
        shape=waiting.shape,
        evidence={key: value for key, value in evidence.items() if value is not None},
        fix={"sql": "SET lock_timeout = '2s'  -- so that a wait ends", **_shorter()},
        confidence="sure",
    )


def _idle(held: Held, texts: Mapping[str, ShapeText], name: str, *, is_blocking: bool) -> Finding:
    others = ", and others wait for it" if is_blocking else ""
    return found(
        "idle_in_transaction",
        f"A session has done nothing for {held.since:.0f} s in a transaction, after {_told(held.shape)}{others}.",
        "Commit before what takes long (calls of other services, rendering, waiting for a user).",
        site=_site(held.shape, texts),
        object=next(iter(held.shape.tables), None) if held.shape is not None else name,
        shape=held.shape,
        evidence={"seconds": round(held.since, 1), "transaction_seconds": round(held.age, 1), "database": name},
        fix={"sql": "SET idle_in_transaction_session_timeout = '10s'  -- PostgreSQL", **_shorter()},
        confidence="sure",
    )


def _long(held: Held, texts: Mapping[str, ShapeText], name: str) -> Finding:
    return found(
        "long_transaction",
        f"A transaction has been open for {held.age:.0f} s, and runs {_told(held.shape)}.",
        "Commit in between, or read in chunks: a long transaction holds locks and old rows.",
        site=_site(held.shape, texts),
        object=next(iter(held.shape.tables), None) if held.shape is not None else name,
        shape=held.shape,
        evidence={"transaction_seconds": round(held.age, 1), "database": name},
        confidence="likely",
    )


def _shorter() -> dict[str, str]:
    return {
        "django": "end transaction.atomic() before the slow part",
        "sqlalchemy": "session.commit()  # before the slow part",
    }
