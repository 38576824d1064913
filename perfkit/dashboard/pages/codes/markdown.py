"""The Markdown that explanations are written in, as cards: headings, paragraphs, code, links from code to code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import section

__all__ = ["cards", "inline"]

_INLINE = re.compile(r"`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)|\*([^*]+)\*")
_CODE = re.compile(r"(PK\d{3})\.md")
_LANGUAGES = {"sql": "SQL", "python": "Python", "sh": "Shell"}


def cards(markdown: str) -> list[Markup]:
    """Return one card for each heading of the second level."""
    made = []
    for part in re.split(r"^## ", markdown, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        made.append(section(re.sub(r"\W+", "-", title.lower()), title, list(_blocks(body))))
    return made


def inline(text: str) -> list[Child]:
    """Return a line: code, emphasis, links to other codes; of other links the words, as those pages are elsewhere."""
    parts: list[Child] = []
    end = 0
    for found in _INLINE.finditer(text):
        parts.append(text[end : found.start()])
        code, label, target, strong = found.groups()
        known = _CODE.fullmatch(target or "")
        if code:
            parts.append(h("code", None, code))
        elif known:
            parts.append(h("a", {"href": f"./code?id={known[1]}"}, label))
        else:
            parts.append(h("em", None, strong) if strong else label)
        end = found.end()
    return [*parts, text[end:]]


def _blocks(body: str) -> Iterator[Markup]:
    """Yield what stands below a heading; fenced code is one block whatever lines are in it."""
    for piece in re.split(r"^(```\w*\n.*?^```)$", body, flags=re.MULTILINE | re.DOTALL):
        if piece.startswith("```"):
            language, _, code = piece[3:].partition("\n")
            name = _LANGUAGES.get(language, language)
            text = h("code", None, code.removesuffix("```").rstrip())
            box = h("pre", {"tabindex": 0, "aria-label": f"Example, {name}"}, text)
            yield h("div", {"class": "fix"}, h("span", {"class": "note"}, name), box)
            continue
        for paragraph in filter(None, (each.strip() for each in piece.split("\n\n"))):
            if paragraph.startswith("### "):
                yield h("h3", None, paragraph.removeprefix("### "))
            elif not paragraph.startswith("<!--"):
                yield h("p", None, inline(paragraph))
