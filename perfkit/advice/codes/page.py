"""The page of a code as Markdown, and the list of all: for the documentation and for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from perfkit.advice.codes.explanation import Meaning

__all__ = ["GROUPS", "index", "page"]

GROUPS = {
    "PK10": "What a request asks",
    "PK11": "What a statement says",
    "PK12": "What a statement says",
    "PK13": "Connections and transactions",
    "PK2": "Indexes and statistics",
    "PK3": "Cache",
    "PK4": "Runtime",
    "PK5": "Upstreams",
    "PK6": "Alerts",
}
"""Beginning of a code → what such codes are about."""

_MADE = "<!-- Made by `python -m perfkit.advice.codes` from perfkit/advice/codes/explained/{name}.md. Do not edit. -->"

_ALWAYS = {
    "query": "the shape of the statement, without values",
    "shape": "its id, as on the database page",
    "route": "the route, or task, that spends most on it",
    "routes": "requests and seconds of each route on which it was met",
    "requests": "requests of all workers that met it",
}
"""What findings about statements carry besides."""

_SNOOZE = """\
## Hear nothing of it for a while

The button *Snooze for a week* on the dashboard, or in code, in all workers within a second:

<!-- not run: there is no such finding here -->
```python
for finding in system.get_optimization_recommendations():
    if finding.code == "{code}":
        system.snooze(finding.fingerprint, seconds=7 * 86_400)
```

`perfkit advise --code {code}` lists these alone. In tests, a marker fails on the codes that you name, and on no
others: see [Test what your code asks of its databases](../../how-to/test-queries.md). What was mended moves to
[fixed](../findings.md#states) by itself, with figures from before and after.
"""

_INTRODUCTION = """\
# The codes

<!-- Made by `python -m perfkit.advice.codes`. Do not edit. -->

Every finding has a code that never changes. Its page says when it is told, what it costs, how to see it for yourself,
how to fix it and when to leave it be. `perfkit explain PK101` prints the same in a terminal. [How findings are ordered,
snoozed and proved](../findings.md).

The examples are a shop: a `Product` has many `reviews` and one `category`. Flask and FastAPI are named where something
is special to them; else what is said of SQLAlchemy, or of Python, holds. Our tests run the examples as they stand.
"""


def page(told: Meaning, *, is_document: bool = True) -> str:
    """Return the page of one code.

    Args:
        told: What the code means.
        is_document: Whether it lies in the documentation, and says so, or is printed.
    """
    facts = [
        ("kind", f"`{told.kind}`"),
        ("component", told.component.replace("_", " ")),
        ("told when", told.told),
        ("priority", told.priority),
    ]
    head = [f"# {told.code}: {told.title}", ""]
    if is_document:
        head += [_MADE.format(name=told.code), ""]
    return "\n".join(
        [
            *head,
            *_table(facts, "fact", "of this code"),
            "",
            told.body,
            "## What it carries",
            "",
            *_table(((f"`{name}`", meaning) for name, meaning in _evidence(told).items()), "evidence", "meaning"),
            "",
            _SNOOZE.format(code=told.code),
        ]
    )


def index(all_told: Iterable[Meaning]) -> str:
    """Return the page that lists all codes, by what they are about."""
    lines, group = [_INTRODUCTION], ""
    for told in all_told:
        own = next(name for start, name in GROUPS.items() if told.code.startswith(start))
        if own != group:
            group = own
            lines += [
                "",
                f"## {group}",
                "",
                "| code | kind | told when |",
                "| --- | --- | --- |",
            ]
        lines.append(f"| [`{told.code}`]({told.code}.md) | `{told.kind}` | {told.told} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _evidence(told: Meaning) -> dict[str, str]:
    if told.component != "database":
        return told.evidence
    return told.evidence | {name: meaning for name, meaning in _ALWAYS.items() if name not in told.evidence}


def _table(rows: Iterable[tuple[str, str]], first: str, second: str) -> list[str]:
    return [f"| {first} | {second} |", "| --- | --- |", *(f"| {name} | {said} |" for name, said in rows)]
