"""Whether a write has committed itself: a transaction of its own, for which the database waits for its disk."""

from __future__ import annotations

from typing import Any

__all__ = ["commits_itself"]

_IN_TRANSACTION = 1
"""The flag of MySQL's protocol, SERVER_STATUS_IN_TRANS."""


def commits_itself(connection: Any) -> bool:
    """Return whether *connection*, of a driver, is in no transaction right after a write; False where unknown."""
    try:
        is_open = getattr(connection, "in_transaction", None)  # sqlite3, MySQL Connector
        if is_open is not None:
            return not is_open
        wire = getattr(connection, "pgconn", None)  # psycopg
        if wire is not None:
            return int(wire.transaction_status) == 0
        status = getattr(connection, "server_status", None)  # PyMySQL
        if isinstance(status, int):
            return not status & _IN_TRANSACTION
        info = getattr(connection, "info", None)  # psycopg2
        return int(getattr(info, "transaction_status", 1)) == 0
    except Exception:  # noqa: BLE001 - a driver that does not say so is taken for one that waits for a commit
        return False
