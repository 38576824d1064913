"""One request to a running service, as the commands make it: by the standard library, through no proxy."""

from __future__ import annotations

import http.client
import json
import os
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

__all__ = ["Answer", "address", "ask"]

MOST_BYTES = 1_000_000


class Answer(NamedTuple):
    """What the service said; *document* is empty where it was no JSON object."""

    code: int
    document: dict[str, Any]


def address(text: str) -> SplitResult:
    """Return the parts of the URL *text*; a bare ``host:port`` is taken for one of http.

    Raises:
        ValueError: It is no URL of http or https.
    """
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(text)
    return parts


def ask(url: SplitResult, path: str, *, method: str = "GET", timeout: float, token: str = "") -> Answer:
    """Ask the host of *url* for *path*.

    Raises:
        OSError, http.client.HTTPException: It did not answer.
    """
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    assert url.hostname is not None
    connection = kind(url.hostname, url.port, timeout=timeout)
    token = token or os.environ.get("PERFKIT_TOKEN", "")
    headers = {"accept": "application/json", "user-agent": "perfkit", "x-perfkit-command": method.lower()}
    if token:
        headers["authorization"] = f"Bearer {token}"
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(MOST_BYTES)
    finally:
        connection.close()
    try:
        document = json.loads(body)
    except ValueError:
        document = {}
    return Answer(answer.status, document if isinstance(document, dict) else {})
