"""What is let through: every request is looked at once more, whatever parser the server in front has.

Two parsers that read one request differently are how requests are smuggled. So nothing ambiguous is passed on: a length
said twice or beside a transfer coding, a coding other than one ``chunked``, a control character. What is passed on is
written anew by our own writer, with exactly one framing. Sources: RFC 9110, sections 5.5 and 7.6; RFC 9112, sections
3.2 (targets), 5.2 (line folding), 6.1 and 6.3 (framing).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from perfkit.load_balancer.proxy.faults import Refused
from perfkit.load_balancer.proxy.options import ProxyOptions, is_token

__all__ = ["Framing", "Headers", "framing_of", "host_of", "is_field_value", "is_length", "is_token", "target_of"]

Headers = list[tuple[bytes, bytes]]

is_field_value = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch
_is_target = re.compile(rb"/[!-\"$-~]*").fullmatch
_is_query = re.compile(rb"[!-\"$-~]*").fullmatch
_is_host = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}))(?::[0-9]{1,5})?").fullmatch
is_length = re.compile(rb"[0-9]{1,18}").fullmatch
REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE", b"TRACK", b"PRI"})


class Framing(msgspec.Struct, frozen=True):
    """How the body of a request ends.

    Attributes:
        length: Its bytes; None where it is chunked, or of unknown length.
        is_chunked: Whether it came in chunks, or by a protocol with frames of its own.
        expects_continue: Whether the client waits for leave to send it.
    """

    length: int | None = 0
    is_chunked: bool = False
    expects_continue: bool = False

    @property
    def has_body(self) -> bool:
        """Whether there may be a body."""
        return self.is_chunked or bool(self.length)


NO_BODY = Framing()


def method_of(scope: Any) -> bytes:
    """Return the method."""
    method = str(scope["method"]).encode("latin-1", "replace")
    if not is_token(method) or len(method) > 32:
        raise Refused(400, "the method is none")
    if method in REFUSED_METHODS:
        raise Refused(405, "this method is not passed on")
    return method


def target_of(scope: Any, options: ProxyOptions) -> bytes:
    """Return path and query as they came, without the root under which the proxy is mounted.

    Nothing is decoded and nothing is joined with a URL: ``//evil/x`` is a path of our own server, and stays one.

    Raises:
        Refused: It is no path: absolute-form, authority-form, control characters, a fragment, or too long.
    """
    path = scope.get("raw_path")
    if path is None:
        path = quote(scope["path"], safe="/:@!$&'()*+,;=~").encode()
    path = path.partition(b"?")[0]
    root = scope.get("root_path", "").rstrip("/")
    if root:
        path = _below(path, quote(root, safe="/:@!$&'()*+,;=~").encode())
    query = scope.get("query_string", b"")
    if not _is_target(path) or not _is_query(query):
        raise Refused(400, "the target is no path")
    if len(path) + len(query) > options.max_target_bytes:
        raise Refused(414, "the target is too long")
    return path + b"?" + query if query else bytes(path)


def _below(path: bytes, root: bytes) -> bytes:
    if path == root:
        return b"/"
    return path[len(root) :] if path.startswith(root + b"/") else path


def framing_of(headers: Iterable[tuple[bytes, bytes]], version: str, options: ProxyOptions) -> Framing:
    """Check all *headers* and return how the body is framed.

    Raises:
        Refused: A header cannot be, or they do not say clearly where the body ends.
    """
    length: bytes | None = None
    coding: bytes | None = None
    expectation = b""
    size = count = 0
    for name, value in headers:
        count += 1
        size += len(name) + len(value) + 4
        if not is_token(name) or not is_field_value(value):
            raise Refused(400, "a header cannot be")
        if name == b"content-length":
            if length is not None or not is_length(value):
                raise Refused(400, "the length of the body is not clear")
            length = value
        elif name == b"transfer-encoding":
            if coding is not None or value.strip(b" \t").lower() != b"chunked":
                raise Refused(400, "the transfer coding is not known")
            coding = value
        elif name == b"expect":
            expectation = value.strip(b" \t").lower()
    if size > options.max_header_bytes or count > options.max_headers:
        raise Refused(431, "the headers are too large")
    return _framed(length, coding, expectation, version, options)


def _framed(
    length: bytes | None, coding: bytes | None, expectation: bytes, version: str, options: ProxyOptions
) -> Framing:
    if coding is not None and (length is not None or version not in ("1.1", "1")):
        raise Refused(400, "the length of the body is not clear")
    if expectation and expectation != b"100-continue":
        raise Refused(417, "this expectation cannot be met")
    if length is not None and int(length) > options.max_body_bytes:
        raise Refused(413, "the body is too large")
    if length is None and coding is None and version in ("1.0", "1.1", "1", "0.9"):
        return NO_BODY
    expects = bool(expectation) and version != "1.0"
    if length is not None:
        return Framing(int(length), False, expects)
    return Framing(None, True, expects)


def host_of(headers: Iterable[tuple[bytes, bytes]], version: str, options: ProxyOptions) -> bytes:
    """Return the one Host of a request; empty where HTTP/1.0 has none.

    Raises:
        Refused: There are several, none, one that is no host, or one that is not served here.
    """
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version != "1.0"):
        raise Refused(400, "there must be one Host")
    host = hosts[0].strip(b" \t") if hosts else b""
    if host and not _is_host(host):
        raise Refused(400, "the Host is none")
    if options.allowed_hosts:
        name = re.sub(rb":[0-9]+\Z", b"", host).decode().lower()
        if name not in options.allowed_hosts:
            raise Refused(421, "this Host is not served here")
    return host
