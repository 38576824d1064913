"""How a connection to the shop's database is prepared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

__all__ = ["POOL", "prepare"]

POOL = 24
"""Connections kept: more than requests at once in one worker, so that no problem is found that was not seeded."""

PRAGMAS = ("PRAGMA synchronous = OFF", "PRAGMA busy_timeout = 5000")


def prepare(engine: Engine) -> None:
    """Let the connections of *engine* write a file that may be lost: nothing is flushed to the disk."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()
