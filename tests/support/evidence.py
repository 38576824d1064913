"""What findings carry as evidence, read from the code that makes them: kind → names."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

import perfkit

MAKERS = {"Finding", "_finding", "found"}
OF_STATEMENTS = {"query", "shape", "route", "routes", "requests"}
"""What the database component adds to its findings by itself, where one is about a statement or a route."""


@lru_cache(maxsize=1)
def carried() -> dict[str, set[str]]:
    """Return the names of the evidence of each kind, as its calls say them."""
    names: dict[str, set[str]] = {}
    for path in Path(perfkit.__file__).parent.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if "evidence=" not in source and "Finding(" not in source and "found(" not in source:
            continue
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                _read(function, names)
    return {kind: own - OF_STATEMENTS for kind, own in names.items()}


def _read(function: ast.FunctionDef | ast.AsyncFunctionDef, names: dict[str, set[str]]) -> None:
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or _name(call.func) not in MAKERS:
            continue
        given = {word.arg: word.value for word in call.keywords if word.arg}
        kinds = _kinds(given.get("kind"), function) if "kind" in given else _first(call, function)
        told = _keys(given.get("evidence"), function)
        for kind in kinds:
            names.setdefault(kind, set()).update(told)


def _first(call: ast.Call, function: ast.AST) -> list[str]:
    """Return the kind among the plain arguments: the first, or behind a code."""
    texts = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    kinds = [each for each in texts[:2] if each.isidentifier() and each.islower()]
    if kinds:
        return kinds[:1]
    return _kinds(call.args[0], function) if call.args else []


def _kinds(node: ast.expr | None, function: ast.AST) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.Name) and isinstance(function, ast.FunctionDef) and function.name == "_needless":
        return ["duplicate_index", "redundant_index"]
    return []


def _keys(node: ast.expr | None, function: ast.AST, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return the keys of a dict that is written here, or assigned to a name within *function*; not those *seen*."""
    if isinstance(node, ast.Dict):
        own = {key.value for key in node.keys if isinstance(key, ast.Constant)}
        inner = [value for key, value in zip(node.keys, node.values, strict=True) if key is None]
        return {str(key) for key in own}.union(*(_keys(each, function, seen) for each in inner))
    if isinstance(node, ast.DictComp):
        return _keys(node.generators[0].iter, function, seen)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "items":
        return _keys(node.func.value, function, seen)
    if isinstance(node, ast.IfExp):
        return _keys(node.body, function, seen) | _keys(node.orelse, function, seen)
    if isinstance(node, ast.Name) and node.id not in seen:
        return _assigned(node.id, function, seen | {node.id})
    return set()


def _assigned(name: str, function: ast.AST, seen: frozenset[str]) -> set[str]:
    found: set[str] = set()
    for each in ast.walk(function):
        targets = (
            each.targets if isinstance(each, ast.Assign) else [each.target] if isinstance(each, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and target.id == name and isinstance(each.value, ast.Dict):
                found |= _keys(each.value, function, seen)
            if (
                isinstance(target, ast.Subscript)
                and _name(target.value) == name
                and isinstance(target.slice, ast.Constant)
            ):
                found.add(str(target.slice.value))
    return found


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
