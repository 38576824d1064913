"""Which function answers a route: its name and its line, with a link that opens it in the editor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from perfkit.dashboard.editor import Editor
from perfkit.dashboard.html import Markup, h
from perfkit.dashboard.parts import site_code

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["Handler", "handler_line", "handler_of"]


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """The function that answers a route.

    Attributes:
        name: With its module: ``shop.views.list_products``.
        site: ``path:line`` where it begins; empty where it is no code of the user's own.
    """

    name: str
    site: str = ""


def handler_of(system: PerformanceSystem, method: str, route: str) -> Handler | None:
    """Return what answers *route*; None where the app does not say, as plain WSGI and ASGI apps."""
    found = system.handlers.of(method, route)
    return None if found is None else Handler(name=found.function, site=found.text)


def handler_line(handler: Handler | None, editor: Editor | None = None) -> Markup | None:
    """Return the handler in one line; None where nothing is known."""
    if handler is None:
        return None
    site = [" ", site_code(handler.site, editor)] if handler.site else None
    return h("p", {"class": "handler note"}, "answered by ", h("code", None, handler.name), site)
