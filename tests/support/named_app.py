"""One server of a fleet: answers with its name; slow or failing as its environment says."""

from __future__ import annotations

import asyncio
import os
from typing import Any

NAME = os.environ.get("NAMED_APP", "?").encode()
DELAY = float(os.environ.get("NAMED_APP_DELAY", "0"))
STATUS = int(os.environ.get("NAMED_APP_STATUS", "200"))


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        continue
    if DELAY:
        await asyncio.sleep(DELAY)
    headers = [(b"content-length", b"%d" % len(NAME)), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": STATUS, "headers": headers})
    await send({"type": "http.response.body", "body": NAME})
