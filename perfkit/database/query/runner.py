"""Runs one statement for the caller: measured, retried where that is safe, looked at."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from perfkit.core import shells
from perfkit.database.capture.recorder import Recorder
from perfkit.database.patterns.found import found
from perfkit.database.patterns.statements import find_statement_patterns
from perfkit.database.query.result import QueryResult
from perfkit.database.query.retry import Retry
from perfkit.database.query.target import Target
from perfkit.database.shapes.shape import fingerprint

__all__ = ["Runner"]


class Runner:
    """Runs statements on targets."""

    def __init__(self, recorder: Recorder, retry: Retry, threshold: float) -> None:
        """Report to *recorder*; *threshold* is the seconds from which a statement is slow."""
        self._recorder, self._retry, self._threshold = recorder, retry, threshold

    def run(self, target: Target, sql: str, params: Any = None) -> QueryResult:
        """Send *sql* to *target* and return its rows; its own transaction is committed.

        On a connection of the caller's it is part of the caller's transaction: neither committed nor retried.
        """
        attempts = 0

        def once() -> tuple[list[tuple[Any, ...]], tuple[str, ...], int, float]:
            nonlocal attempts
            attempts += 1
            with target.connection() as connection:
                done = self._send(target, connection, sql, params)
                if target.is_owner:
                    connection.commit()
                return done

        done = self._retry.run(once) if target.is_owner and self._retry.is_possible else once()
        return self._result(target, sql, params, done, attempts)

    async def arun(self, target: Target, sql: str, params: Any = None) -> QueryResult:
        """Do what `run` does: with an async engine in its loop, otherwise in a thread."""
        if target.engine is None:
            result: QueryResult = await shells.offload(self.run, target, sql, params)
            return result
        attempts = 0

        async def once() -> tuple[list[tuple[Any, ...]], tuple[str, ...], int, float]:
            nonlocal attempts
            attempts += 1
            start = perf_counter()
            async with target.engine.begin() as connection:
                answer = await connection.exec_driver_sql(sql, *(() if params is None else (params,)))
                rows = [tuple(row) for row in answer.fetchall()] if answer.returns_rows else []
                columns = tuple(answer.keys()) if answer.returns_rows else ()
                count = len(rows) if answer.returns_rows else answer.rowcount
            return rows, columns, count, perf_counter() - start

        done = await (self._retry.arun(once) if self._retry.is_possible else once())
        return self._result(target, sql, params, done, attempts)

    def _send(
        self, target: Target, connection: Any, sql: str, params: Any
    ) -> tuple[list[tuple[Any, ...]], tuple[str, ...], int, float]:
        recorder = self._recorder
        entry = recorder.learn(sql, target.system)
        cursor = connection.cursor()
        start = perf_counter()
        try:
            cursor.execute(sql, *(() if params is None else (params,)))
            described = cursor.description
            rows = [tuple(row) for row in cursor.fetchall()] if described else []
            count = len(rows) if described else cursor.rowcount
        except BaseException as error:
            recorder.fail(entry, start, params, error)
            raise
        finally:
            seconds = perf_counter() - start
            cursor.close()
        if entry is not None:
            recorder.finish(entry, start, params, count)
        return rows, tuple(column[0] for column in described or ()), count, seconds

    def _result(self, target: Target, sql: str, params: Any, done: Any, attempts: int) -> QueryResult:
        rows, columns, count, seconds = done
        shape = fingerprint(sql, target.system)
        suggestions = find_statement_patterns(sql, params, dialect=target.system, rows=count)
        if seconds >= self._threshold:
            suggestions.append(
                found(
                    "slow_query",
                    f"{shape.summary} took {seconds:.3f} s.",
                    "Look at its plan with explain(), and whether an index serves its conditions.",
                    object=next(iter(shape.tables), None),
                    shape=shape,
                    evidence={"seconds": seconds, "rows": count},
                )
            )
        return QueryResult(
            rows=rows,
            columns=columns,
            row_count=count,
            duration=seconds,
            attempts=attempts,
            shape=shape.id,
            suggestions=tuple(suggestions),
        )
