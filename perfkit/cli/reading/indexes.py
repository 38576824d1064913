"""What a database is advised, without any web app: what `perfkit advise --database URL` prints."""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from perfkit.advice.wording import count
from perfkit.cli.console import clean, progress
from perfkit.cli.documents.document import Document, printed
from perfkit.core.errors import DatabaseError, PerfkitError
from perfkit.core.findings import Finding
from perfkit.database.indexes.advice import IndexAdvice, LeftOut
from perfkit.snapshot import SCHEMA_VERSION

__all__ = ["DatabaseAdvice", "run"]

SOMETHING = 1
MOST_BYTES = 50_000_000
STATISTICS = "pg_stat_statements"
_CALLS = re.compile(r"^\s*--\s*calls:\s*([\d.]+)\s*$", re.IGNORECASE | re.MULTILINE)
_DRIVERS = {"postgresql": "psycopg", "postgres": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}


class DatabaseAdvice(Document, frozen=True, kw_only=True, tag="advise database"):
    """What a database alone is advised.

    Attributes:
        source: Where the statements are from.
        statements: How many they were.
        indexes: Those worth making.
        left_out: Statements that could not be read or planned.
        verified_by: How the advice was checked; empty where nothing could be asked.
        what_if_calls: How often the planner was asked.
    """

    source: str
    statements: int
    indexes: tuple[IndexAdvice, ...]
    findings: tuple[Finding, ...]
    left_out: tuple[LeftOut, ...]
    verified_by: str
    what_if_calls: int


def run(options: argparse.Namespace) -> int:
    """Print what is found in the database of *options*; return 0 if that is nothing, else 1.

    Raises:
        DatabaseError: It cannot be asked, or the options do not go together.
    """
    if options.url is not None or options.code or options.explain:
        raise DatabaseError(
            "A service and --database were given, or --database with --code or --explain. A service and a database are "
            "asked for different things. Ask one after the other."
        )
    from perfkit.database import analyze

    with _connected(options.database) as database:
        workload, source = _workload(options.workload, database)
        try:
            with progress(f"planning {count(len(workload), 'statement')}"):
                result = analyze(database, workload, schema=options.schema)
        except PerfkitError:
            raise
        except Exception as error:
            raise DatabaseError(
                f"The database did not answer ({_told(error)}). Its catalog must be readable to this user. "
                "Look at its rights and its log."
            ) from error
    if options.json:
        facts = msgspec.structs.asdict(result)
        print(printed(DatabaseAdvice(version=SCHEMA_VERSION, source=source, statements=len(workload), **facts)))
    elif not options.quiet:
        print(clean(_page(result, len(workload), source), lines=True))
    return SOMETHING if result.indexes or result.findings else 0


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    """Give the database at *url*: an engine, or for SQLite a connection that can only read."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise DatabaseError(
            f"{url!r} is not a URL. It must name the database, such as postgresql://user@host/name. "
            "Write sqlite:/// before the path of a file."
        )
    if scheme == "sqlite":
        import sqlite3

        path = Path(rest.removeprefix("/"))
        if not path.is_file():
            raise DatabaseError(f"There is no file {path}. It must be a database of SQLite. Write sqlite:///its/path.")
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
            yield connection
        except sqlite3.DatabaseError as error:
            raise DatabaseError(
                f"{path} cannot be read ({error}). It must be a database of SQLite. Give the right file."
            ) from error
        finally:
            connection.close()
        return
    with _engine(f"{scheme}+{_DRIVERS[scheme]}://{rest}" if scheme in _DRIVERS else url) as engine:
        yield engine


@contextmanager
def _engine(url: str) -> Iterator[Any]:
    from perfkit.database.query.target import engine_of

    engine = engine_of(url.replace("postgres+", "postgresql+", 1))
    try:
        engine.connect().close()
    except Exception as error:  # noqa: BLE001 - drivers have no error in common; what it says is told
        raise DatabaseError(
            f"The database does not answer ({_told(error)}). It must run and let this user in. "
            "Look at the host, the port, the user and the password of the URL."
        ) from None
    try:
        yield engine
    finally:
        engine.dispose()


def _told(error: Exception) -> str:
    """Return the first line of an error of a driver, without what SQLAlchemy adds."""
    return (
        str(getattr(error, "orig", None) or error).strip().splitlines()[0][:200] if str(error) else type(error).__name__
    )


def _workload(given: str | None, database: Any) -> tuple[list[tuple[str, float]], str]:
    """Return the statements, and where they are from."""
    if given not in (None, STATISTICS):
        return _of_file(Path(str(given))), str(given)
    rows = _of_statistics(database)
    if rows is None and given == STATISTICS:
        raise DatabaseError(
            f"The database has no readable {STATISTICS}. The extension must be loaded and created. "
            f"Put it into shared_preload_libraries and run CREATE EXTENSION {STATISTICS}, or give a file."
        )
    return (rows, STATISTICS) if rows is not None else ([], "the tables alone")


def _of_statistics(database: Any) -> list[tuple[str, float]] | None:
    from perfkit.database.indexes.session import opened

    with opened(database) as session:
        if session.dialect != "postgresql" or not session.rows(
            f"SELECT 1 FROM pg_extension WHERE extname = '{STATISTICS}'"
        ):
            return None
        return [
            (str(sql), float(calls))
            for sql, calls in session.rows(
                f"SELECT s.query, s.calls FROM {STATISTICS} s JOIN pg_database d ON d.oid = s.dbid "
                "WHERE d.datname = current_database() AND s.query ~* '^\\s*(select|with|insert|update|delete)' "
                f"AND s.query !~* 'pg_catalog|pg_stat|pg_class' ORDER BY s.total_exec_time DESC LIMIT 500"
            )
        ]


def _of_file(path: Path) -> list[tuple[str, float]]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DatabaseError(f"{path} is larger than 50 MB. A workload is a list of statements. Give each one once.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatabaseError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or 'it is no UTF-8 text'}). "
            "It must be a file of statements. Look at its path."
        ) from error
    pairs = _of_json(path, text) if text.lstrip().startswith(("[", "{")) else list(_of_sql(text))
    if not pairs:
        raise DatabaseError(f"{path} holds no statement. There must be at least one. End each with a semicolon.")
    return pairs


def _of_json(path: Path, text: str) -> list[tuple[str, float]]:
    try:
        items = json.loads(text)
        return [(str(item["sql"]), float(item.get("calls", 1))) for item in items]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatabaseError(
            f'{path} is no list of statements ({error}). It must be JSON such as [{{"sql": "SELECT …", "calls": 10}}]. '
            "Look at that place."
        ) from error


def _of_sql(text: str) -> Iterator[tuple[str, float]]:
    """Yield what stands between semicolons that are in no text and no comment."""
    for part in re.findall(r"(?:'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|[^;])+", text, re.DOTALL):
        calls = _CALLS.search(part)
        statement = _CALLS.sub("", part).strip()
        if re.sub(r"--[^\n]*|/\*.*?\*/", "", statement, flags=re.DOTALL).strip():
            yield statement, float(calls[1]) if calls else 1.0


def _page(result: Any, statements: int, source: str) -> str:
    """Return what a person reads."""
    lines = [f"{count(statements, 'statement')} from {source}."]
    if result.indexes:
        lines.append(f"\nIndexes worth making ({_HOW.get(result.verified_by, result.verified_by)}):\n")
    for advice in result.indexes:
        lines.append(f"  {advice.ddl};")
        lines.extend(textwrap.wrap(advice.reason, 100, initial_indent="    ", subsequent_indent="    "))
    others = [finding for finding in result.findings if finding.kind != "missing_index"]
    if others:
        lines.append("\nFindings:\n")
    for finding in others:
        lines.append(f"  {finding.code} {finding.kind}" + (f" ({finding.object})" if finding.object else ""))
        for text in (finding.message, finding.action):
            lines.extend(textwrap.wrap(text, 100, initial_indent="    ", subsequent_indent="    "))
        if "sql" in finding.fix:
            lines.append(f"    {finding.fix['sql']}")
    if not result.indexes and not others:
        lines.append("Nothing to do.")
    if result.left_out:
        lines.append(
            f"\n{len(result.left_out)} statements were left out, the first because {result.left_out[0].reason}."
        )
    return "\n".join(lines)


_HOW = {
    "hypopg": "each was tried by the planner with HypoPG",
    "planner": "SQLite's planner takes each of them",
    "rules": "estimated from statistics: with HypoPG the planner itself would be asked",
}
