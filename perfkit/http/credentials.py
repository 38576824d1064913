"""What a visitor brings along: a token in a header or in the query, or the cookie that stands for one.

The cookie's value is ``<expiry>.<HMAC-SHA256 of mount and expiry under the token>``: whoever reads it learns neither
the token nor a cookie for another mount. Its name carries a fingerprint of the token, because browsers keep cookies
by host and not by port, and two services on one machine would throw each other out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from urllib.parse import quote, unquote_plus

from perfkit.core.message import Request

__all__ = ["COOKIE_LIFETIME", "Cookie", "authorization_tokens", "is_same", "query_token", "without_token"]

COOKIE_LIFETIME = 86_400
"""Seconds for which a cookie is good."""

SHORTEST_TOKEN = 16
"""Characters of a token, at least."""

_LONGEST_HEADER = 4096
_LONGEST_QUERY = 8192
_LONGEST_TOKEN = 1024
# Every `t` of a query, by whatever name: a stranger may send a megabyte, and a loop over its pieces would take seconds.
_TOKENS = re.compile(r"(?:^|&)(?:t|%74)(?:=([^&]*))?(?=&|\Z)")
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


def authorization_tokens(request: Request) -> tuple[bytes, ...]:
    """Return what ``Authorization`` brings: a bearer token or the password of HTTP basic; empty if neither.

    Headers reach us decoded as latin-1, sometimes as UTF-8. So a token outside ASCII has two readings.
    """
    header = request.headers.get("authorization", "")
    if not header or len(header) > _LONGEST_HEADER:
        return ()
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer" and value:
        readings = (value.encode("utf-8", "backslashreplace"), value.encode("latin-1", "backslashreplace"))
        return tuple(dict.fromkeys(readings))
    if scheme.lower() == "basic":
        try:
            _, colon, password = base64.b64decode(value.encode("utf-8", "backslashreplace"), validate=True).partition(
                b":"
            )
        except binascii.Error:
            return (b"",)
        return (password,) if colon else (b"",)
    return ()


def query_token(request: Request) -> bytes | None:
    """Return the value of ``t`` in the query; None if there is none, empty if it is given twice or far too long."""
    if not request.query:
        return None
    if len(request.query) > _LONGEST_QUERY:
        return b""
    values = _TOKENS.findall(request.query)
    if not values:
        return None
    if len(values) > 1:
        return b""
    return unquote_plus(values[0]).encode("utf-8", "backslashreplace")


def all_query_tokens(query: str) -> tuple[bytes, ...]:
    """Return every ``t`` in *query* that is long enough for a token, up to the length that is looked at."""
    values = _TOKENS.findall(query, 0, _LONGEST_QUERY)
    given = (unquote_plus(value).encode("utf-8", "backslashreplace") for value in values)
    return tuple(each for each in given if len(each) >= SHORTEST_TOKEN)


def without_token(query: str) -> str:
    """Return *query* without any ``t``; all else stays as it is, safe to stand in a header."""
    kept = _TOKENS.sub("", query)
    if not query.startswith("&"):
        kept = kept.removeprefix("&")  # which what follows a token at the very start has kept
    return quote(kept, safe=_VISIBLE, errors="replace")


def is_same(given: bytes, expected: str) -> bool:
    """Compare a token in constant time, whatever its length; an empty one is never right."""
    if not given or not expected or len(given) > _LONGEST_TOKEN:
        return False
    right = expected.encode("utf-8", "backslashreplace")
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(right).digest())


class Cookie:
    """The cookie that stands for one token. Stateless; every worker that knows the token accepts it.

    Attributes:
        name: Its name, different for each token.
    """

    __slots__ = ("_key", "name")

    def __init__(self, token: str) -> None:
        """Stand for *token*, which is not empty."""
        self._key = token.encode("utf-8", "backslashreplace")
        self.name = f"perfkit-{self._sign('name')[:8]}"

    def header(self, *, mount: str, path: str | None, is_secure: bool, now: float) -> str:
        """Return a ``Set-Cookie`` value for *mount*, good for `COOKIE_LIFETIME` from *now* (Unix seconds).

        Args:
            path: The ``Path`` attribute; None leaves it to the browser, which takes the directory of the page.
            is_secure: True adds ``Secure``; over plain http a browser would drop such a cookie and ask for ever.
        """
        expiry = str(int(now) + COOKIE_LIFETIME)
        parts = [f"{self.name}={expiry}.{self._sign(mount, expiry)}", f"Max-Age={COOKIE_LIFETIME}"]
        if path is not None:
            parts.append(f"Path={quote(path)}")
        parts += ["HttpOnly", "SameSite=Strict"]
        return "; ".join([*parts, "Secure"] if is_secure else parts)

    def is_valid(self, header: str, *, mount: str, now: float) -> bool:
        """Return True if the ``Cookie`` request header holds our cookie for *mount* and it is not over at *now*."""
        return bool(self.session(header, mount=mount, now=now))

    def session(self, header: str, *, mount: str, now: float) -> str:
        """Return the signature of our cookie in *header*, which tells its bearer from others; empty if none is good."""
        if len(header) > 2 * _LONGEST_QUERY:
            return ""
        prefix = f"{self.name}="
        # Repeated headers are joined with a comma, cookies in one header with a semicolon.
        for piece in header.replace(",", ";").split(";"):
            value = piece.strip()
            if value.startswith(prefix) and self._is_good(value[len(prefix) :], mount, now):
                return value.rpartition(".")[2]
        return ""

    def _is_good(self, value: str, mount: str, now: float) -> bool:
        expiry, _, signature = value.partition(".")
        if not (expiry.isascii() and expiry.isdigit() and len(expiry) <= 12):
            return False
        is_signed = hmac.compare_digest(
            signature.encode("utf-8", "backslashreplace"), self._sign(mount, expiry).encode()
        )
        return is_signed and now < int(expiry) <= now + COOKIE_LIFETIME + 1

    def _sign(self, *words: str) -> str:
        message = "\n".join(("perfkit cookie 1", *words)).encode("utf-8", "backslashreplace")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()
