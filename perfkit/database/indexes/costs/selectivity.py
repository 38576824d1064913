"""What part of a table's rows a condition leaves, from the statistics of its columns.

Source: PostgreSQL documentation, "Row Estimation Examples": common values by their own part, the others evenly;
ranges by the bounds of a histogram. Where nothing is known, the planner's own defaults are taken.
"""

from __future__ import annotations

import bisect
import re

from perfkit.database.indexes.statements.demand import EQUAL, IN, NULL, PREFIX, RANGE, Predicate
from perfkit.database.schema.catalog import Column, Table

__all__ = ["keeps_values", "selectivity", "selectivity_of_condition"]

UNKNOWN_EQUAL = 0.005
UNKNOWN_RANGE = 1 / 3
BETWEEN = 0.05
START = 0.01
_SIMPLE = re.compile(r"(?:(NOT) )?[\"`]?(\w+)[\"`]?(?: (=|IS) ('(?:[^']|'')*'|[\w.-]+))?\Z", re.IGNORECASE)
_LISTED = re.compile(r"[\"`]?(\w+)[\"`]? IN \((.*)\)\Z", re.IGNORECASE)
_VALUE = re.compile(r"'((?:[^']|'')*)'|(-?[\d.]+)")
_PADDED = re.compile(r"char(?:acter)?\((\d+)\)\Z", re.IGNORECASE)
"""Types whose values are kept with spaces up to their length, and read back with them."""


def selectivity(table: Table, predicate: Predicate) -> float:
    """Return the part of the rows of *table*, 0 to 1, for which *predicate* holds."""
    column = table.columns.get(predicate.columns[0]) if predicate.columns else None
    if column is None:
        return 1.0
    if predicate.is_expression:
        # Of lower(email) as many values differ as of email, about; of a day or a year, far fewer.
        distinct = column.distinct if keeps_values(predicate.key) else column.distinct / 100
        return 1 / max(1.0, distinct) if predicate.kind in (EQUAL, IN) else UNKNOWN_RANGE
    if predicate.kind == EQUAL:
        return equal(column, predicate.value)
    if predicate.kind == IN:
        listed = _LISTED.match(predicate.condition)
        return _any_of(column, listed[2]) if listed else min(1.0, predicate.size * equal(column, None))
    if predicate.kind == NULL:
        return column.null_ratio if column.has_statistics else UNKNOWN_EQUAL
    if predicate.kind == RANGE:
        return _range(column, predicate)
    if predicate.kind == PREFIX:
        return _start(column, predicate.value or "")
    return 1.0


def keeps_values(expression: str) -> bool:
    """Whether an expression has about as many values as the column in it."""
    return re.match(r"(?:lower|upper|l?r?trim|md5)\(", expression, re.IGNORECASE) is not None


def equal(column: Column, value: str | None) -> float:
    """Return the part of the rows whose *column* has *value*; of any value, where it is None."""
    if not column.has_statistics:
        return UNKNOWN_EQUAL
    known = None if value is None else _known(column, value)
    if known is not None:
        return known
    rest = max(0.0, 1.0 - column.null_ratio)
    if value is None:
        return rest / max(1.0, column.distinct)
    others = max(1.0, column.distinct - len(column.common))
    return max(0.0, rest - sum(column.common.values())) / others


def _any_of(column: Column, listed: str) -> float:
    """Return the part of the rows whose *column* has one of the values *listed* as in SQL."""
    return min(1.0, sum(equal(column, text or number) for text, number in _VALUE.findall(listed)))


def _known(column: Column, value: str) -> float | None:
    spellings = [value, {"t": "1", "f": "0", "true": "t", "false": "f", "1": "t", "0": "f"}.get(value.lower(), value)]
    padded = _PADDED.match(column.type)
    if padded:
        spellings.append(value.ljust(int(padded[1])))
    return next((column.common[each] for each in spellings if each in column.common), None)


def _range(column: Column, predicate: Predicate) -> float:
    if predicate.operator == "between":
        low, high = _ends(predicate.condition)
        if low and high and len(column.bounds) > 2:
            return max(1e-4, _below(column, high) - _below(column, low))
        return BETWEEN
    if predicate.value is None or len(column.bounds) < 3:
        return UNKNOWN_RANGE
    below = _below(column, predicate.value)
    return min(1.0, max(1e-4, below if predicate.operator.startswith("<") else 1 - below))


def _ends(condition: str) -> tuple[str, str]:
    match = re.search(r"BETWEEN (?:CAST\()?'?([^' ]+(?: [\d:]+)?)'?.*? AND (?:CAST\()?'?([^')]+)'?", condition)
    return (match[1], match[2]) if match else ("", "")


def _below(column: Column, value: str) -> float:
    """Return the part of the values below *value*; numbers by their size, all else by its letters."""
    try:
        numbers = [float(each) for each in column.bounds]
        return bisect.bisect_left(numbers, float(value)) / len(numbers)
    except ValueError:
        return bisect.bisect_left(column.bounds, value) / len(column.bounds)


def _start(column: Column, pattern: str) -> float:
    start = re.split(r"[%_]", pattern)[0]
    values = [*column.bounds, *column.common]
    if not values:
        return START
    return max(
        1 / max(1.0, column.distinct), sum(value.startswith(start) for value in values) / len(values) or START / 10
    )


def selectivity_of_condition(table: Table, where: str) -> float:
    """Return the part of the rows that the condition of a partial index keeps."""
    part = 1.0
    for each in where.split(" AND "):
        listed = _LISTED.match(each.strip())
        if listed is not None and listed[1] in table.columns:
            part *= _any_of(table.columns[listed[1]], listed[2])
            continue
        match = _SIMPLE.match(each.strip().strip("()"))
        column = table.columns.get(match[2]) if match else None
        if match is None or column is None:
            part *= 0.5 if each.strip().endswith("NOT NULL") else UNKNOWN_RANGE
        elif (match[3] or "").upper() == "IS" and match[4].upper() == "NULL":
            part *= column.null_ratio
        else:
            value = match[4].strip("'") if match[4] else ("f" if match[1] else "t")
            part *= equal(column, {"TRUE": "t", "FALSE": "f"}.get(value.upper(), value))
    return part
