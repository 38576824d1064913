"""What runs in processes of their own: the server behind, our proxy, the peer's; each under the same uvicorn."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn

__all__ = ["asgiproxy", "ours"]

BODIES: dict[str, bytes] = {}
"""Answers by path, made once."""


async def behind(scope: Any, receive: Any, send: Any) -> None:
    """Answer with as many bytes as the path says; a body is read to its end."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        continue
    path = scope["path"]
    body = BODIES.get(path)
    if body is None:
        body = BODIES[path] = b"x" * int(path[1:])
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def ours(port: int) -> Any:
    """Return our proxy to the server at *port*."""
    from perfkit.load_balancer import LoadBalancer
    from perfkit.load_balancer.proxy import Proxy

    balancer = LoadBalancer()
    balancer.add_server("one", host="127.0.0.1", port=port)
    return Proxy(balancer)


def asgiproxy(port: int) -> Any:
    """Return the peer, as its own command makes it."""
    from asgiproxy.__main__ import make_app

    return make_app(f"http://127.0.0.1:{port}")[0]


def main() -> None:
    """Serve the app named first, at the port named second, to the server at the port named third."""
    name, port, upstream = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    app = behind if name == "behind" else {"ours": ours, "asgiproxy": asgiproxy}[name](upstream)
    asyncio.set_event_loop_policy(None)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_level="error",
        access_log=False,
        http="httptools",
        loop="asyncio",
        lifespan="off",
    )


if __name__ == "__main__":
    main()
