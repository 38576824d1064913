"""A real MariaDB on a free loopback port, with databases for the asking; nothing it writes has to last."""

from __future__ import annotations

import contextlib
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

__all__ = ["MARIADB", "MariaDBServer", "mariadb_server"]

OWNER = "mysql"
USER = "tester"

MARIADB = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
"""The program; None where MariaDB is not installed (Debian: mariadb-server)."""

FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=8M",
    "--sync-binlog=0",
    "--skip-log-bin",
    "--skip-name-resolve",
)


@dataclass
class MariaDBServer:
    """A running MariaDB."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, database: str = "test", driver: str = "pymysql") -> str:
        """Return what SQLAlchemy connects with."""
        return f"mysql+{driver}://{USER}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str | None = None, **options: Any) -> Any:
        """Return a connection of PyMySQL in autocommit mode."""
        import pymysql

        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=USER, database=database, autocommit=True, **options
        )

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database; it is dropped at the end."""
        name = f"test_{next(self._numbers)}"
        self._do(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self._do(f"DROP DATABASE {name}")

    def _do(self, statement: str) -> None:
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)


@contextlib.contextmanager
def mariadb_server(*options: str) -> Iterator[MariaDBServer]:
    """Run MariaDB with *options*; it is stopped at the end, and its data removed."""
    assert MARIADB is not None
    with own_folder(OWNER, "mariadb") as folder, reserved_port() as port:
        data, log, first = folder / "data", folder / "log", folder / "first.sql"
        made = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", *FAST[:4]]
        subprocess.run(as_user(OWNER, made), check=True, capture_output=True, cwd=folder, timeout=PATIENCE)
        first.write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'%';\nGRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
            "CREATE DATABASE IF NOT EXISTS test;\n"
        )
        command = [
            MARIADB,
            "--no-defaults",
            f"--datadir={data}",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--socket={folder / 'socket'}",
            f"--pid-file={folder / 'pid'}",
            f"--init-file={first}",
            *FAST,
            *options,
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(as_user(OWNER, command), stdout=output, stderr=output, cwd=folder)
        try:
            server = MariaDBServer(port, folder, process)
            _await_ready(server, log)
            yield server
        finally:
            stop_server(process, signal.SIGTERM)


def _await_ready(server: MariaDBServer, log: Path) -> None:
    import pymysql

    give_up_at = time.monotonic() + PATIENCE
    while server.process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(pymysql.err.OperationalError):
            server.connect("test", connect_timeout=5).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"MariaDB did not come up:\n{log.read_text()[-3000:]}")
