"""The files a page links to, named by their content so that a browser may keep them for ever."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

import msgspec

__all__ = ["Asset", "asset", "asset_names", "asset_url"]

_SCRIPT = "text/javascript; charset=utf-8"
_CONTENT_TYPES = {
    "favicon.svg": "image/svg+xml",
    "style.css": "text/css; charset=utf-8",
    "theme.js": _SCRIPT,
    "app.js": _SCRIPT,
    "chart.js": _SCRIPT,
    "keys.js": _SCRIPT,
    "live.js": _SCRIPT,
    "markup.js": _SCRIPT,
}
_IMPORT = re.compile(rb'(?<=from |port )"\./([a-z]+\.js)"')


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One static file.

    Attributes:
        hash: First 16 hexadecimal digits of the body's SHA-256; part of the public name.
    """

    content_type: str
    body: bytes
    hash: str


def asset(name: str) -> Asset | None:
    """Return the file behind a public name such as ``style-0123456789abcdef.css``, or None."""
    stem, dot, extension = name.rpartition(".")
    stem, _, digest = stem.rpartition("-")
    plain = f"{stem}{dot}{extension}"
    if plain not in _CONTENT_TYPES:
        return None
    found = _load(plain)
    return found if found.hash == digest else None


def asset_names() -> list[str]:
    """Return the public names of all files."""
    return [asset_url(plain).rpartition("/")[2] for plain in _CONTENT_TYPES]


def asset_url(plain: str) -> str:
    """Return the relative URL of the file *plain* (``style.css``) as pages link it."""
    stem, _, extension = plain.rpartition(".")
    return f"./static/{stem}-{_load(plain).hash}.{extension}"


@cache
def _load(plain: str) -> Asset:
    # By the file system, which msgspec's compiled module needs anyway: importlib.resources loads ten modules more.
    body = Path(__file__).with_name("static").joinpath(plain).read_bytes()
    if plain.endswith(".js"):
        # A module names those that it imports; they have the hash of their content in their names, too.
        body = _IMPORT.sub(lambda found: f'"{_sibling(found[1].decode())}"'.encode(), body)
    return Asset(content_type=_CONTENT_TYPES[plain], body=body, hash=hashlib.sha256(body).hexdigest()[:16])


def _sibling(plain: str) -> str:
    """Return the URL of an asset relative to another one."""
    return asset_url(plain).replace("./static/", "./")
