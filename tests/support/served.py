"""The app of the hard proofs under uvicorn, on a free loopback port, stopped by its id."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from fleet import HERE, ROOT, TOKEN, Fleet, await_ready, free_port, stop

__all__ = ["family_of", "served"]


@contextlib.contextmanager
def served(
    *,
    workers: int = 1,
    environment: str = "production",
    directory: Path | None = None,
    env: dict[str, str] | None = None,
    options: tuple[str, ...] = (),
    before: Callable[[], None] | None = None,
) -> Iterator[Fleet]:
    """Run `proof_app` with *workers*; everything of it is gone at the end.

    Args:
        directory: The store's; None leaves the choice to the store.
        env: Variables for the server.
        options: More options for uvicorn.
        before: Called in the server's process before it runs.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="perfkit-served-") as folder:
        log = Path(folder, "server.log")
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PERFKIT_")} | {
            "PYTHONPATH": os.pathsep.join(map(str, (HERE, ROOT, ROOT / "integrations"))),
            "PERFKIT_TOKEN": TOKEN,
            "PERFKIT_ENVIRONMENT": environment,
            "TMPDIR": folder,
            **({"PERFKIT_STORE__DIRECTORY": str(directory)} if directory else {}),
            **(env or {}),
        }
        command = [sys.executable, "-m", "uvicorn", "proof_app:app", "--port", str(port), *options]
        command += ["--workers", str(workers)] if workers > 1 else []
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=variables, stdout=output, stderr=output, start_new_session=True, preexec_fn=before
            )
        running = Fleet(process, port, Path(folder), log)
        try:
            await_ready(running)
            yield running
        finally:
            stop(process)


def family_of(pid: int) -> list[psutil.Process]:
    """Return the process *pid* and all below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
