"""The ways in which the demo serves the shop: in this process, or in workers beside it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Protocol

from perfkit.core.errors import ConfigurationError

__all__ = ["HOST", "InProcessServer", "Server", "WorkersServer", "listening_socket", "server_of"]

HOST = "127.0.0.1"
"""The demo is for this machine only."""

APP = "perfkit_demo.served:app"

GRACE = 2
"""Seconds for which requests that run may go on when the server stops."""

PATIENCE = 3.5
"""Seconds after which a server that does not stop is left or killed."""


class Server(Protocol):
    """Something that serves the shop."""

    def start(self) -> None:
        """Begin to serve; return at once."""
        ...

    def is_running(self) -> bool:
        """Tell whether it has not ended by itself."""
        ...

    def stop(self) -> None:
        """Stop within five seconds."""
        ...


def listening_socket(port: int) -> socket.socket:
    """Bind *port* of the loopback address, 0 for any free one; the server will listen on it.

    Raises:
        ConfigurationError: The port cannot be had.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Otherwise the connections of the last demo would hold the port for a minute.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        reason = "in use" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
        raise ConfigurationError(
            f"Port {port} of {HOST} is {reason}. The demo needs a free port. "
            "Choose another one with --port, or take any free one with --port 0."
        ) from error
    return bound


def server_of(framework: str, bound: socket.socket, workers: int) -> Server:
    """Return the server that *framework*'s people would take, on the socket *bound*, which it closes at the end.

    One worker of FastAPI lives in this process: it starts fastest. gunicorn wants a process for itself.
    """
    if framework == "fastapi" and workers == 1:
        return InProcessServer(bound)
    command = uvicorn_command if framework == "fastapi" else gunicorn_command
    return WorkersServer(bound, command(bound.getsockname()[1], workers))


def uvicorn_command(port: int, workers: int) -> list[str]:
    options = {
        "--host": HOST,
        "--port": str(port),
        "--workers": str(workers),
        "--lifespan": "on",
        "--log-level": "warning",
        "--timeout-graceful-shutdown": str(GRACE),
    }
    return [sys.executable, "-m", "uvicorn", APP, "--factory", "--no-access-log", *chain(*options.items())]


def gunicorn_command(port: int, workers: int) -> list[str]:
    options = {
        "--config": "python:perfkit_demo.gunicorn_settings",
        "--bind": f"{HOST}:{port}",
        "--workers": str(workers),
        "--graceful-timeout": str(GRACE),
    }
    return [sys.executable, "-m", "gunicorn", f"{APP}()", *chain(*options.items())]


class InProcessServer:
    """One worker of FastAPI: uvicorn in a thread of this process."""

    def __init__(self, bound: socket.socket) -> None:
        """Serve on the socket *bound*, and close it at the end."""
        import uvicorn

        config = uvicorn.Config(
            APP,
            factory=True,
            lifespan="on",  # an app that cannot start shall end the server, not answer 500 for ever
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GRACE,
        )
        self._bound = bound
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="perfkit-demo-server", daemon=True)

    def start(self) -> None:
        """Begin to serve; return at once."""
        self._thread.start()

    def is_running(self) -> bool:
        """Tell whether it has not ended by itself."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop; a thread that hangs is left to end with the process."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._bound.close()

    def _run(self) -> None:
        # uvicorn exits when the app does not start, and has said why; is_running tells the rest.
        with suppress(SystemExit):
            self._server.run(sockets=[self._bound])


class WorkersServer:
    """A server with processes of its own, in a process group of its own: Ctrl-C is for the demo."""

    def __init__(self, bound: socket.socket, command: Sequence[str]) -> None:
        """Run *command*, which serves on the port of *bound*; that is given free for it."""
        self._bound = bound
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to serve; return at once."""
        self._bound.close()
        self._process = subprocess.Popen(self._command, process_group=0)

    def is_running(self) -> bool:
        """Tell whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop all workers; what has not ended in time is killed."""
        self._bound.close()
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        finally:
            # Also workers whose parent has died, and also when somebody is impatient.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
