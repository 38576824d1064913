"""The rule that keeps counts whole: nothing is called on the right-hand side of an in-place addition to slots.

Between the load and the store of ``values[i] += f()`` lies the call, in which another thread may run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("perfkit/store", "perfkit/metrics", "perfkit/database", "perfkit/http", "integrations")
    for path in (ROOT / folder).rglob("*.py")
)
SLOTS = {"values", "slots", "_old"}


def slot_updates(tree: ast.AST) -> Iterator[ast.AugAssign]:
    """Yield the in-place operations on slots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
            base = node.target.value
            name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
            if name in SLOTS:
                yield node


def is_safe(update: ast.AugAssign) -> bool:
    return isinstance(update.value, ast.Constant | ast.Name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_is_called_while_slots_are_added_to(path: Path) -> None:
    for update in slot_updates(ast.parse(path.read_text())):
        assert is_safe(update), f"{path.name}:{update.lineno}: {ast.unparse(update)}"


def test_the_rule_has_something_to_look_at() -> None:
    found = {path.stem for path in FILES if any(slot_updates(ast.parse(path.read_text())))}
    assert {"updates", "shared", "memory", "instrumentation", "middleware"} <= found


@pytest.mark.parametrize(
    "source",
    ["values[i] += perf_counter()", "store.values[0] += a + b", "values[i] += row.amount", "values[f(i)] += g"],
)
def test_the_rule_tells_right_from_wrong(source: str) -> None:
    (update,) = slot_updates(ast.parse(source))
    assert is_safe(update) is (source == "values[f(i)] += g")
