"""The forms of the actions: plain ones, which work without script."""

from __future__ import annotations

from collections.abc import Mapping

from perfkit.dashboard.actions.table import ACTIONS
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Attributes, Child, Markup, h
from perfkit.dashboard.parameters import Given, Number

__all__ = ["action_form"]


def action_form(
    shown: OverviewData,
    given: Given,
    what: str,
    label: str,
    *,
    says: Mapping[str, str | int] | None = None,
    asks: Mapping[str, str] | None = None,
    note: str = "",
) -> Markup | None:
    """Return a form with one button; None for a visitor who may not act.

    Args:
        what: The word of the action.
        label: What the button says.
        says: Fields that the page knows: the server, the finding.
        asks: Fields that the visitor fills in, each with its label.
        note: Further words for who does not see around the button: ``the server app-1``.

    Raises:
        KeyError: There is no such action, or it has no such field.
    """
    if not shown.action_token:
        return None
    fields = ACTIONS[what].fields
    hidden = {"token": shown.action_token, "do": what, "back": given.link().removeprefix("./")}
    for name in says or {}:
        hidden[name] = str((says or {})[name])
        assert name in fields, name
    boxes = [_box(name, title, isinstance(fields[name], Number)) for name, title in (asks or {}).items()]
    return h(
        "form",
        {"class": "act", "method": "post", "action": "./act"},
        [h("input", {"type": "hidden", "name": name, "value": value}) for name, value in hidden.items()],
        boxes,
        h("button", {"type": "submit"}, label, h("span", {"class": "hidden"}, f" {note}") if note else None),
    )


def _box(name: str, title: str, is_number: bool) -> Child:
    kind: Attributes = {"type": "number", "min": 1} if is_number else {"type": "text", "maxlength": 200}
    return h("label", None, h("span", None, title), h("input", {"name": name, "autocomplete": "off", **kind}))
