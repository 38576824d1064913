"""perfkit around plain ASGI, without a framework.

Run it with ``uvicorn --app-dir example_apps plain_asgi:app``, then open http://127.0.0.1:8000/ a few times and
http://127.0.0.1:8000/health.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from perfkit_asgi import PerfkitMiddleware

Message = MutableMapping[str, Any]


async def hello(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Greet whoever asks for `/`; there is nothing else here."""
    assert scope["type"] == "http"
    found = scope["path"] == "/"
    body = b"Hello!\n" if found else b"Nothing here.\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = PerfkitMiddleware(hello, service="hello")
