"""Shapes of statements: equal for what differs in values only, bounded, and without any value."""

from __future__ import annotations

from time import thread_time

import pytest

from perfkit.database.patterns.facts import facts_of
from perfkit.database.shapes import fingerprint
from perfkit.database.shapes.remembered import MOST_CHARACTERS, Remembered
from perfkit.database.shapes.shape import MAX_SHAPE
from perfkit.database.shapes.tokens import MAX_TOKENS, tokenize


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT * FROM users WHERE id = 1", "SELECT * FROM users WHERE id = ?"),
        ("select  *\n\tfrom Users where ID=  -42 -- it's x\n", "SELECT * FROM users WHERE id = ?"),
        ('SELECT "users"."id" FROM "users"', "SELECT users.id FROM users"),
        ("SELECT `users`.`id` FROM `users`", "SELECT users.id FROM users"),
        ("SELECT [id] FROM [users]", "SELECT id FROM users"),
        ('SELECT "Id", "select" FROM "my table"', 'SELECT "Id", "select" FROM "my table"'),
        ("SELECT a FROM t WHERE x IN (1, 2,3)", "SELECT a FROM t WHERE x IN (?)"),
        ("SELECT a FROM t WHERE x IN (%s, %s)", "SELECT a FROM t WHERE x IN (?)"),
        ("SELECT a FROM t WHERE x IN (:x_1, :x_2, 'b''c')", "SELECT a FROM t WHERE x IN (?)"),
        ("SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "SELECT a FROM t WHERE (a, b) IN ((?, ?))"),
        ("INSERT INTO a (x, y) VALUES (1, 'a'), (2, 'b''c')", "INSERT INTO a(x, y) VALUES (?, ?)"),
        ("INSERT INTO a (x, y) VALUES (1, 'a'), (2, now())", "INSERT INTO a(x, y) VALUES (?, ?)"),
        ("INSERT INTO a (x, y) VALUES ($1, $2)", "INSERT INTO a(x, y) VALUES (?, ?)"),
        ("SELECT a FROM t /* one /* two */ still */ WHERE b = 2", "SELECT a FROM t WHERE b = ?"),
        ("SELECT a FROM t WHERE b = 2 /*traceparent='00-ab'*/;", "SELECT a FROM t WHERE b = ?"),
        ("SELECT $tag$ it's $ $tag$, $$x$$, E'a\\'b', x'ff', 1.5e-3, .5, 0xff", "SELECT ?, ?, ?, ?, ?, ?, ?"),
        ("SELECT a - 1, b -1, -1, (+2) FROM t", "SELECT a - ?, b - ?, ?, (?) FROM t"),
        ("SELECT a::text, b->>'k' FROM t WHERE j @> '{}'", "SELECT a::text, b ->> ? FROM t WHERE j @> ?"),
        ("SAVEPOINT s140_x1", "SAVEPOINT ?"),
        ("SELECT f(1, 2), coalesce(x, 0)", "SELECT f(?, ?), coalesce(x, ?)"),
        ("SELECT a FROM t LIMIT 10 OFFSET 20", "SELECT a FROM t LIMIT ? OFFSET ?"),
        ("SELECT a1, b2c FROM t3", "SELECT a1, b2c FROM t3"),
        ("SELECT größe FROM maß", "SELECT größe FROM maß"),
        ("", ""),
    ],
)
def test_a_shape_is_one_spelling_without_values(sql: str, text: str) -> None:
    assert fingerprint(sql).text == text


@pytest.mark.parametrize(
    ("sql", "dialect", "text"),
    [
        ("SELECT 'a\\'b', 2 FROM t", "mysql", "SELECT ?, ? FROM t"),
        ('SELECT a FROM t WHERE b = "secret"', "mariadb", "SELECT a FROM t WHERE b = ?"),
        ("SELECT a FROM t # secret", "mysql", "SELECT a FROM t"),
        ("SELECT 'a\\', b FROM t", "postgresql", "SELECT ?, b FROM t"),
        ("SELECT a FROM t /* one /* two */ WHERE b = 1", "mysql", "SELECT a FROM t WHERE b = ?"),
        ("SELECT a FROM t WHERE b = ?1", "sqlite", "SELECT a FROM t WHERE b = ?"),
    ],
)
def test_a_dialect_has_strings_and_comments_of_its_own(sql: str, dialect: str, text: str) -> None:
    assert fingerprint(sql, dialect).text == text


@pytest.mark.parametrize(
    ("sql", "summary", "tables"),
    [
        ("SELECT * FROM a.users u, orders AS o JOIN lines USING (id)", "SELECT a.users orders lines", 3),
        ("INSERT INTO x SELECT * FROM y", "INSERT x SELECT y", 2),
        ("INSERT INTO x (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "INSERT x", 1),
        ("UPDATE x SET a = (SELECT max(b) FROM y) WHERE c = 1", "UPDATE x SELECT y", 2),
        ("SELECT a FROM x WHERE b = 1 FOR UPDATE", "SELECT x", 1),
        ("DELETE FROM x WHERE a = 1", "DELETE x", 1),
        ("WITH n AS (SELECT 1 FROM x) SELECT * FROM n JOIN y ON n.a = y.a", "SELECT x SELECT y", 2),
        ("SELECT extract(year FROM d) FROM t WHERE a IS DISTINCT FROM b", "SELECT t", 1),
        ("SELECT * FROM generate_series(1, 3) g JOIN t ON t.a = g", "SELECT t", 1),
        ("CREATE TABLE IF NOT EXISTS t (a int)", "CREATE TABLE t", 1),
        ("BEGIN", "BEGIN", 0),
        ("CALL refresh(1)", "CALL", 0),
    ],
)
def test_the_summary_names_operations_and_tables(sql: str, summary: str, tables: int) -> None:
    shape = fingerprint(sql)
    assert (shape.summary, len(shape.tables)) == (summary, tables)


def test_ids_tell_shapes_apart_and_are_the_same_in_every_process() -> None:
    assert fingerprint("SELECT 1 FROM a").id == fingerprint("select 'x' from A").id == "348391b1f3ab6eb7"
    assert fingerprint("SELECT 1 FROM a").id != fingerprint("SELECT 1 FROM b").id


def test_secrets_are_in_no_shape() -> None:
    secret = "hunter2"
    hostile = [
        f"SELECT '{secret}'",
        f"SELECT 'it''s {secret}'",
        f"SELECT a FROM t WHERE b = 'open {secret}",
        f"SELECT $x${secret}$x$",
        f"SELECT E'\\'{secret}'",
        f"SELECT N'{secret}', X'{secret}'",
        f"-- {secret}\nSELECT 1",
        f"/* {secret} /* {secret} */ {secret} */ SELECT 1",
        f"SELECT 1 /* {secret}",
        f"INSERT INTO t VALUES (1, '{secret}'), (now(), '{secret}')",
        f"SELECT a FROM t WHERE b IN ('{secret}', 'a,b', '{secret}''')",
        f"SET password = '{secret}'",
    ]
    for sql in hostile:
        shape = fingerprint(sql)
        assert secret not in shape.text + shape.summary, sql


@pytest.mark.parametrize(
    "sql",
    [
        "(" * 1_000_000,
        "/*" * 500_000,
        "'" * 999_999,
        "a b " * 250_000,
        "(1,2" * 250_000,
        "IN (" + "1," * 400_000,
        "INSERT INTO a VALUES " + ",".join(f"('x{i}')" for i in range(100_000)),
        "$a$" * 300_000,
        "\udcff\x00" * 500_000,
        "SELECT " + "x" * 1_000_000,
    ],
    ids=range(10),
)
def test_a_megabyte_of_anything_has_a_short_shape(sql: str) -> None:
    shape = fingerprint(sql)
    assert len(shape.text) <= MAX_SHAPE
    assert len(shape.summary) <= 255
    assert len(tokenize(sql)) <= MAX_TOKENS + 1
    shape.text.encode()


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        (r"INSERT INTO t VALUES (1, 'a'), ('\'), ('x), hunter2 (')", "postgresql"),
        ("INSERT INTO t VALUES (1, 2), (3 /* ' */, 'x), hunter2')", "postgresql"),
        ("INSERT INTO t VALUES (1, 2), (3, 4 -- '\n), ('x), hunter2')", "postgresql"),
        ("INSERT INTO t VALUES (1, 2), (3, $$x), hunter2$$)", "postgresql"),
        ("SELECT a FROM t WHERE b = $é$ hunter2 $é$", "postgresql"),
        ("SELECT a FROM t WHERE b = 0hunter2", "postgresql"),
        ("SELECT 5--1, 'a\n hunter2' FROM t", "mysql"),
        ('SELECT a FROM t WHERE b = "hunter2"', "sqlite"),
        ('SELECT a FROM t WHERE b IN (1, "hunter2")', "sqlite"),
        ('INSERT INTO t VALUES ("x", "y"), ("x", "hunter2")', "sqlite"),
    ],
)
def test_what_one_dialect_takes_for_a_value_is_in_no_shape(sql: str, dialect: str) -> None:
    shape = fingerprint(sql, dialect)
    assert "hunter2" not in shape.text + shape.summary


def test_names_stay_names_where_values_may_look_alike() -> None:
    assert fingerprint('SELECT "A" FROM t JOIN u ON t."B" = "u"."C"', "sqlite").text == (
        'SELECT "A" FROM t JOIN u ON t."B" = u."C"'
    )
    assert fingerprint("SELECT a FROM 2fa_tokens", "mysql").tables == ("2fa_tokens",)
    assert fingerprint("SELECT 1 --1\n, a -- x\nFROM t", "mysql").text == "SELECT ? - ?, a FROM t"


def test_rows_of_one_column_are_one_however_many() -> None:
    one = fingerprint("INSERT INTO t (a) VALUES (1)")
    assert fingerprint("INSERT INTO t (a) VALUES " + ", ".join(f"('{n}')" for n in range(500))) == one
    assert facts_of("INSERT INTO t (a) VALUES (1), (2), (3)").rows == 3


@pytest.mark.parametrize("sql", ["9" * 99_999 + "a", "WITH " + "a(" * 50_000], ids=["digits", "brackets"])
def test_a_text_without_an_end_takes_linear_time(sql: str) -> None:
    # Quadratic they took 17 s and 0.3 s of the request; the bound is far from both.
    began = thread_time()
    fingerprint(sql)
    assert thread_time() - began < 0.15


def test_a_list_of_five_thousand_is_one_token() -> None:
    tokens = tokenize(f"SELECT a FROM b WHERE c IN ({', '.join(map(str, range(5000)))})")
    assert len(tokens) == 8
    assert tokens[-1].size == 5000


def test_long_texts_are_forgotten_before_they_fill_the_memory() -> None:
    known: Remembered[int] = Remembered(5_000)
    for number in range(1_000):
        known.remember(f"{number}{'x' * 15_000}", number)
        assert sum(map(len, known)) <= MOST_CHARACTERS
    assert len(known) > 100
    for number in range(6_000):
        known.remember(str(number), number)
    assert len(known) <= 5_000
