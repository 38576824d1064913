"""Rules, objectives and inhibitions out of settings, with errors that people can act on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from perfkit.alerts.routing.inhibition import Inhibition
from perfkit.alerts.rules.matchers import Matchers
from perfkit.alerts.rules.rule import Rule
from perfkit.alerts.rules.slo import Slo
from perfkit.core.errors import AlertError

__all__ = ["convert", "parse_inhibition", "parse_rule", "parse_slo"]

Kind = TypeVar("Kind", bound=msgspec.Struct)


def parse_rule(name: str, given: Mapping[str, Any]) -> Rule:
    """Return the rule *name*.

    Raises:
        AlertError: It cannot work.
    """
    rule = convert(Rule, f"The alert rule {name!r}", {**given, "name": name})
    rule.check()
    return rule


def parse_slo(name: str, given: Mapping[str, Any]) -> Slo:
    """Return the objective *name*.

    Raises:
        AlertError: It cannot work.
    """
    slo = convert(Slo, f"The objective {name!r}", {**given, "name": name})
    slo.check()
    return slo


def parse_inhibition(given: Mapping[str, Any]) -> Inhibition:
    """Return an inhibition.

    Raises:
        AlertError: It cannot work.
    """
    inhibition = convert(Inhibition, "An inhibition", given)
    for where in (inhibition.source, inhibition.target):
        Matchers(where)
    return inhibition


def convert(kind: type[Kind], said: str, given: Mapping[str, Any]) -> Kind:
    """Return *given* as *kind*; *said* is the subject of the sentence if it cannot be.

    Raises:
        AlertError: A field is unknown, missing or of the wrong kind. No value is shown, as it may be a secret.
    """
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Write {near[0]} instead." if near else "Remove it."
            raise AlertError(f"{said} has the field {str(key)[:60]!r}. The fields are {', '.join(known)}. {hint}")
    missing = [name for name, field in known.items() if field.required and name not in given]
    if missing:
        raise AlertError(f"{said} has no {missing[0]}. It must have one. Give it.")
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        field = path.strip("`").removeprefix("$.") or "a field"
        raise AlertError(f"{said} cannot be used: {field} is wrong. {what}. Correct {field}.") from None
