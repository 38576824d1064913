"""The other ends of alert receivers on loopback: a web server that misbehaves, a mail server, a real Alertmanager."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ALERTMANAGER", "AlertmanagerServer", "MailSink", "WebSink", "alertmanager_server", "closed_port"]

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Posted:
    """One request that a sink got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebSink:
    """A web server.

    Attributes:
        statuses: Answered one after the other; when they are used up, 200.
        headers: Sent with each answer that is not 200.
        delay: Seconds before each answer.
        drip: Send the answer one byte at a time, this many seconds apart; 0 is at once.
    """

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    posted: list[Posted] = field(default_factory=list)
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def json(self) -> list[Any]:
        return [json.loads(each.body) for each in self.posted]

    @contextlib.contextmanager
    def running(self, port: int = 0) -> Iterator[WebSink]:
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.posted.append(Posted(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                sink.released.wait(sink.delay)
                status = sink.statuses.pop(0) if sink.statuses else 200
                with contextlib.suppress(OSError):
                    self._answer(status)

            def _answer(self, status: int) -> None:
                extra = "".join(f"{name}: {value}\r\n" for name, value in sink.headers.items() if status != 200)
                answer = f"HTTP/1.1 {status} X\r\n{extra}Content-Length: 2\r\n\r\nok".encode()
                for byte in [answer] if not sink.drip else [bytes([each]) for each in answer]:
                    self.wfile.write(byte)
                    self.wfile.flush()
                    if sink.drip and sink.released.wait(sink.drip):
                        return

            def log_message(self, *arguments: object) -> None:
                """Keep quiet."""

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            # A client that went away in the middle is what these tests are about.
            handle_error = lambda *arguments: None  # type: ignore[assignment]  # noqa: E731

        server = Server(("127.0.0.1", port), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            server.shutdown()
            server.server_close()
            thread.join(10)


@dataclass
class MailSink:
    """A mail server that takes everything.

    Attributes:
        refuse: Answer to RCPT, if it is not the usual one.
        refusals: The same by address, each given once.
        goodbye: Answer to QUIT; empty: it says nothing and goes.
        drip: Greet with a byte each so many seconds, without end; 0 is not at all.
        asks_names: Offer a log-in.
        flood: Answer EHLO with lines without end.
        mails: What it took: envelope and text.
    """

    refuse: str = ""
    refusals: dict[str, str] = field(default_factory=dict)
    goodbye: str = "221 bye"
    drip: float = 0.0
    asks_names: bool = False
    flood: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    mails: list[tuple[str, list[str], str]] = field(default_factory=list)
    port: int = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[MailSink]:
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    self._serve()

            def _serve(self) -> None:
                sender, recipients = "", []
                while sink.drip:
                    self.wfile.write(b"2")
                    if sink.released.wait(sink.drip):
                        return
                self._say("220 sink")
                while line := self.rfile.readline().decode("utf-8", "replace").strip():
                    verb = line.upper()
                    if verb.startswith("EHLO"):
                        while sink.flood:
                            self._say(*["250-sink " + "x" * 400] * 100)
                        self._say("250-sink", *(["250-AUTH PLAIN"] if sink.asks_names else []), "250 8BITMIME")
                    elif verb.startswith("MAIL FROM:"):
                        sender, recipients = line[10:].partition(" ")[0].strip("<>"), []
                        self._say("250 fine")
                    elif verb.startswith("RCPT TO:"):
                        address = line[8:].strip("<>")
                        answer = sink.refusals.pop(address, sink.refuse) or "250 fine"
                        recipients += [address] if answer.startswith("250") else []
                        self._say(answer)
                    elif verb == "DATA":
                        self._say("354 go on")
                        sink.mails.append((sender, recipients, self._text()))
                        self._say("250 taken")
                    elif verb == "QUIT":
                        if sink.goodbye:
                            self._say(sink.goodbye)
                        return
                    else:
                        self._say("250 fine")

            def _say(self, *lines: str) -> None:
                self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

            def _text(self) -> str:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                return b"".join(lines).decode("utf-8", "replace")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        server = Server(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            server.shutdown()
            server.server_close()
            thread.join(10)


def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


@dataclass
class AlertmanagerServer:
    """A running Alertmanager."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that it holds to be active."""
        with _opener.open(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


@contextlib.contextmanager
def alertmanager_server(folder: Path, webhook_url: str) -> Iterator[AlertmanagerServer]:
    """Run Alertmanager with its data in *folder*; it tells *webhook_url* at once and is stopped at the end."""
    assert ALERTMANAGER is not None
    config, log, port = folder / "alertmanager.json", folder / "alertmanager.log", closed_port()
    # JSON is YAML.
    config.write_text(
        json.dumps(
            {
                "route": {"receiver": "hook", "group_wait": "100ms", "group_interval": "1s", "group_by": ["alertname"]},
                "receivers": [{"name": "hook", "webhook_configs": [{"url": webhook_url, "send_resolved": True}]}],
            }
        )
    )
    command = [
        ALERTMANAGER,
        f"--config.file={config}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=debug",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        give_up_at = time.monotonic() + 30
        while True:
            assert process.poll() is None, log.read_text()[-3000:]
            with contextlib.suppress(OSError):
                if _opener.open(f"http://127.0.0.1:{port}/-/ready", timeout=2).status == 200:
                    break
            assert time.monotonic() < give_up_at, log.read_text()[-3000:]
            time.sleep(0.05)
        yield AlertmanagerServer(port, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
