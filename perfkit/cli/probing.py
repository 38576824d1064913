"""One request to a running service, as the commands make it: by the standard library, through no proxy."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from perfkit.cli.console import clean, say
from perfkit.core.errors import PerfkitError

__all__ = ["DASHBOARD", "HEALTH", "Answer", "Reply", "address", "ask", "fetch", "health_path", "reason_of", "token_in"]

MOST_BYTES = 1_000_000
LONGEST_TOKEN = 4096
DASHBOARD = "/perfkit"
HEALTH = "/health"


class Answer(NamedTuple):
    """What the service said; *document* is empty where it was no JSON object."""

    code: int
    document: dict[str, Any]


class Reply(NamedTuple):
    """What a service answered; names of *headers* in small letters, one entry for each time that one was sent."""

    code: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return each value of the header *name*."""
        return [value for key, value in self.headers if key == name]


def address(text: str) -> SplitResult:
    """Return the parts of the URL *text*; a bare ``host:port`` is taken for one of http.

    Raises:
        ValueError: It is no URL of http or https.
    """
    parts = urlsplit(text if "://" in text else f"http://{text}")
    has_blanks = any(sign.isspace() or not sign.isprintable() for sign in text)
    if has_blanks or parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(text)
    return parts


def reason_of(error: Exception) -> str:
    """Say why there was no answer, without the number that the system gives it."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if "WRONG_VERSION_NUMBER" in said:  # OpenSSL's words for an answer that is none of TLS
        return "it does not speak https; write http://"
    return clean(said) or type(error).__name__


def health_path(url: SplitResult) -> str:
    """Return where the service at *url* tells its health: the path given, beside the dashboard if that is it."""
    path = url.path.rstrip("/")
    return f"{path.removesuffix(DASHBOARD)}{HEALTH}" if not path or path.endswith(DASHBOARD) else path


def ask(url: SplitResult, path: str, *, method: str = "GET", timeout: float, token: str = "") -> Answer:
    """Ask the host of *url* for *path*; of a longer answer than a megabyte the rest is left out.

    Raises:
        OSError, http.client.HTTPException: It did not answer.
    """
    reply = fetch(url, path, method=method, timeout=timeout, token=token, most=MOST_BYTES)
    try:
        document = json.loads(reply.body)
    except ValueError:
        document = {}
    return Answer(reply.code, document if isinstance(document, dict) else {})


def fetch(
    url: SplitResult, path: str, *, method: str = "GET", timeout: float, token: str | None = "", most: int = MOST_BYTES
) -> Reply:
    """Ask the host of *url* for *path*. No redirect is followed: a token is for the one who was named.

    Args:
        timeout: Seconds for the whole of it.
        token: PERFKIT_TOKEN's if empty, none if None.
        most: Bytes of the body that are read.

    Raises:
        OSError, http.client.HTTPException: It did not answer, or not in time.
        PerfkitError: PERFKIT_TOKEN is no token.
    """
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    assert url.hostname is not None
    deadline = time.monotonic() + timeout
    connection = kind(url.hostname, url.port, timeout=timeout)
    if token is not None:
        token = token or _own_token()
    headers = {"accept": "application/json", "user-agent": "perfkit", "x-perfkit-command": method.lower()}
    if token:
        headers["authorization"] = f"Bearer {token}"
    # The time limit of a socket is for each piece, and a head may come in very many of them.
    watch = threading.Timer(timeout, _hang_up, (connection,))
    watch.name, watch.daemon = "perfkit-deadline", True
    watch.start()
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = bytearray()
        while len(body) < most and (piece := answer.read1(min(65_536, most - len(body)))):
            body += piece
            if time.monotonic() > deadline:
                break
        if time.monotonic() > deadline:
            raise TimeoutError(f"the answer was not complete after {timeout:g} s")
    finally:
        watch.cancel()
        connection.close()
    _tell(url, method, path, answer.status, len(body), timeout - (deadline - time.monotonic()), bool(token))
    return Reply(answer.status, tuple((name.lower(), value) for name, value in answer.getheaders()), bytes(body))


def _tell(url: SplitResult, method: str, path: str, code: int, size: int, seconds: float, has_token: bool) -> None:
    """Say what was asked, to those who want to know (``--verbose``)."""
    import logging

    how = "with a token" if has_token else "without a token"
    logging.getLogger(__name__).debug(
        "%s %s://%s%s %s: %d, %d bytes, %.0f ms", method, url.scheme, url.netloc, path, how, code, size, seconds * 1e3
    )


def _hang_up(connection: http.client.HTTPConnection) -> None:
    """End what is read of *connection*, in whatever state it is."""
    found = connection.sock
    if found is not None:
        with contextlib.suppress(OSError):  # it has ended by itself
            found.shutdown(socket.SHUT_RDWR)


def _own_token() -> str:
    """Return PERFKIT_TOKEN, without the line end that the file had which it was read from.

    Raises:
        PerfkitError: No header may hold it. What it is is not said: this ends in the log of a build.
    """
    token = os.environ.get("PERFKIT_TOKEN", "").strip()
    if not token.isascii() or (token and not token.isprintable()):
        raise PerfkitError(
            "PERFKIT_TOKEN holds what no header may hold. It must be one line of visible ASCII text. "
            "Set it to the service's token and nothing else."
        )
    return token


def token_in(place: str) -> str:
    """Return the token in the file *place*.

    Raises:
        PerfkitError: It cannot be read, or is none.
    """
    path = Path(place)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            token = file.read(LONGEST_TOKEN + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PerfkitError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or 'it is no ASCII text'}). "
            "It must be a file with a token. Look at its path and its rights."
        ) from None
    if not token or len(token) > LONGEST_TOKEN or not token.isprintable():
        raise PerfkitError(f"{path} holds no token. It must be one line of text. Write the token into it.")
    if mode & 0o077:
        say(f"perfkit: {path} can be read by others (mode {mode:04o}). Make it 0600.")
    return token
