"""A page of the dashboard made into one file that asks for nothing and runs nothing.

Its style is put inside, and all that could ask for something is taken out: scripts, links to other files, addresses
that only the running service has. A content security policy in the file itself keeps it so in every browser.
"""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser

__all__ = ["self_contained"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
DROPPED = frozenset({"script", "iframe", "object", "embed", "base", "template", "form", "button"})
LIVE = frozenset({"live", "ranges", "more"})
"""Classes of what makes no sense in a file, as nothing is live there and no other page is near."""
VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "base"})
ADDRESSES = frozenset({"src", "srcset", "action", "formaction", "poster", "data", "ping", "background", "xlink:href"})
STYLE = (
    "nav li:empty { display: none; }"
    "a:not([href]), a:not([href]) code { color: inherit; cursor: inherit; text-decoration: none; }"
    ".report { color: var(--muted, inherit); margin: 0 0 1rem; }"
    "@media print { nav, .skip { display: none; } tr, .finding, .figure { break-inside: avoid; } }"
)


def self_contained(document: str, style: str, *, head: str = "", note: str = "") -> str:
    """Return *document* with *style* inside and without everything that would ask for another file or run.

    Args:
        document: A page of the dashboard.
        style: What its style sheets hold.
        head: Elements for the end of its head.
        note: A sentence for the beginning of its main part.
    """
    whole = _SelfContained(style, head, note)
    whole.feed(document)
    whole.close()
    return "".join(whole.parts)


class _SelfContained(HTMLParser):
    """Writes a document again without its links, scripts and addresses."""

    def __init__(self, style: str, head: str, note: str) -> None:
        """Put *style* and *head*, which are ours and end no element, at the end of the head, and *note* into main."""
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._style, self._head, self._note = style.replace("</", "<\\/") + STYLE, head, note
        self._dropped, self._depth, self._in_navigation = "", 0, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropped:
            self._depth += tag == self._dropped
            return
        named = dict(attrs)
        self._in_navigation |= tag == "nav"
        if tag in DROPPED or self._leads_nowhere(tag, named):
            if tag not in VOID:
                self._dropped, self._depth = tag, 1
            return
        if tag == "link" or (tag == "meta" and ("http-equiv" in named or "charset" in named)):
            return
        kept = [(name, value) for name, value in attrs if _is_kept(name, value)]
        written = "".join(f" {name}" if value is None else f' {name}="{escape(value)}"' for name, value in kept)
        self.parts.append(f"<{tag}{written}>")
        if tag == "head":
            self.parts.append(f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">')
        elif tag == "main" and self._note:
            self.parts.append(f'<p class="report">{escape(self._note, quote=False)}</p>')

    def handle_endtag(self, tag: str) -> None:
        self._in_navigation &= tag != "nav"
        if self._dropped:
            self._depth -= tag == self._dropped
            if not self._depth:
                self._dropped = ""
            return
        if tag in DROPPED or tag in VOID:
            return
        if tag == "head":
            self.parts.append(f"<style>{self._style}</style>{self._head}")
        self.parts.append(f"</{tag}>")

    def _leads_nowhere(self, tag: str, named: dict[str, str | None]) -> bool:
        """Return True for what makes no sense in a file: live parts, and in the navigation links to other pages."""
        if LIVE & set((named.get("class") or "").split()):
            return True
        is_link = tag == "a" and self._in_navigation
        return is_link and "aria-current" not in named and not (named.get("href") or "").startswith("#")

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self.parts.append(escape(data, quote=False))

    def handle_decl(self, decl: str) -> None:
        self.parts.append(f"<!{decl}>\n")


def _is_kept(name: str, value: str | None) -> bool:
    """Return True for an attribute that neither runs nor asks for anything."""
    if name.startswith("on") or name in ADDRESSES or name in ("style", "srcdoc"):
        return False
    return name != "href" or (value or "").startswith("#")
