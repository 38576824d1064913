"""A real Redis on a free loopback port: started, stopped, killed, started again on the same port."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from patience import until
from ports import reserved_port

__all__ = ["REDIS_SERVER", "RedisServer", "redis_server"]

REDIS_SERVER = shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """A server that keeps nothing on disk, unless told to."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.url = f"redis://127.0.0.1:{port}/0"
        self.options: list[str] = ["--save", "", "--appendonly", "no"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start and wait until it answers."""
        assert REDIS_SERVER is not None
        assert self._process is None
        command = [REDIS_SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *self.options, *options], stdout=log, stderr=log)
        until(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return self.ask("PING") is True
        return False

    def ask(self, *command: Any) -> Any:
        """Send one command on a connection of its own."""
        with redis.Redis(port=self.port, socket_timeout=30.0, protocol=2) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """End it at once, with all that it holds."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it stand still, with its connections open."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            process.wait(30)

    def restart(self, *options: str) -> None:
        """Kill it and start it on the same port."""
        self.kill()
        self.start(*options)

    def close(self) -> None:
        """End it."""
        self._end(signal.SIGKILL)


@contextlib.contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a server with its files in *folder*; it is stopped at the end."""
    with reserved_port() as port:
        server = RedisServer(folder, port)
        try:
            server.start(*options)
            yield server
        finally:
            server.close()
