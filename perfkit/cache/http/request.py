"""A request as the cache sees it: what identifies the response it wants, and what forbids to answer it from the cache.

Written with the attacker in mind. Whatever may change a response and is no part of its key can be used to have a bad
response kept for others (Kettle: Practical Web Cache Poisoning, 2018, and Web Cache Entanglement, 2020; Nguyen, Lo
Iacono, Federrath: Your Cache Has Fallen, CCS 2019). So:

- The key has scheme, host, path and query exactly as they were sent; nothing is sorted, decoded or left out.
- Fields by which a proxy tells an app another host, scheme or prefix, and Origin, are always part of the key.
- Requests that want to be taken for another method or URL, that have a body, several hosts or one that is none, and
  those with a range or a precondition, and paths with dot segments, backslashes or control characters, pass by the
  cache.
- Who says who he is (Cookie, Authorization and the like) shares only what the response calls public.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

from perfkit.cache.http.fields import members

__all__ = ["BY_SERVER", "SAFE", "CacheRequest", "Identity", "path_tag", "same_origin_path", "variant_key"]

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
"""Methods that change nothing (RFC 9110 section 9.2.1; QUERY by its own draft). All others make a URL invalid."""

KEYED = (
    "cloudfront-forwarded-proto",
    "origin",
    "x-forwarded-context",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-host",
    "x-original-host",
    "x-original-proto",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
    "front-end-https",
)
"""Fields that frameworks and proxies' middleware build URLs from, and Origin, which servers forget to name in Vary."""

DIVERTING = {
    "x-http-method": "method-override",
    "x-http-method-override": "method-override",
    "x-method-override": "method-override",
    "x-original-url": "url-override",
    "x-rewrite-url": "url-override",
    "range": "range",
    "if-range": "range",
    "if-match": "precondition",
    "if-unmodified-since": "precondition",
    "expect": "expect",
    "upgrade": "upgrade",
}
"""Fields with which a request passes by the cache, and the word for it."""

PERSONAL = (
    "proxy-authorization",
    "api-key",
    "cf-access-authenticated-user-email",
    "cf-access-jwt-assertion",
    "client-cert",
    "dpop",
    "remote-user",
    "ssl-client-cert",
    "ssl-client-s-dn",
    "tailscale-user-login",
    "x-access-token",
    "x-amzn-oidc-accesstoken",
    "x-amzn-oidc-data",
    "x-amzn-oidc-identity",
    "x-api-key",
    "x-auth-request-access-token",
    "x-auth-request-email",
    "x-auth-request-preferred-username",
    "x-auth-request-user",
    "x-auth-token",
    "x-authenticated-user",
    "x-client-cert",
    "x-csrf-token",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-goog-authenticated-user-email",
    "x-goog-authenticated-user-id",
    "x-goog-iap-jwt-assertion",
    "x-ms-client-principal",
    "x-ms-client-principal-id",
    "x-ms-client-principal-name",
    "x-remote-user",
    "x-session-id",
    "x-session-token",
    "x-ssl-client-cert",
    "x-ssl-client-s-dn",
    "x-user-id",
    "x-webauth-user",
)
"""Fields that say who asks, beside Authorization and Cookie."""

BY_SERVER = {"REMOTE_USER": "remote-user", "SSL_CLIENT_S_DN": "ssl-client-s-dn", "SSL_CLIENT_CERT": "ssl-client-cert"}
"""Variables by which a WSGI server says whom it let in, by name or by certificate, and the fields they count as."""

HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
WALKING = re.compile(r"/\.{1,2}(?:/|\Z)|[\\\x00-\x1f\x7f]")
"""What a server, a proxy or an app may read as another path than the one that it stands in."""
LONGEST_TARGET = 4096
LONGEST_VALUE = 500
"""Characters of a field up to which its reading is remembered: strangers send long ones."""


class CacheRequest(msgspec.Struct, kw_only=True):
    """One GET or HEAD of a route of the settings.

    Attributes:
        target: Path and query as they were sent, the app's root included.
        headers: Lower-case names; of repeated ones the values joined with ``, ``.
        server: What stands for the host where the request names none.
    """

    method: str
    scheme: str
    target: str
    headers: Mapping[str, str]
    server: str = ""

    @property
    def host(self) -> str:
        """The host as it was sent, as apps that route by it may heed its case; empty where it is none."""
        host = self.headers.get("host") or self.server
        return host if len(host) <= 262 and HOST.fullmatch(host) else ""

    def obstacle(self) -> str:
        """Return why it passes by the cache, in a word; empty if it does not."""
        headers = self.headers
        for name in headers.keys() & DIVERTING.keys():
            return DIVERTING[name]
        if headers.get("transfer-encoding") or headers.get("content-length", "0") not in ("0", ""):
            return "request-body"
        if len(self.target) > LONGEST_TARGET:
            return "long-url"
        path = self.target.partition("?")[0]
        if ("%" in path or "." in path or "\\" in path) and WALKING.search(unquote(path)):
            return "path"
        return "" if self.host else "host"

    def key(self) -> str:
        """Return what identifies the URL; readable as long as it is short."""
        text = f"{self.scheme}://{self.host}{self.target}"
        if len(text) <= 90:
            return text
        # The others are told a key only up to that length. No text of a URL has a space.
        return f"{text[:45]} {hashlib.blake2b(text.encode('utf-8', 'replace'), digest_size=20).hexdigest()}"


class Identity:
    """Which requests say who asks. Made once from the settings."""

    __slots__ = ("_ignored", "_ignored_beginnings", "_personal")

    def __init__(self, ignored_cookies: Iterable[str] = (), personal_headers: Iterable[str] = ()) -> None:
        """Add what the settings say to what is known."""
        ignored = tuple(ignored_cookies)
        self._ignored = frozenset(name for name in ignored if not name.endswith("*"))
        self._ignored_beginnings = tuple(name[:-1] for name in ignored if name.endswith("*"))
        self._personal = frozenset((*PERSONAL, *(name.lower() for name in personal_headers)))

    def of(self, headers: Mapping[str, str]) -> str:
        """Return the word for what says who asks: ``authorization``, ``cookie``, ``identity``; empty for a stranger."""
        if headers.get("cookie") and self.cookies(headers["cookie"]):
            return "cookie"
        if not self._personal.isdisjoint(headers):
            return "identity"
        return "authorization" if "authorization" in headers else ""

    def cookies(self, text: str) -> str:
        """Return the cookies of *text* that count, in one order."""
        found = (each.strip() for each in text.split(";"))
        return "; ".join(sorted(each for each in found if each and not self._is_ignored(each.partition("=")[0])))

    def _is_ignored(self, name: str) -> bool:
        return name in self._ignored or (
            bool(self._ignored_beginnings) and name.startswith(self._ignored_beginnings) and bool(name)
        )


def variant_key(generation: str, headers: Mapping[str, str], names: Iterable[str], identity: Identity) -> str:
    """Return the key of the response to a request with *headers* where responses differ by *names*.

    Source: RFC 9111 section 4.1; values are compared without the space around commas, those of Accept-Encoding in any
    order and case.
    """
    parts = [f"{name}={_normalised(name, headers[name], identity)}" for name in KEYED if name in headers]
    forwarded = headers.get("forwarded")
    if forwarded:
        parts.append(f"forwarded={_forwarded(forwarded) if len(forwarded) <= LONGEST_VALUE else forwarded}")
    # Tells a response that varies by nothing from one that varies by fields which this request does not have.
    parts += [f"{name}:{_normalised(name, headers[name], identity)}" if name in headers else name for name in names]
    if not parts:
        return generation
    text = "\n".join(parts).encode("utf-8", "replace")
    return f"{generation} {hashlib.blake2b(text, digest_size=16).hexdigest()}"


def _normalised(name: str, value: str, identity: Identity) -> str:
    if name == "accept-encoding" and len(value) <= LONGEST_VALUE:
        return _codings(value)
    if name == "cookie":
        return identity.cookies(value)
    return ",".join(members(value))


@lru_cache(256)
def _codings(value: str) -> str:
    return ",".join(sorted(each.replace(" ", "").lower() for each in members(value)))


@lru_cache(256)
def _forwarded(value: str) -> str:
    """Return what of Forwarded (RFC 7239) may change a response: host and proto, not whom it is for."""
    parts = (part.strip() for element in members(value) for part in element.split(";"))
    return ";".join(part for part in parts if part.partition("=")[0].strip().lower() in ("host", "proto"))


def path_tag(path: str) -> str:
    """Return the tag of all that is kept of *path*, whatever its host and query: a change through one concerns all."""
    return f"http {hashlib.blake2b(unquote(path).encode('utf-8', 'replace'), digest_size=12).hexdigest()}"


def same_origin_path(location: str, request: CacheRequest) -> str | None:
    """Return the path of *location* if it lies at the origin of *request* (RFC 9111 section 4.4), else None."""
    try:
        base = f"{request.scheme}://{request.host}{request.target}"
        there = urlsplit(urljoin(base, location))
        here = urlsplit(base)
    except ValueError:
        return None
    is_same = (there.scheme, there.netloc.lower()) == (here.scheme, here.netloc.lower())
    return there.path if is_same and request.host else None
