"""What an app's own words may tell of its users and its secrets, taken out: exception messages, keys of queries.

Stricter than `redaction`, which is for the words of drivers: here any quoted value that stands beside a telling name,
any long word that mixes letters and digits, any number as long as that of a card or a phone, and every mail address
goes. What remains says what went wrong, not for whom. All patterns are bounded: a stranger chooses some of the words.
"""

from __future__ import annotations

import re
from itertools import pairwise

from perfkit.core.privacy.redaction import redacted

__all__ = ["BLOCK", "impersonal", "query_keys"]

BLOCK = "█"
"""Stands for what was left out."""

MAX_KEYS = 30
MAX_QUERY = 4096

NAMES = "pass|pwd|secret|token|key|auth|session|cookie|card|cvv|cvc|ssn|iban|otp|signature|credential|private|pin"
"""Parts of names whose values are never told."""

_NAMED = re.compile(
    rf"((?:{NAMES})[\w\-]{{0,40}}['\")\]]{{0,3}}\s{{0,8}}(?:[=:]|\bis\b|\bwas\b)\s{{0,8}}\(?)"
    r"('[^']*'|\"[^\"]*\"|[^\s,;&)}\]]+)",
    re.IGNORECASE,
)
_DETAIL = re.compile(r"(\([^()]{1,200}\)\s*=\s*)\([^()]*\)")
"""As PostgreSQL tells it: ``Key (email)=(ann@example.com) already exists``."""
_ROWS = (
    (re.compile(r"(\[parameters: )[^\n]*"), rf"\1{BLOCK}]"),
    (re.compile(r"(Failing row contains )\([^\n]*"), rf"\1({BLOCK})."),
    (re.compile(r"(Duplicate entry )'[^\n]{0,500}'(?= for key)"), rf"\1{BLOCK}"),
    (re.compile(r"(input_value=).{0,2000}?(?=, input_type=|\Z)", re.DOTALL), rf"\1{BLOCK}"),
)
"""Whole values of a user, as SQLAlchemy, PostgreSQL, MySQL and pydantic tell them, whatever the columns are called."""
_QUOTED = re.compile(
    r"((?:pass|pwd|secret|token|otp|credential)[\w\-]{0,40}\s{1,8}\(?)('[^']*'|\"[^\"]*\")", re.IGNORECASE
)
"""``bad password 'x'``: a value in quotes right after the name, without a sign between."""
_COOKIES = re.compile(r"(cookie['\"]?\s{0,8}:\s{0,8})[^\n]*", re.IGNORECASE)
"""A header of cookies, which are many values in one."""
_MAIL = re.compile(r"[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8}")
_NUMBER = re.compile(r"(?<![\w.])\+?\d(?:[ .\-]?\d){7,}(?![\w])")
_WORD = re.compile(r"[A-Za-z0-9+/_\-.=%~]{12,}")
_PEM = re.compile(r"-----BEGIN[^-]*-----.*?(?:-----END[^-]*-----|\Z)", re.DOTALL)
_is_key = re.compile(r"[A-Za-z_][\w.\-\[\]]{0,39}").fullmatch


def impersonal(text: str, *, most: int = 500) -> str:
    """Return *text* without secrets and what is personal, not longer than *most* characters."""
    text = _PEM.sub(BLOCK, text[: most * 4])
    for values, rest in _ROWS:
        text = values.sub(rest, text)
    text = _DETAIL.sub(rf"\1({BLOCK})", redacted(text, most=most * 4))
    text = _COOKIES.sub(rf"\1{BLOCK}", text)
    text = _QUOTED.sub(rf"\1{BLOCK}", text)
    text = _NAMED.sub(rf"\1{BLOCK}", text)
    text = _MAIL.sub(BLOCK, text)
    text = _NUMBER.sub(BLOCK, text)
    text = _WORD.sub(_word, text)
    return text if len(text) <= most else text[: most - 1] + "…"


def query_keys(query: str) -> str:
    """Return the keys of *query* with each value left out; a key that may be a value itself is left out as well."""
    parts = [part for part in query[:MAX_QUERY].split("&", MAX_KEYS)[:MAX_KEYS] if part]
    shown = []
    for part in parts:
        key, mark, _ = part.partition("=")
        is_plain = bool(mark) and _is_key(key) is not None and _word_is_plain(key)
        shown.append(f"{key}={BLOCK}" if is_plain else BLOCK)
    return "&".join(shown)


def _word(found: re.Match[str]) -> str:
    return found[0] if _word_is_plain(found[0]) else BLOCK


def _word_is_plain(word: str) -> bool:
    """Return True for a name, a path or a dotted name; False for what looks like chance: letters and digits mixed."""
    for piece in re.split(r"[/_\-.=]", word):
        digits = sum(map(str.isdigit, piece))
        if len(piece) >= 12 and (digits >= (2 if len(piece) >= 16 else 3) or _changes(piece) > 6):
            return False
    # Pieces that are short each may still be one secret, as of keys with dashes: many digits in all.
    return sum(map(str.isdigit, word)) < 6 or len(word) < 16


def _changes(piece: str) -> int:
    """Return how often capitals and small letters change in *piece*."""
    return sum(one.isupper() != other.isupper() for one, other in pairwise(piece))
