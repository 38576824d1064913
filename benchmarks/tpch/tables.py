"""TPC-H's tables in a PostgreSQL of their own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.tpch.queries import TABLES

__all__ = ["loaded"]

SETTINGS = {"max_parallel_workers_per_gather": "0", "work_mem": "'64MB'", "jit": "off"}


@contextlib.contextmanager
def loaded(scale: float) -> Iterator[Any]:
    """Give a connection to TPC-H's tables at *scale*, in a server of its own."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
    from postgres_server import postgres_server

    program = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) or shutil.which("tpchgen-cli")
    if program is None:
        raise SystemExit("tpchgen-cli is not installed. It makes the tables. Install it with: pip install tpchgen-cli")
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server, server.database() as name:
        subprocess.run([program, "csv", "-s", str(scale), f"--output-dir={folder}"], check=True, capture_output=True)
        with server.connect(name) as connection:
            for setting, value in SETTINGS.items():
                connection.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
            connection.execute("CREATE EXTENSION hypopg")
            for table, columns in TABLES.items():
                connection.execute(f"CREATE TABLE {table} ({columns})")
                copy = f"COPY {table} FROM STDIN WITH (FORMAT csv, HEADER true)"
                file = Path(folder) / f"{table}.csv"
                with connection.cursor() as cursor, cursor.copy(copy) as target, file.open("rb") as source:
                    while part := source.read(1 << 20):
                        target.write(part)
            connection.execute("VACUUM ANALYZE")
        with server.connect(name) as connection:
            yield connection
