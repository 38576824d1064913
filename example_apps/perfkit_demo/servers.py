"""The two ways in which the demo serves the shop: in this process, or in several workers beside it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Protocol

import uvicorn

from perfkit.core.errors import ConfigurationError

__all__ = ["HOST", "InProcessServer", "Server", "WorkersServer", "listening_socket"]

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


class InProcessServer:
    """One worker: uvicorn in a thread of this process."""

    def __init__(self, bound: socket.socket) -> None:
        """Serve on the socket *bound*, and close it at the end."""
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
    """Several workers: `uvicorn --workers`, in a process group of its own: Ctrl-C is for the demo."""

    def __init__(self, bound: socket.socket, workers: int) -> None:
        """Serve with *workers* on the port of *bound*, which is given free for them."""
        self._port: int = bound.getsockname()[1]
        self._workers = workers
        self._bound = bound
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to serve; return at once."""
        self._bound.close()
        options = {
            "--host": HOST,
            "--port": str(self._port),
            "--workers": str(self._workers),
            "--lifespan": "on",
            "--log-level": "warning",
            "--timeout-graceful-shutdown": str(GRACE),
        }
        command = [sys.executable, "-m", "uvicorn", APP, "--factory", "--no-access-log"]
        for option, value in options.items():
            command += [option, value]
        self._process = subprocess.Popen(command, process_group=0)

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
