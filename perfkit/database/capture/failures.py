"""What a failed statement says about its transaction: it lost a race for a lock, or never reached the server."""

from __future__ import annotations

__all__ = ["LOCKS", "reason_of"]

_SQLSTATES = {
    "40001": "serialization_failure",
    "40P01": "deadlock",
    "55P03": "lock_not_available",
    "57P03": "cannot_connect_now",
    "08001": "connection_refused",
    "08004": "connection_refused",
}
_MYSQL = {1213: "deadlock", 1205: "lock_timeout", 2002: "connection_refused", 2003: "connection_refused"}
_SQLITE_BUSY, _SQLITE_LOCKED = 5, 6
_MOST_CAUSES = 10

LOCKS = frozenset({"serialization_failure", "deadlock", "lock_not_available", "lock_timeout", "locked"})
"""Reasons that say that another transaction was in the way."""


def reason_of(error: BaseException) -> str:
    """Return why the transaction that failed with *error* may be run again; empty if it must not."""
    found: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if found is None:
            return ""
        reason = _reason(found)
        if reason:
            return reason
        found = getattr(found, "orig", None) or found.__cause__
    return ""


def _reason(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(state, str):
        return _SQLSTATES.get(state, "")
    sqlite = getattr(error, "sqlite_errorcode", None)
    if isinstance(sqlite, int):
        return "locked" if sqlite & 0xFF in (_SQLITE_BUSY, _SQLITE_LOCKED) else ""
    package = type(error).__module__.partition(".")[0]
    if package in ("pymysql", "MySQLdb", "mariadb", "asyncmy") and error.args and isinstance(error.args[0], int):
        return _MYSQL.get(error.args[0], "")
    if package in ("psycopg", "psycopg2") and "connection failed" in str(error) and state is None:
        return "connection_refused"
    return ""
