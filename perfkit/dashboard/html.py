"""HTML by construction: every text and attribute is escaped on its way in, so no page can forget to.

There is no template language and no way to pass text through unescaped except by building it here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import TypeAlias

from perfkit.config.sections import EDITORS

__all__ = ["Attributes", "Child", "Markup", "document", "editor_link", "h", "script"]


class Markup(str):
    """Text that is HTML already. Only this module makes it; joined with other text it is plain again."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | Sequence[Child] | None"
Attributes: TypeAlias = Mapping[str, str | int | float | bool | None]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*\Z")
_URL = re.compile(r"(?:https?://|\.{1,2}/|[?#])[^\s\\\x00-\x20\x7f]*\Z")
_EDITOR = re.compile(rf"(?:{'|'.join(sorted({url.partition(':')[0] for url in EDITORS.values()}))})://[!-~]+\Z")
_ASSET = re.compile(r"\./static/[a-z]+-[0-9a-f]{16}\.js\Z")
_URL_ATTRIBUTES = frozenset({"action", "formaction", "href", "src"})
_UNIT = re.compile(r"(?<=[0-9]) (?=(?:µs|ms|s|min|h|KiB|MiB|GiB|req/s)\b|%)")
"""The space before the unit of a figure."""
_VERBATIM = frozenset({"code", "option", "pre", "textarea", "title"})
"""Elements whose text is copied, sent or read by programs: it stays as it is."""
_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "wbr"})


def h(tag: str, attributes: Attributes | None = None, *children: Child) -> Markup:
    """Return one element.

    An attribute that is None or False is left out, True stands alone. A URL that is neither relative (``./``,
    ``../``, ``?``, ``#``) nor http(s) is left out too: it may be data, and data must not break the page. Between a
    figure and its unit no line is broken.

    Raises:
        ValueError: If a name is no plain name, or is one that the content security policy blocks.
    """
    if not _is_element(tag):
        raise ValueError(f"{tag!r} cannot be an element. Scripts and styles are assets. Link them.")
    opening = f"<{tag}{''.join(_attribute(name, value) for name, value in (attributes or {}).items())}>"
    if tag in _VOID:
        return Markup(opening)
    return Markup(f"{opening}{_text(children, _escaped if tag in _VERBATIM else _prose)}</{tag}>")


def script(url: str, *, is_module: bool = True) -> Markup:
    """Return the element that loads a script of our own; there is no way to write one into a page.

    Raises:
        ValueError: If *url* is none of an asset.
    """
    if not _ASSET.match(url):
        raise ValueError(f"{url!r} cannot be a script. It must be an asset of the dashboard. Add the file there.")
    kind = ' type="module"' if is_module else ""
    return Markup(f'<script{kind} src="{url}"></script>')


def editor_link(url: str, *children: Child) -> Markup | None:
    """Return the link that opens a file in an editor; None where *url* is none of an editor that is known."""
    if not _EDITOR.match(url):
        return None
    return Markup(f'<a class="editor" href="{_escaped(url)}">{_text(children, _escaped)}</a>')


def document(language: str, head: Sequence[Child], body: Sequence[Child]) -> Markup:
    """Return a whole HTML document."""
    return Markup("<!doctype html>\n" + h("html", {"lang": language}, h("head", None, head), h("body", None, body)))


@lru_cache(maxsize=256)
def _is_element(tag: str) -> bool:
    return bool(_NAME.match(tag)) and tag.lower() not in ("script", "style")


@lru_cache(maxsize=256)
def _is_attribute(name: str) -> bool:
    lower = name.lower()
    return bool(_NAME.match(name)) and lower not in ("style", "srcdoc") and not lower.startswith("on")


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    if not _is_attribute(name):
        raise ValueError(f"{name!r} cannot be an attribute. The content security policy blocks it. Use a class.")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if name in _URL_ATTRIBUTES and not _URL.match(str(value)):
        return ""
    return f' {name}="{_escaped(str(value))}"'


def _text(child: Child, written: Callable[[str], str]) -> str:
    """Return *child* as markup, with its texts *written* so."""
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return written(child)
    if isinstance(child, (int, float)):
        return str(child)
    return "".join([_text(each, written) for each in child])


def _prose(text: str) -> str:
    """Escape *text* that people read: a figure and its unit stay on one line."""
    return _UNIT.sub("\N{NO-BREAK SPACE}", _escaped(text))


def _escaped(text: str) -> str:
    """Escape *text*; halves of surrogate pairs and control characters become ``?``.

    No UTF-8 document may hold the former. The latter show as nothing, and a terminal that they are pasted into obeys.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return escape(_CONTROL.sub("?", text))
