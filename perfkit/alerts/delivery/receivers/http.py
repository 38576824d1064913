"""One HTTP request with a deadline: a POST of JSON, by the standard library.

Only http and https. A redirect is followed to the same scheme, host and port alone, and only where method and body stay
(307, 308): anything else could hand what the address or the headers hold to somebody else. Proxies of the environment
are used (``HTTPS_PROXY``, ``NO_PROXY``). No message holds more of the address than scheme and host.
"""

from __future__ import annotations

import base64
import email.utils
import http.client
import io
import re
import socket
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple

from perfkit.alerts.delivery.receivers.deadline import Until, remaining
from perfkit.alerts.secret import Secret, place, secret
from perfkit.core.errors import AlertError, DeliveryError

__all__ = ["Answer", "Poster", "checked_headers", "retry_after"]

MOST_REDIRECTS = 3
MOST_BODY = 64 * 1024
KEEPING_METHOD = (307, 308)
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Answer(NamedTuple):
    """What came back; the body at most 64 KiB of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Poster:
    """Posts to one address. Thread-safe; each request has a connection of its own.

    Attributes:
        where: Scheme and host, for messages.
    """

    __slots__ = ("_context", "_timeout", "_url", "where")

    def __init__(self, url: Secret, *, timeout: float = 5.0, context: ssl.SSLContext | None = None) -> None:
        """Post to *url*, each request within *timeout* seconds in all.

        Raises:
            AlertError: It is no address of http or https.
        """
        self._url, self._timeout, self._context = url, timeout, context
        self.where = place(url.reveal())
        _split(url.reveal())

    def post(self, body: bytes, headers: Mapping[str, str], *, path: str = "") -> Answer:
        """Post *body* to the address, with *path* added to it.

        Raises:
            DeliveryError: There was no answer, or one that does not mean "taken".
        """
        url = self._url.reveal()
        if path:
            url = url.rstrip("/") + path
        deadline = time.monotonic() + self._timeout
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._once(url, body, headers, deadline)
            if not 300 <= answer.status < 400:
                return self._checked(answer)
            url = self._redirected(url, answer)
        raise DeliveryError(f"{self.where} redirects in circles", is_final=True)

    def _checked(self, answer: Answer) -> Answer:
        status = answer.status
        if 200 <= status < 300:
            return answer
        is_final = 400 <= status < 500 and status not in (408, 425, 429)
        asked = retry_after(answer.headers.get("retry-after", ""), time.time())
        raise DeliveryError(f"{self.where} answered {status}", is_final=is_final, retry_after=asked)

    def _redirected(self, url: str, answer: Answer) -> str:
        target = urllib.parse.urljoin(url, answer.headers.get("location", ""))
        try:
            is_same = _origin(url) == _origin(target)
        except AlertError:
            is_same = False
        if not is_same or answer.status not in KEEPING_METHOD:
            raise DeliveryError(
                f"{self.where} answered {answer.status}, a redirect that is not followed with a secret in hand. "
                "Give the receiver the address it leads to.",
                is_final=True,
            )
        return target

    def _once(self, url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Answer:
        connection, target, extra = self._connect(url, deadline)
        try:
            connection.request("POST", target, body, {**headers, **extra, "Connection": "close"})
            connection.sock.settimeout(remaining(deadline))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read(MOST_BODY))
        except ssl.SSLCertVerificationError:
            raise DeliveryError(f"the certificate of {self.where} is not trusted") from None
        except TimeoutError:
            raise DeliveryError(f"{self.where} did not answer within {self._timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            # The words of the error may hold the address; its class does not.
            raise DeliveryError(f"{self.where} cannot be reached: {_reason(error)}") from None
        finally:
            connection.close()

    def _connect(self, url: str, deadline: float) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        """Return a connection that keeps the deadline, the request target and extra headers."""
        parts = _split(url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        proxy = _proxy(parts.scheme, host)
        extra = _basic("Authorization", parts)
        if proxy is None:
            return self._connection(host, port, is_tls=is_tls, deadline=deadline), target, extra
        through = self._connection(proxy.hostname or "", proxy.port or 80, is_tls=is_tls, deadline=deadline)
        if is_tls:
            through.set_tunnel(host, port, _basic("Proxy-Authorization", proxy))
            return through, target, extra
        extra |= _basic("Proxy-Authorization", proxy)
        return through, f"http://{parts.netloc.rpartition('@')[2]}{target}", extra

    def _connection(self, host: str, port: int, *, is_tls: bool, deadline: float) -> http.client.HTTPConnection:
        timeout = remaining(deadline)
        connection: http.client.HTTPConnection
        if is_tls:
            context = self._context or ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)

        def response_class(sock: socket.socket, *arguments: object, **named: object) -> http.client.HTTPResponse:
            response = http.client.HTTPResponse(sock, *arguments, **named)  # type: ignore[arg-type]  # as it was given
            response.fp.close()
            response.fp = io.BufferedReader(Until(sock, deadline))
            return response

        connection.response_class = response_class  # type: ignore[assignment]  # anything that makes a response
        return connection


def checked_headers(given: Mapping[str, Secret | str]) -> dict[str, Secret]:
    """Return the headers *given*, which may hold secrets.

    Raises:
        AlertError: One cannot be sent: http.client would refuse each request, and show the value.
    """
    headers = {name: secret(value) for name, value in given.items()}
    for name, value in headers.items():
        text = value.reveal()
        if not TOKEN.fullmatch(name) or any(not (32 <= ord(letter) < 256 and ord(letter) != 127) for letter in text):
            raise AlertError(
                f"The header {name[:80]!r} of an alert receiver cannot be sent. Its name must be letters, digits and "
                "hyphens, its value one line of Latin letters; a file's line break at its end is a common mistake. "
                "Correct it."
            )
    return headers


def _split(url: str) -> urllib.parse.SplitResult:
    has_odd_letters = any(ord(letter) <= 32 or ord(letter) == 127 for letter in url)
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not has_odd_letters:
            return parts
    except ValueError:
        # It is no address at all; what is said below is true of it as well.
        has_odd_letters = True
    raise AlertError(
        f"{place(url)} is no address that alerts can be posted to. It must begin with http:// or https:// and name "
        "a host, without spaces. Correct the receiver's address."
    )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = _split(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _proxy(scheme: str, host: str) -> urllib.parse.SplitResult | None:
    address = urllib.request.getproxies().get(scheme)
    if not address or urllib.request.proxy_bypass(host):
        return None
    return urllib.parse.urlsplit(address if "://" in address else f"http://{address}")


def _basic(header: str, parts: urllib.parse.SplitResult) -> dict[str, str]:
    """Return the header for user and password of an address, if it has any."""
    if parts.username is None:
        return {}
    pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return {header: f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return type(error).__name__


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds of a ``Retry-After`` header, a number or a date, at *now* (Unix seconds)."""
    text = value.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
