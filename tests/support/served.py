"""The app of the hard proofs under uvicorn, on a free loopback port, stopped by its id."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from fleet import PATIENT, Fleet, started

__all__ = ["served"]


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
    """Run `proof_app` with *workers*, all of them there; everything of it is gone at the end.

    Args:
        directory: The store's; None leaves the choice to the store.
        env: Variables for the server.
        options: More options for uvicorn.
        before: Called in the server's process before it runs.
    """
    arguments = ["-m", "uvicorn", "proof_app:app", "--port", "{port}", *options]
    if workers > 1:
        arguments += ["--workers", str(workers), *PATIENT]
    variables = {
        "PERFKIT_ENVIRONMENT": environment,
        **({"PERFKIT_STORE__DIRECTORY": str(directory)} if directory else {}),
        **(env or {}),
    }
    with started(arguments, variables, workers=workers if workers > 1 else 0, before=before) as running:
        yield running
