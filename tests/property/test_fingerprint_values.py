"""Whatever the values, the shape is the same, and none of them is in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import booleans, floats, integers, lists, one_of, sampled_from, text

from perfkit.database.shapes import fingerprint

strings = text(max_size=30).map(lambda value: "'" + value.replace("'", "''") + "'")
numbers = one_of(integers().map(str), floats(allow_nan=False, allow_infinity=False).map(repr))
values = one_of(strings, numbers)
gaps = sampled_from([" ", "\n", "\t ", " /* note */ ", " -- note\n"])


@given(first=values, others=lists(values, min_size=1, max_size=30), gap=gaps, shouts=booleans())
def test_a_shape_does_not_depend_on_values_spaces_comments_or_case(
    first: str, others: list[str], gap: str, shouts: bool
) -> None:
    head, where, also = "select a.b from a where", "a.c =", "and a.d in"
    if shouts:
        head, where, also = head.upper(), where.upper(), also.upper()
    sql = f"{head}{gap}{where}{gap}{first}{gap}{also} ({f',{gap}'.join(others)})"
    expected = "SELECT a.b FROM a WHERE a.c = ? AND a.d IN (?)"
    shape = fingerprint(sql, "postgresql")
    assert shape.text == expected


@given(sql=text(max_size=200))
def test_any_text_has_a_shape(sql: str) -> None:
    for dialect in (None, "postgresql", "mysql", "sqlite"):
        shape = fingerprint(sql, dialect)
        assert fingerprint(sql, dialect) == shape
        assert len(shape.id) == 16


@given(secret=text(alphabet="sekrit0123456789", min_size=8, max_size=20), before=text(alphabet="ab ,()=", max_size=20))
def test_a_string_never_shows(secret: str, before: str) -> None:
    for dialect in ("postgresql", "mysql", "sqlite"):
        shape = fingerprint(f"SELECT {before} '{secret}' FROM t WHERE x = '{secret}'", dialect)
        assert secret not in shape.text
