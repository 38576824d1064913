"""Write what the references take from the code: ``python docs/references.py``.

- docs/reference/python/: a page for each public module, from signatures and docstrings;
- the table of docs/reference/metrics.md, from the definitions of the metrics;
- the tables of options in docs/reference/cli.md, from the parsers.

The words around the tables are written by hand and left as they are.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import perfkit
from perfkit.cli.main import parser
from perfkit.core.families import Definition
from perfkit.registry import COMPONENTS

REFERENCE = Path(__file__).with_name("reference")

MODULES = (
    "perfkit",
    "perfkit_asgi",
    "perfkit_wsgi",
    "perfkit_flask",
    "perfkit_django",
    "perfkit.config",
    *(f"perfkit.{name}" for name in COMPONENTS),
    "perfkit.store",
    "perfkit.advice",
    "perfkit.dashboard",
    "perfkit.core.message",
    "perfkit.core.checks",
    "perfkit.core.errors",
    "perfkit.testing",
    "perfkit.testing.adapter_kit",
    "perfkit.testing.policy_kit",
    "perfkit.testing.receiver_kit",
    "perfkit.testing.strategy_kit",
    "perfkit.testing.exposition",
)
"""Whose ``__all__`` is public."""

MADE = "<!-- Made by `python docs/references.py` from the docstrings. Do not edit. -->"
_PARTS = ("Args", "Attributes", "Raises", "Returns", "Yields")
_PART = re.compile(rf"^({'|'.join(_PARTS)}):$")

Definitions = dict[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]


def documents() -> dict[Path, str]:
    """Return every generated document by its path."""
    pages = {REFERENCE / "python" / f"{name}.md": module_page(name) for name in MODULES}
    pages[REFERENCE / "python" / "modules.md"] = module_list()
    metrics, commands = REFERENCE / "metrics.md", REFERENCE / "cli.md"
    pages[metrics] = with_metrics(metrics.read_text(encoding="utf-8"))
    pages[commands] = with_options(commands.read_text(encoding="utf-8"))
    return pages


def module_list() -> str:
    """Return the page that lists the modules."""
    rows = [
        f"| [`{name}`]({name}.md) | {_escaped(inspect.getdoc(importlib.import_module(name)) or '').splitlines()[0]} |"
        for name in MODULES
    ]
    return "\n".join(
        [
            "# Every public call",
            "",
            MADE,
            "",
            "A page for each module, from the docstrings. What is on none of these pages may change at any time. "
            "[A shorter overview, with examples](../python-api.md).",
            "",
            "| module | what |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def module_page(name: str) -> str:
    """Return the page of the public module *name*."""
    module = importlib.import_module(name)
    lines = [f"# `{name}`", "", MADE, "", _prose(inspect.getdoc(module) or ""), ""]
    for public in sorted(module.__all__, key=str.lower):
        lines += [*_of_name(public, getattr(module, public), set(module.__all__)), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _of_name(name: str, value: Any, public: set[str]) -> Iterator[str]:
    yield f"## `{name}`"
    yield ""
    if not inspect.isclass(value) and not inspect.isfunction(value):
        yield f"A constant, {type(value).__name__}."
        return
    node = _definitions(value.__module__)[value.__name__]
    if isinstance(node, ast.ClassDef):
        yield from _of_class(node, _inherited(value, public))
    else:
        yield from _signature(node)
        yield _prose(ast.get_docstring(node) or "")


@cache
def _definitions(module: str) -> Definitions:
    """Return the classes and functions at the top of *module*, as they are written."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    return {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.col_offset == 0
    }


def _inherited(value: type, public: set[str]) -> list[ast.stmt]:
    """Return what the class has from bases that no page tells, those first that it asks first."""
    found: list[ast.stmt] = []
    for base in value.__mro__[1:]:
        if base.__module__.startswith("perfkit") and base.__name__ not in {*public, "Settings", "PerfkitError"}:
            node = _definitions(base.__module__)[base.__name__]
            found += [each for each in node.body if getattr(each, "name", "__init__") != "__init__"]
    return found


def _of_class(node: ast.ClassDef, inherited: list[ast.stmt]) -> Iterator[str]:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and _is_public(ast.unparse(each.target))]
    yield from _code([f"class {node.name}{f'({bases})' if bases else ''}:", *_fields(fields)])
    yield _prose(ast.get_docstring(node) or "")
    told_of: set[str] = set()
    for method in (*node.body, *inherited):
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        told = ast.get_docstring(method)
        decorated = {ast.unparse(each) for each in method.decorator_list}
        if not told or not (_is_public(method.name) or method.name == "__init__") or "overload" in decorated:
            continue
        if method.name in told_of:
            continue
        told_of.add(method.name)
        yield ""
        own = "" if method.name == "__init__" else f".{method.name}"
        yield f"### `{node.name}{own}{'' if _is_value(decorated) else '()'}`"
        yield ""
        if not _is_value(decorated):
            yield from _signature(method)
        yield _prose(told)


class _Plain(ast.NodeTransformer):
    """Takes what is said of a type out of it: its limits are in the reference of settings."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated" and isinstance(node.slice, ast.Tuple):
            return node.slice.elts[0]
        return node


def _fields(fields: list[ast.AnnAssign]) -> list[str]:
    return [f"    {_short(ast.unparse(_Plain().visit(each)))}" for each in fields] or ["    ..."]


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    given = node.args
    own = [each for each in (*given.posonlyargs, *given.args) if each.arg not in ("self", "cls")]
    shown = [
        *_with_defaults(own, given.defaults),
        *([f"*{ast.unparse(given.vararg)}"] if given.vararg else ["*"] if given.kwonlyargs else []),
        *(_parameter(each, default) for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)),
        *([f"**{ast.unparse(given.kwarg)}"] if given.kwarg else []),
    ]
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    back = f" -> {ast.unparse(node.returns)}" if node.returns is not None and node.name != "__init__" else ""
    name = node.name
    line = f"{word} {name}({', '.join(shown)}){back}"
    if len(line) <= 100:
        yield from _code([line])
    else:
        yield from _code([f"{word} {name}(", *(f"    {each}," for each in shown), f"){back}"])


def _with_defaults(arguments: list[ast.arg], defaults: list[ast.expr]) -> list[str]:
    plain = len(arguments) - len(defaults)
    return [_parameter(each, defaults[at - plain] if at >= plain else None) for at, each in enumerate(arguments)]


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    said = ast.unparse(argument)
    if default is None:
        return said
    return f"{said} = {_short(ast.unparse(default))}" if argument.annotation else f"{said}={ast.unparse(default)}"


def _short(said: str) -> str:
    return said if len(said) <= 200 else f"{said[:199]}…"


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _is_value(decorated: set[str]) -> bool:
    return bool(decorated & {"property", "cached_property", "functools.cached_property"})


def _code(lines: list[str]) -> Iterator[str]:
    yield "```py"
    yield from lines
    yield "```"
    yield ""


def _prose(docstring: str) -> str:
    """Return a docstring in Google's style as Markdown."""
    parts: list[str] = []
    blocks = re.split(r"\n(?=(?:Args|Attributes|Raises|Returns|Yields):\n)", inspect.cleandoc(docstring))
    for block in blocks:
        head, _, rest = block.partition("\n")
        if _PART.match(head):
            parts.append(f"**{head[:-1]}**\n\n{_members(rest)}")
        else:
            parts.append(_escaped(block.strip()))
    return "\n\n".join(part for part in parts if part)


def _members(block: str) -> str:
    """Return ``name: text`` lines, with their continuations, as a list; what follows without an indent as text."""
    members: list[str] = []
    after: list[str] = []
    for line in textwrap.dedent(block).splitlines():
        if after or (line and not block.startswith(" ")):
            after.append(line)
        elif line.startswith(" ") and members:
            members[-1] += f" {line.strip()}"
        elif line.strip():
            members.append(line.strip())
    told = []
    for member in members:
        name, colon, said = member.partition(": ")
        is_named = colon and re.fullmatch(r"[\w*, .|\[\]]+", name)
        told.append(f"- `{name}`: {_escaped(said)}" if is_named else f"- {_escaped(member)}")
    return "\n".join([*told, *(["", *after] if after else [])])


def _escaped(text: str) -> str:
    """Return text of a docstring as Markdown: double backticks become one, and what is no emphasis stays as it is."""
    pieces = re.split(r"(``.+?``|`[^`\n]+`|\*[a-z_]+\*)", text, flags=re.DOTALL)
    return "".join(
        f"`{piece.strip('`')}`"
        if piece.startswith("`")
        else piece
        if re.fullmatch(r"\*[a-z_]+\*", piece)
        else re.sub(r"([<*_|])", r"\\\1", piece)
        for piece in pieces
    )


def definitions() -> dict[str, Definition]:
    """Return every metric that a module of perfkit defines."""
    found = {}
    for module in pkgutil.walk_packages(perfkit.__path__, "perfkit."):
        if not module.name.startswith("perfkit.testing") and not module.name.endswith("__main__"):
            values = vars(importlib.import_module(module.name)).values()
            found |= {value.name: value for value in values if isinstance(value, Definition)}
    return found


def with_metrics(page: str) -> str:
    """Return *page* with the rows of its first table made anew, in the order that they have; new ones follow."""
    made = {
        name: f"| `{name}` | {metric.type} | {', '.join(f'`{label}`' for label in metric.labels) or 'none'} | "
        f"{metric.unit or 'none'} | {metric.description} |"
        for name, metric in definitions().items()
    }
    top, heading, rest = page.partition("\n## ")
    rows = [line for line in top.splitlines() if line.startswith("| `")]
    known = [row.split("`")[1] for row in rows]
    wanted = [made[name] for name in [*(each for each in known if each in made), *sorted(made.keys() - set(known))]]
    return top.replace("\n".join(rows), "\n".join(wanted)) + heading + rest


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command by its heading."""
    whole = parser()
    found = {"perfkit": whole}
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {f"perfkit {name}": command for name, command in action.choices.items()}
    return found


def with_options(page: str) -> str:
    """Return *page* with the table of options below each command's heading made anew."""
    for heading, command in commands().items():
        pattern = (
            rf"(^## {re.escape(heading)}\n(?:(?!^## ).*\n)*?\| option \| meaning \|\n\| --- \| --- \|\n)((?:\|.*\n?)+)"
        )
        rows = "".join(f"| {options} | {meaning} |\n" for options, meaning in _options(heading, command))
        page, count = re.subn(pattern, lambda found, rows=rows: found[1] + rows, page, count=1, flags=re.MULTILINE)
        if not count:
            raise SystemExit(f"docs/reference/cli.md has no table of options below '## {heading}'. Write one.")
    return page


def _options(heading: str, command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in command._actions:
        if action.option_strings:
            value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
            meaning = action.help or ""
            if isinstance(action, argparse._HelpAction):
                meaning = "show the commands" if heading == "perfkit" else "show the options"
            elif isinstance(action, argparse._VersionAction):
                meaning = "show the version"
            yield ", ".join(f"`{option}{value}`" for option in action.option_strings), meaning


def main() -> None:
    """Write all that has changed, and remove pages of modules that are no longer public."""
    wanted = documents()
    for path in (REFERENCE / "python").glob("*.md"):
        if path not in wanted:
            path.unlink()
    for path, made in wanted.items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != made:
            path.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
