"""A real PostgreSQL on a free loopback port, with databases for the asking; nothing it writes has to last."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from patience import PATIENCE
from ports import reserved_port
from unprivileged import as_user, own_folder, stop_server

__all__ = ["POSTGRES", "PostgresServer", "postgres_server"]

USER = "postgres"


def _binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian keeps them out of the path."""
    config = shutil.which("pg_config")
    candidates = [Path(os.path.realpath(shutil.which("postgres") or "")).parent]
    if config is not None:
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(told.stdout.strip()))
    candidates.extend(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    return next((each for each in candidates if (each / "initdb").exists()), None)


POSTGRES = _binaries()
"""The folder of the programs; None where PostgreSQL is not installed (Debian: postgresql-15, postgresql-15-hypopg)."""

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200")


@dataclass
class PostgresServer:
    """A running PostgreSQL."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def dsn(self, database: str = "postgres") -> str:
        """Return what psycopg and asyncpg connect with."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def url(self, database: str = "postgres", driver: str = "psycopg") -> str:
        """Return what SQLAlchemy connects with."""
        return self.dsn(database).replace("postgresql:", f"postgresql+{driver}:", 1)

    def connect(self, database: str = "postgres", **options: Any) -> Any:
        """Return a connection of psycopg in autocommit mode."""
        import psycopg

        return psycopg.connect(self.dsn(database), autocommit=True, **options)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database; it is dropped at the end, whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            with self.connect() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def postgres_server(*settings: str) -> Iterator[PostgresServer]:
    """Run PostgreSQL with *settings* (``name=value``); it is stopped at the end, and its data removed."""
    assert POSTGRES is not None
    with own_folder(USER, "postgres") as folder, reserved_port() as port:
        data, log = folder / "data", folder / "log"
        made = [str(POSTGRES / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(as_user(USER, made), check=True, capture_output=True, cwd=folder, timeout=PATIENCE)
        options = [
            option for setting in (*FAST, f"unix_socket_directories={folder}", *settings) for option in ("-c", setting)
        ]
        command = [str(POSTGRES / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), *options]
        with log.open("wb") as output:
            process = subprocess.Popen(as_user(USER, command), stdout=output, stderr=output, cwd=folder)
        try:
            server = PostgresServer(port, folder, process)
            _await_ready(server, log)
            yield server
        finally:
            stop_server(process, signal.SIGINT)  # its fast shutdown


def _await_ready(server: PostgresServer, log: Path) -> None:
    import psycopg

    give_up_at = time.monotonic() + PATIENCE
    while server.process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(psycopg.OperationalError):
            server.connect(connect_timeout=5).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"PostgreSQL did not come up:\n{log.read_text()[-3000:]}")
