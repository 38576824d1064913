"""The export within a report: so that what was sent as a page for people can be compared by programs, too.

It is JSON, compressed, in an element that browsers show nothing of and run nothing of.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib

import msgspec

from perfkit.cli.reading.service import MOST_BYTES

__all__ = ["carried", "carrier", "is_page"]

NAME = "perfkit-export"
_ELEMENT = re.compile(rb'<meta name="perfkit-export" content="([A-Za-z0-9+/=]*)">')


def carrier(overview: msgspec.Struct) -> str:
    """Return the element that carries *overview*."""
    packed = base64.b64encode(zlib.compress(msgspec.json.encode(overview), 9))
    return f'<meta name="{NAME}" content="{packed.decode()}">'


def is_page(body: bytes) -> bool:
    """Return whether *body* is an HTML document, and no JSON."""
    return body.lstrip()[:9].lower() == b"<!doctype"


def carried(body: bytes) -> bytes:
    """Return the JSON that the page *body* carries.

    Raises:
        ValueError: It carries none, or more than an export has.
    """
    found = _ELEMENT.search(body)
    if found is None:
        raise ValueError("the page carries no export")
    unpacking = zlib.decompressobj()
    try:
        told = unpacking.decompress(base64.b64decode(found[1], validate=True), MOST_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"what the page carries is broken: {error}") from None
    if not unpacking.eof:
        raise ValueError("what the page carries is broken or too much")
    return told
