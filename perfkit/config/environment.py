"""Settings from environment variables: ``PERFKIT_STORE__DIRECTORY=/x`` is ``store.directory``.

Text becomes what the setting's type asks for: true/false/yes/no/on/off/1/0, numbers, JSON for dicts and lists, and
none/null/off for None. An empty variable counts as not set. Text that does not fit stays text, and validation says so.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, get_origin

import msgspec

from perfkit.config.fields import Field, Path, choices, leaves, options
from perfkit.config.layers import Layer
from perfkit.config.validation import Issue
from perfkit.core.settings import Settings

__all__ = ["ENVIRONMENT", "PREFIX", "environment_layer", "parse", "service_layer", "variable"]

PREFIX = "PERFKIT_"
ENVIRONMENT = "PERFKIT_ENVIRONMENT"
"""Read by itself, as it chooses the preset, and an environment given in code is stronger."""

ALIASES: dict[str, Path] = {"PERFKIT_TOKEN": ("access", "token")}
"""Short names. The long name is stronger."""

# Kubernetes gives every pod such variables for a Service of the name perfkit (or perfkit-store, …).
KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)\Z")

WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
NONES = ("none", "null", "off")


def variable(path: Path) -> str:
    """Return the name of the environment variable of the setting at *path*."""
    return PREFIX + "__".join(path).upper()


def environment_layer(root: type[Settings], environ: Mapping[str, str]) -> tuple[Layer, list[Issue]]:
    """Return the settings of *root* that *environ* holds, and an error for each name that is probably a slip."""
    known = {variable(path): (path, field) for path, field in leaves(root)}
    fields = dict(known.values())
    named = {name: (path, fields[path]) for name, path in ALIASES.items() if path in fields} | known
    values: dict[str, Any] = {}
    variables: dict[Path, str] = {}
    for name, (path, field) in named.items():
        text = environ.get(name, "").strip()
        if text and name != ENVIRONMENT:
            _put(values, path, parse(text, field))
            variables[path] = name
    issues = [issue for name in sorted(environ) if (issue := _slip(name, named)) is not None]
    return Layer(source="environment", values=values, variables=_with_entries(values, variables)), issues


def service_layer(environ: Mapping[str, str]) -> Layer:
    """Return the service name that OpenTelemetry is given: weaker than any name given to perfkit."""
    name = environ.get("OTEL_SERVICE_NAME", "").strip()
    values = {"service": name} if name else {}
    return Layer(source="environment", values=values, variables={("service",): "OTEL_SERVICE_NAME"})


def parse(text: str, field: Field) -> object:
    """Return *text* as a value of *field*, or unchanged where it does not fit any of its types."""
    kinds = options(field.type)
    if text in choices(field.type):
        return text
    if type(None) in kinds and text.lower() in NONES and not (bool in kinds and text.lower() in WORDS):
        return None
    for kind in kinds:
        convert = _PARSERS.get(get_origin(kind) or kind)
        if convert is not None:
            try:
                return convert(text)
            except (ValueError, KeyError):  # msgspec.DecodeError is a ValueError
                continue
    return text


_PARSERS: dict[Any, Callable[[str], object]] = {
    bool: lambda text: WORDS[text.lower()],
    int: int,
    float: float,
    dict: msgspec.json.decode,
    list: msgspec.json.decode,
    tuple: msgspec.json.decode,
}


def _put(values: dict[str, Any], path: Path, value: object) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value


def _with_entries(values: dict[str, Any], variables: dict[Path, str]) -> dict[Path, str]:
    """Return *variables* with the entries of dicts too: each comes from the variable of its dict."""
    complete = dict(variables)
    for path, name in variables.items():
        value: Any = values
        for key in path:
            value = value[key]
        if isinstance(value, dict):
            complete.update({(*path, str(key)): name for key in value})
    return complete


def _slip(name: str, named: Mapping[str, object]) -> Issue | None:
    """Return an error if *name* is no variable of ours but was probably meant to be one."""
    if not name.startswith(PREFIX) or name in named or KUBERNETES.search(name):
        return None
    near = difflib.get_close_matches(name[len(PREFIX) :], [known[len(PREFIX) :] for known in named], n=1, cutoff=0.8)
    if not near and "__" not in name:
        return None
    what = f"Rename it to {PREFIX}{near[0]}." if near else "Remove it, or look its name up in the settings reference."
    return Issue(
        name,
        f"The environment variable {name} is set, but no setting has that name. "
        f"It must be {PREFIX}<SECTION>__<SETTING>, such as PERFKIT_STORE__DIRECTORY. {what}",
    )
