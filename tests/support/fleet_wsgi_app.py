"""The apps that the WSGI fleets serve: one in Flask, one without any framework, perfkit added in one line each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response

from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware

SERVICE = os.environ.get("FLEET_SERVICE", "fleet")

app = Flask(__name__)


@app.get("/items/<item_id>")
def read_item(item_id: str) -> str:
    return item_id


@app.get("/streams/<item_id>")
def read_stream(item_id: str) -> Response:
    """Answer in pieces, without a length: the end is told by the connection."""
    return Response(iter(("one", "two", item_id)))


Perfkit(app, service=SERVICE)


def hello(environ: dict[str, Any], start_response: Any) -> Any:
    """Answer with a list, in pieces, or with a file that the kernel may send."""
    path = environ["PATH_INFO"]
    start_response("200 OK" if path.startswith("/items/") else "404 Not Found", [("Content-Type", "text/plain")])
    if path.startswith("/items/file"):
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    return pieces() if path.startswith("/items/piece") else [b"hello"]


def pieces() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


plain = PerfkitMiddleware(hello, service=SERVICE)
