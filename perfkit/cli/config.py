"""`perfkit config`: the settings in force and where each comes from, what is wrong with them, what one means."""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfkit.cli.arguments import add_output
from perfkit.core.errors import PerfkitError

if TYPE_CHECKING:
    from perfkit.config import Issue, PerformanceConfig
    from perfkit.config.fields import Field

__all__ = ["add_arguments", "run", "schema"]

WRONG = 2
HIDDEN = "<hidden>"
MOST_BYTES = 1_000_000


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit config` to *command*."""
    add = command.add_argument
    add("what", choices=("show", "validate", "explain", "schema"), help="what to do")
    add("key", nargs="?", metavar="KEY", help="of explain: such as cache.max_size or PERFKIT_CACHE__MAX_SIZE")
    add("--app", metavar="MODULE:APP", help="with the settings of this app's own code")
    add("--file", metavar="FILE", help="with the settings in this file, JSON or TOML, in place of an app's")
    add("--environment", metavar="NAME", help="development, production or testing")
    add("--changed", action="store_true", help="of show: only what is not the default")
    add_output(command)


def run(options: argparse.Namespace) -> int:
    """Print what is asked for; return 2 where a setting cannot be used.

    Raises:
        PerfkitError: There is no such setting, file or app.
    """
    if options.what == "schema":
        print(json.dumps(schema(), indent=1))
        return 0
    config, issues = _loaded(options)
    if options.what == "explain":
        return _explain(options, config)
    if options.what == "validate":
        return _validate(options, config, issues)
    if options.json:
        print(_document(config, options.changed))
    elif not options.quiet:
        for key, value, source in _values(config, options.changed):
            print(f"{key} = {value!r}  ({source})" if value != HIDDEN else f"{key} = {HIDDEN}  ({source})")
    _complain(issues)
    return WRONG if issues else 0


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the settings, for editors and other checkers."""
    from perfkit.config import PerformanceConfig

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "perfkit settings",
        **_section_schema(PerformanceConfig),
    }


def _section_schema(section: Any) -> dict[str, Any]:
    from perfkit.config.fields import fields_of

    properties = {
        field.name: _field_schema(field) if field.section is None else _section_schema(field.section)
        for field in fields_of(section)
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _field_schema(field: Field) -> dict[str, Any]:
    import msgspec

    from perfkit.config.fields import without_callables

    plain = without_callables(field.type)
    try:
        made = {} if plain is None else msgspec.json.schema(plain)
    except (TypeError, ValueError):  # of a type that only Python code can give
        made = {}
    if field.description:
        made["description"] = field.description
    try:
        made["default"] = json.loads(msgspec.json.encode(field.default))
    except (TypeError, ValueError):
        made.pop("default", None)
    return made


def _loaded(options: argparse.Namespace) -> tuple[PerformanceConfig, list[Issue]]:
    """Return the settings that the options ask for, and what is wrong with them."""
    from perfkit.config import PerformanceConfig
    from perfkit.config.loader import load

    settings: Mapping[str, Any] = {}
    debug = False
    if options.file is not None and options.app is not None:
        raise PerfkitError("--file and --app were given. Settings come from one of them. Leave one out.")
    if options.file is not None:
        settings = _of_file(Path(options.file))
    if options.app is not None:
        from perfkit.cli.launch.around import wrapped
        from perfkit.cli.launch.target import Target

        found = wrapped(Target.parsed(options.app))
        settings, debug = found.settings, found.is_debug
    return load(PerformanceConfig, options.environment, None, settings, debug=debug)


def _of_file(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES).decode()
        settings = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise PerfkitError(
            f"{path} cannot be read ({error.strerror}). It must be a file of settings. Look at its path."
        ) from None
    except (ValueError, RecursionError) as error:  # of JSON, TOML and UTF-8
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise PerfkitError(
            f"{path} is no {kind} ({error}). It must hold sections of settings. Look at that place."
        ) from None
    if not isinstance(settings, Mapping):
        raise PerfkitError(f"{path} holds a {type(settings).__name__}. It must hold an object of sections. Write one.")
    return settings


def _values(config: PerformanceConfig, changed: bool) -> Iterator[tuple[str, Any, str]]:
    """Yield key, value and source of each setting; secrets are hidden."""
    from perfkit.config import config_sources
    from perfkit.config.fields import leaves, render

    sources = config_sources(config)
    for path, field in leaves(type(config)):
        value: Any = config
        for name in path:
            value = getattr(value, name)
        source = sources[render(path)]
        if not changed or source != "default":
            yield render(path), HIDDEN if field.is_secret and value is not None else value, source


def _document(config: PerformanceConfig, changed: bool) -> str:
    from perfkit.cli.documents.document import printed
    from perfkit.cli.documents.settings import ConfigShow, Setting
    from perfkit.snapshot import SCHEMA_VERSION

    told = {key: Setting(value=_plain(value), source=source) for key, value, source in _values(config, changed)}
    return printed(ConfigShow(version=SCHEMA_VERSION, settings=told))


def _plain(value: Any) -> Any:
    """Return *value* as JSON has it; what only Python has as its repr."""
    import msgspec

    return json.loads(msgspec.json.encode(value, enc_hook=repr))


def _validate(options: argparse.Namespace, config: PerformanceConfig, issues: list[Issue]) -> int:
    from perfkit.cli.documents.document import printed
    from perfkit.cli.documents.settings import ConfigValidate, SettingIssue
    from perfkit.config import config_sources
    from perfkit.config.cautions import cautions
    from perfkit.snapshot import SCHEMA_VERSION

    warnings = [] if issues else list(cautions(config, config_sources(config)))
    if options.json:
        errors, risks = (
            tuple(SettingIssue(path=issue.path, message=issue.message) for issue in found)
            for found in (issues, warnings)
        )
        print(printed(ConfigValidate(version=SCHEMA_VERSION, is_valid=not issues, errors=errors, warnings=risks)))
        return WRONG if issues else 0
    _complain(issues)
    _complain(warnings, "warning: ")
    if not issues and not options.quiet:
        print(f"The settings can be used; {len(warnings)} warnings." if warnings else "The settings can be used.")
    return WRONG if issues else 0


def _complain(issues: list[Issue], kind: str = "error: ") -> None:
    from perfkit.cli.console import clean, say

    for issue in issues:
        say(f"{kind}{clean(issue.message)}")


def _explain(options: argparse.Namespace, config: PerformanceConfig) -> int:
    from perfkit.cli.documents.document import printed
    from perfkit.cli.documents.settings import ConfigExplain
    from perfkit.config import config_sources
    from perfkit.config.environment import ALIASES, variable
    from perfkit.config.fields import leaves, render
    from perfkit.config.wording import closest, expectation
    from perfkit.snapshot import SCHEMA_VERSION

    if not options.key:
        raise PerfkitError(
            "explain was given no KEY. It must be a setting, such as cache.max_size. perfkit config show lists them."
        )
    known = {render(path): (path, field) for path, field in leaves(type(config))}
    named = {variable(path): key for key, (path, _) in known.items()} | {
        name: render(path) for name, path in ALIASES.items()
    }
    key = named.get(options.key, options.key)
    if key not in known:
        near = closest(key, known)
        below = [name for name in known if name.startswith(f"{key}.")]
        meant = f"Did you mean {near}?" if near else "perfkit config show lists them."
        meant = f"It is a section; its settings are {', '.join(below)}." if below else meant
        raise PerfkitError(f"There is no setting {key!r}. It must be one of those in force. {meant}")
    path, field = known[key]
    value: Any = config
    for name in path:
        value = getattr(value, name)
    facts: dict[str, Any] = {
        "key": key,
        "meaning": field.description,
        "must_be": expectation(field),
        "default": _plain(field.default),
        "value": HIDDEN if field.is_secret and value is not None else _plain(value),
        "source": config_sources(config)[key],
        "variable": variable(path),
    }
    if options.json:
        print(printed(ConfigExplain(version=SCHEMA_VERSION, **facts)))
    elif not options.quiet:
        print(f"{key}: {field.description}")
        for name, told in list(facts.items())[2:]:
            shown = told if name in ("must_be", "source", "variable") or told == HIDDEN else _said(field, told)
            print(f"  {name.replace('_', ' '):<9} {shown}")
    return 0


def _said(field: Field, value: Any) -> str:
    """Return *value* as it is written, and as people read it where that is something else."""
    from perfkit.config.wording import number, readable

    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    shown, read = number(value) if is_number else json.dumps(value), readable(field, value)
    return f"{shown} ({read})" if read else shown
