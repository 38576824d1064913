"""The plain ASGI example: it runs, and perfkit answers beside it."""

from __future__ import annotations

from starlette.testclient import TestClient

import plain_asgi


def test_the_plain_app_answers_and_perfkit_beside_it() -> None:
    client = TestClient(plain_asgi.app)
    try:
        statuses = {path: client.get(path).status_code for path in ("/", "/nowhere", "/health")}
    finally:
        client.close()
        plain_asgi.app.system.stop()
    assert statuses == {"/": 200, "/nowhere": 404, "/health": 200}
