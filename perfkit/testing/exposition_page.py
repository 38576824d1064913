"""A metric page as read by a strict reader: its series, its comments, and what is wrong with its syntax.

Sources: Prometheus, "Exposition formats"; OpenMetrics 1.0.0.
"""

from __future__ import annotations

import re

import msgspec

__all__ = ["SUFFIXES", "Page", "Series", "read"]

_TYPES = {
    False: {"counter", "gauge", "histogram", "summary", "untyped"},
    True: {"counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"},
}
SUFFIXES = {
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "summary": ("", "_count", "_sum", "_created"),
    "counter": ("_total", "_created"),
    "info": ("_info",),
}
_BARE = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TEXT = re.compile(r'"((?:[^"\\\n]|\\[\\n"])*)"')
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|Inf|NaN)|NaN")
_ESCAPED = re.compile(r'\\([\\n"])')


class Series(msgspec.Struct, frozen=True):
    """One line with a number."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    family: str
    exemplar: tuple[tuple[tuple[str, str], ...], float] | None = None

    @property
    def identity(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What Prometheus tells series apart by: name and labels without empty ones, in any order."""
        return self.name, tuple(sorted((name, value) for name, value in self.labels if value))

    def without(self, label: str) -> tuple[tuple[str, str], ...]:
        """Return the other labels than *label*."""
        return tuple(pair for pair in self.identity[1] if pair[0] != label)

    def label(self, label: str) -> str:
        """Return the value of *label*, empty where it is not there."""
        return dict(self.labels).get(label, "")


class Page(msgspec.Struct):
    """What was read.

    Attributes:
        types: Name of the family as in its TYPE line to the type.
        series: In the order of the page.
        problems: What is wrong with the syntax.
    """

    is_openmetrics: bool
    types: dict[str, str]
    units: dict[str, str]
    series: list[Series]
    problems: list[str]


def read(page: str | bytes, *, openmetrics: bool = False) -> Page:
    """Read *page* as far as possible; what is wrong with its syntax is in the answer's `problems`."""
    result = Page(openmetrics, {}, {}, [], [])
    try:
        text = page if isinstance(page, str) else page.decode()
    except UnicodeDecodeError as error:
        result.problems.append(f"not UTF-8: {error}")
        return result
    if "\r" in re.sub(_TEXT, "", text):
        result.problems.append("a carriage return outside of quotes")
    if text and not text.endswith("\n"):
        result.problems.append("the last line does not end with a line feed")
    lines = text.removesuffix("\n").split("\n") if text else []
    if openmetrics and (not lines or lines.pop() != "# EOF"):
        result.problems.append("the last line is not # EOF")
    reader = _Reader(result)
    for line in lines:
        try:
            reader.read_line(line)
        except _LineError as error:
            result.problems.append(f"{error}: {line!r}")
    return result


class _LineError(Exception):
    """A line that cannot be read."""


class _Reader:
    """Puts lines into a page and knows which family a line belongs to."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._comments: set[tuple[str, str]] = set()
        self._begun: set[str] = set()
        self._owners: dict[str, str] = {}

    def read_line(self, line: str) -> None:
        if not line.strip():
            raise _LineError("blank line")
        if line.startswith("#"):
            self._read_comment(line)
            return
        name, labels, rest = _read_series(line)
        number, _, mark = rest.partition(" # ")
        exemplar = _read_exemplar(mark) if mark else None
        fields = number.split(" ")
        if len(fields) > 2:
            raise _LineError("more than value and timestamp")
        value, *_ = map(_read_number, fields)
        family = self._owners.get(name, name)
        self._begun.add(family)
        self._page.series.append(Series(name, labels, value, family, exemplar))

    def _read_comment(self, line: str) -> None:
        page = self._page
        matched = re.fullmatch(r'# (HELP|TYPE|UNIT) ("(?:[^"\\]|\\.)*"|\S+)(?: (.*))?', line)
        if matched is None or (matched[1] == "UNIT" and not page.is_openmetrics):
            if page.is_openmetrics:
                raise _LineError("a comment that is none of OpenMetrics")
            return
        kind, name, text = matched[1], matched[2], matched[3] or ""
        name = _unescaped(name[1:-1]) if name.startswith('"') else _bare(name)
        if (kind, name) in self._comments:
            page.problems.append(f"{name}: {kind} twice")
        self._comments.add((kind, name))
        if name in self._begun:
            page.problems.append(f"{name}: {kind} behind its samples")
        if kind == "TYPE":
            self._own(name, text)
        elif kind == "UNIT":
            page.units[name] = text
        elif re.search(r'(?<!\\)(?:\\\\)*\\[^\\n"]', text):
            page.problems.append(f"{name}: HELP is escaped wrongly")

    def _own(self, family: str, kind: str) -> None:
        page = self._page
        if kind not in _TYPES[page.is_openmetrics]:
            page.problems.append(f"{family}: the type {kind!r} is unknown to the format")
        page.types[family] = kind
        suffixes = SUFFIXES.get(kind, ("",))
        if not page.is_openmetrics:
            suffixes = ("",) if kind == "counter" else tuple(set(suffixes) - {"_created"})
        for name in {family, *(family + suffix for suffix in suffixes)}:
            if self._owners.setdefault(name, family) != family:
                page.problems.append(f"{name}: in the families {self._owners[name]} and {family}")


def _bare(name: str) -> str:
    if not _BARE.fullmatch(name):
        raise _LineError("a name that needs quotes")
    return name


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


def _read_series(line: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """Return name, labels and what follows the blank behind them."""
    matched = _BARE.match(line)
    name = matched[0] if matched else ""
    rest = line[len(name) :]
    labels: tuple[tuple[str, str], ...] = ()
    if rest.startswith("{"):
        quoted, labels, rest = _read_labels(rest)
        if bool(name) == bool(quoted):
            raise _LineError("not exactly one name")
        name = name or quoted
    if not name or not rest.startswith(" "):
        raise _LineError("no name and blank")
    return name, labels, rest[1:]


def _read_labels(text: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """Return a quoted metric name, the labels and what follows the brace."""
    name, labels, at = "", [], 1
    while not text.startswith("}", at):
        quoted = _TEXT.match(text, at)
        label = quoted or re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*").match(text, at)
        if label is None:
            raise _LineError("no label name")
        at = label.end()
        key = _unescaped(quoted[1]) if quoted else label[0]
        if text.startswith("=", at):
            value = _TEXT.match(text, at + 1)
            if value is None:
                raise _LineError("no label value")
            at = value.end()
            labels.append((key, _unescaped(value[1])))
        elif quoted and not name and not labels:
            name = key
        else:
            raise _LineError("no = behind a label name")
        if text.startswith(",", at):
            at += 1
        elif not text.startswith("}", at):
            raise _LineError("no comma or brace behind a label")
    names = [label for label, _ in labels]
    if len(set(names)) < len(names):
        raise _LineError("a label twice")
    return name, tuple(labels), text[at + 1 :]


def _read_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise _LineError(f"{text!r} is no number")
    return float(text)


def _read_exemplar(text: str) -> tuple[tuple[tuple[str, str], ...], float]:
    if not text.startswith("{"):
        raise _LineError("an exemplar without labels")
    name, labels, rest = _read_labels(text)
    fields = rest.removeprefix(" ").split(" ")
    if name or not 1 <= len(fields) <= 2:
        raise _LineError("an exemplar that is not labels, value and timestamp")
    for field in fields:
        _read_number(field)
    return labels, float(fields[0])
