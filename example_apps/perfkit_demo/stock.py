"""The stock service of the demo: a stub on this machine that fails and dawdles, and a replica of it that does not."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from perfkit_demo.shop.services import StockAnswer, StockService

__all__ = ["REPLICA", "STOCK", "StockServer", "fetch"]

STOCK, REPLICA = "/stock", "/replica"

PATIENCE = 5.0
"""Seconds that the shop waits for an answer."""

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class _Handler(BaseHTTPRequestHandler):
    """Answers as the service decides; the replica never fails."""

    server_version = "stock"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say how many pieces there are."""
        server = self.server
        assert isinstance(server, _Server)
        answer = server.service.ask()
        is_replica = urlsplit(self.path).path == REPLICA
        if not is_replica:
            time.sleep(answer.delay)
        body = json.dumps({"units": answer.units}).encode()
        self.send_response(503 if answer.fails and not is_replica else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Write nothing: the demo's terminal is for its addresses."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: StockService


class StockServer:
    """The stub in a thread of its own, on a free port of the loopback address."""

    def __init__(self, seed: int = 0) -> None:
        """Decide by *seed* which calls fail."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = StockService(seed)
        self._thread = threading.Thread(target=self._server.serve_forever, name="perfkit-demo-stock", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begin to serve; return at once."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)


def fetch(url: str, *, is_mended: bool) -> StockAnswer:
    """Ask the stock service at *url*, its replica where the problem is mended. It waits."""
    try:
        with _opener.open(f"{url}{REPLICA if is_mended else STOCK}", timeout=PATIENCE) as response:
            return StockAnswer(delay=0.0, units=int(json.load(response)["units"]), fails=False)
    except (urllib.error.URLError, OSError):
        return StockAnswer(delay=0.0, units=0, fails=True)
