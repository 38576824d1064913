"""The report of a run of tests, as a page, as JSON or as Markdown; one file, without parts elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, TypeAlias

__all__ = ["FORMATS", "written"]

Ranked: TypeAlias = Sequence[tuple[str, dict[str, Any]]]

_STYLE = (
    ":root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;"
    "max-width:70rem;padding:0 1rem}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;"
    "vertical-align:top;overflow-wrap:anywhere}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "code{font-family:ui-monospace,monospace}"
)


def _json(ranked: Ranked) -> str:
    return json.dumps({"version": 1, "tests": dict(ranked)}, indent=1) + "\n"


def _markdown(ranked: Ranked) -> str:
    lines = [
        "# What the tests ask of the databases",
        "",
        "| test | statements | ms | findings |",
        "| --- | ---: | ---: | --- |",
    ]
    for name, test in ranked:
        found = "<br>".join(_cell(line) for line in _found(test))
        lines.append(f"| {_cell(name)} | {test['queries']} | {test['seconds'] * 1000:.1f} | {found} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return escape(text, quote=False).replace("|", "\\|").replace("\n", " ")


def _html(ranked: Ranked) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td class=n>{test['queries']}<td class=n>{test['seconds'] * 1000:.1f}"
        f"<td>{'<br>'.join(escape(line) for line in _found(test))}"
        for name, test in ranked
    )
    total = sum(test["queries"] for _, test in ranked)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>perfkit: tests</title><style>{_STYLE}</style>'
        f"<h1>What the tests ask of the databases</h1><p>{len(ranked)} tests, {total} statements."
        f"<table><thead><tr><th>Test<th>Statements<th>ms<th>Findings<tbody>{rows}</table></html>\n"
    )


def _found(test: dict[str, Any]) -> list[str]:
    return [f"{each['code']} {each['site'] or ''} {each['message']}" for each in test["findings"]]


FORMATS: dict[str, Callable[[Ranked], str]] = {".html": _html, ".json": _json, ".md": _markdown}
"""By the end of the file's name."""


def written(suffix: str, ranked: Ranked) -> str:
    """Return the report of the tests *ranked* in the format of *suffix*."""
    return FORMATS[suffix](ranked)
