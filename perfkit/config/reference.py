"""The reference page of all settings, made from the structs: ``python -m perfkit.config.reference > settings.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from perfkit.config.environment import ALIASES, variable
from perfkit.config.fields import Field, Path, fields_of, render
from perfkit.config.performance_config import PerformanceConfig
from perfkit.config.presets import PRESETS
from perfkit.config.wording import expectation, number, readable
from perfkit.core.settings import Settings

__all__ = ["settings_reference"]

INTRODUCTION = """\
# Settings

<!-- Made by `python -m perfkit.config.reference` from the settings structs. Do not edit. -->

Times are seconds, sizes bytes, ratios 0-1. Settings are a nested dict, such as
`{"store": {"directory": "/var/lib/shop"}}`; unknown names and values out of range are errors, all reported at once.

Later wins, and dicts are merged deeply:

1. the default, shown below
2. the preset of the environment
3. the dict given to the framework's adapter or to `PerformanceSystem`
4. environment variables
5. the `overrides` of `get_performance_config`

The environment is the one given in code, else `PERFKIT_ENVIRONMENT`, else `development` where the framework is in its
debug mode, else `production`.

In environment variables, write `true` or `false` (also `yes`, `no`, `on`, `off`, `1`, `0`), plain numbers, JSON for a
dict, and `none` for None; an empty variable counts as not set. A misspelt `PERFKIT_…` variable is an error.
`OTEL_SERVICE_NAME` names the service where nothing else does.
"""


def settings_reference(root: type[Settings] = PerformanceConfig) -> str:
    """Return the page for *root* as Markdown."""
    top = [((field.name,), field) for field in fields_of(root) if field.section is None]
    parts = [INTRODUCTION, _presets(), f"## General\n\n{_table(top)}"]
    for field in fields_of(root):
        if field.section is not None:
            parts += _sections(field.section, (field.name,))
    return "\n".join(parts)


def _presets() -> str:
    lines = ["## Presets", "", "| environment | changes |", "| --- | --- |"]
    for name, preset in PRESETS.items():
        changes = [
            f"`{section}.{key}` = {_code(value)}" for section, values in preset.items() for key, value in values.items()
        ]
        lines.append(f"| `{name}` | {', '.join(changes)} |")
    return "\n".join([*lines, ""])


def _sections(section: type[Settings], path: Path) -> Iterator[str]:
    settings = [((*path, field.name), field) for field in fields_of(section) if field.section is None]
    yield f"{'#' * (len(path) + 1)} {render(path)}\n\n{_summary(section)}\n\n{_table(settings)}"
    for field in fields_of(section):
        if field.section is not None:
            yield from _sections(field.section, (*path, field.name))


def _summary(section: type[Settings]) -> str:
    return (section.__doc__ or "").strip().partition("\n\n")[0]


def _table(settings: Sequence[tuple[Path, Field]]) -> str:
    lines = ["| setting | meaning | allowed | default | variable |", "| --- | --- | --- | --- | --- |"]
    for path, field in settings:
        names = [*(name for name, target in ALIASES.items() if target == path), variable(path)]
        cells = (
            f"`{render(path)}`",
            field.description,
            expectation(field),
            _default(field),
            ", ".join(f"`{name}`" for name in names),
        )
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, ""])


def _default(field: Field) -> str:
    default = field.default
    if isinstance(default, bool) or not isinstance(default, int | float):
        return _code(default)
    shown, read = f"`{number(default)}`", readable(field, default)
    return f"{shown} ({read})" if read else shown


def _code(value: object) -> str:
    return f'`"{value}"`' if isinstance(value, str) else f"`{value!r}`"


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
