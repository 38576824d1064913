"""The plain ASGI example: it runs, and perfkit answers beside it."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

import plain_asgi


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/nowhere", 404), ("/health", 200)])
def test_the_plain_app_answers(path: str, status: int) -> None:
    client = TestClient(plain_asgi.app)
    assert client.get(path).status_code == status
    plain_asgi.app.system.stop()
