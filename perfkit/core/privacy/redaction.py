"""Passwords out of the texts of errors: those of URLs, of DSNs and of `key=value` pairs."""

from __future__ import annotations

import re

__all__ = ["redacted"]

HIDDEN = "***"

_URLS = (
    # The second for passwords with a slash in them, which nobody encoded.
    re.compile(r"(?<=://)[^\s/]*@"),
    re.compile(r"(?<=://)[^\s/:@]*:[^\s]*@"),
)
_SCHEMES = re.compile(r"(?i)\b(bearer|basic)\s+[^\s,;'\"]+")
_PAIRS = re.compile(
    # Without what may stand before the name, and with bounds: an error may hold a whole document, and each of its
    # characters would be a place to begin.
    r"(?i)((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|credential)[\w-]{0,40}"
    r"['\"]?\s{0,8}[=:]\s{0,8})('[^']*'|\"[^\"]*\"|[^\s,;&)}]+)"
)


def redacted(text: str, *, most: int = 1000) -> str:
    """Return *text* without secrets, without what cannot be encoded, and not longer than *most* characters."""
    # Cut before the search as well: an error may hold a whole document.
    text = text[: most * 4].encode("utf-8", "replace").decode()
    for url in _URLS:
        text = url.sub(f"{HIDDEN}@", text)
    text = _SCHEMES.sub(rf"\1 {HIDDEN}", text)
    text = _PAIRS.sub(rf"\1{HIDDEN}", text)
    return text if len(text) <= most else text[: most - 1] + "…"
