"""What is found in the queries of one request, and what is not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from perfkit.core.findings import Effect, Finding
from perfkit.database.patterns.facts import facts_of
from perfkit.database.patterns.observed import ObservedQuery, Seen
from perfkit.database.patterns.request import find_request_patterns, patterns_of

Q = ObservedQuery
BOOKS = Q("SELECT id, title FROM book LIMIT 50", (), 50, "shop.py:10")
AUTHOR = "SELECT name FROM author WHERE id = %s"


def kinds(queries: Iterable[ObservedQuery]) -> list[tuple[str, str | None]]:
    return [(finding.kind, finding.site) for finding in find_request_patterns(list(queries))]


def loop(sql: str, count: int = 10, rows: int | None = 1, site: str | None = "shop.py:12") -> list[ObservedQuery]:
    return [Q(sql, (number,), rows, site, 0.001) for number in range(count)]


def only(queries: list[ObservedQuery]) -> Finding:
    (finding,) = find_request_patterns(queries)
    return finding


def interleaved(*loops: list[ObservedQuery]) -> list[ObservedQuery]:
    return [query for turn in zip(*loops, strict=True) for query in turn]


LOOPS = {
    "plain": [BOOKS, *loop(AUTHOR)],
    "five are enough": loop(AUTHOR, 5),
    "empty results": loop("SELECT * FROM review WHERE book_id = ?", rows=0),
    "without a source query": loop("SELECT * FROM review WHERE book_id = $1", rows=None),
    "literals in the text": [Q(f"SELECT name FROM author WHERE id = {n}", None, 1, "shop.py:12") for n in range(10)],
    "named parameters": [Q("SELECT a FROM author WHERE id = :id", {"id": n}, 1, "shop.py:12") for n in range(10)],
    "pyformat": [Q("SELECT a FROM author WHERE id = %(id)s", {"id": n}, 1, "shop.py:12") for n in range(10)],
    "the first site unknown": [Q(AUTHOR, (99,), 1, None), *loop(AUTHOR)],
    "a list of one": [Q("SELECT a FROM author WHERE id IN (%s)", (n,), 1, "shop.py:12") for n in range(10)],
    "newest three of each": [
        Q("SELECT a FROM review WHERE book_id = ? AND at > ? ORDER BY at LIMIT 3", (n, 5), 3, "shop.py:12")
        for n in range(10)
    ],
    "a sum for each": loop("SELECT sum(price) FROM line WHERE order_id = ?"),
    "repeated within the loop": [query for query in loop(AUTHOR) for _ in range(1)],
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_query_for_each_is_found_at_its_line(name: str) -> None:
    assert kinds(LOOPS[name]) == [("n_plus_one", "shop.py:12")]


def test_two_loops_in_one_are_two_findings() -> None:
    found = kinds(interleaved(loop(AUTHOR), loop("SELECT a FROM review WHERE book_id = ?", site="shop.py:14")))
    assert sorted(found) == [("n_plus_one", "shop.py:12"), ("n_plus_one", "shop.py:14")]


NOTHING = {
    "nothing": [],
    "four": loop(AUTHOR, 4),
    "six places": [Q(AUTHOR, (n,), 1, f"shop.py:{n}") for n in range(6)],
    "pages by offset": [
        Q("SELECT a FROM book ORDER BY id LIMIT 20 OFFSET ?", (n * 20,), 20, "s.py:1") for n in range(8)
    ],
    "pages of one author": [
        Q("SELECT a FROM book WHERE author_id = ? LIMIT ? OFFSET ?", (7, 20, n * 20), 20, "s.py:1") for n in range(8)
    ],
    "pages by key": [
        Q("SELECT a FROM book WHERE id > ? ORDER BY id LIMIT 100", (n * 100,), 100, "s.py:1") for n in range(8)
    ],
    "ranges": [Q("SELECT a FROM book WHERE id BETWEEN ? AND ?", (n, n + 99), 100, "s.py:1") for n in range(8)],
    "batches of a list": [
        Q("SELECT a FROM book WHERE id IN (?, ?, ?, ?, ?, ?)", tuple(range(n, n + 6)), 6, "s.py:1") for n in range(8)
    ],
    "polling until it comes": [Q("SELECT a FROM job WHERE id = ?", (1,), int(n == 7), "s.py:1") for n in range(8)],
    "polling for new ones": [Q("SELECT a FROM event WHERE id > ?", (n,), 1, "s.py:1") for n in range(8)],
    "a cursor": [Q('FETCH FORWARD 100 FROM "c1"', None, 100, "s.py:1") for _ in range(8)],
    "a loop over tenants": interleaved(
        [Q(f"SET search_path TO tenant_{n}", None, None, "s.py:1") for n in range(8)],
        [Q("SELECT a FROM setting WHERE name = ?", ("x",), 1, "s.py:2") for _ in range(8)],
    ),
    "large answers": [Q("SELECT a FROM event WHERE day = ?", (n,), 5000, "s.py:1") for n in range(8)],
    "read, write, read": [
        Q("SELECT a FROM book WHERE id = ?", (1,), 1, "s.py:1"),
        Q("UPDATE book SET a = 2 WHERE id = ?", (1,), 1, "s.py:2"),
        Q("SELECT a FROM book WHERE id = ?", (1,), 1, "s.py:3"),
    ],
    "read again in the next transaction": [
        Q("SELECT a FROM book WHERE id = ?", (1,), 1, "s.py:1"),
        Q("COMMIT"),
        Q("SELECT a FROM book WHERE id = ?", (1,), 1, "s.py:3"),
    ],
    "other values": [Q(AUTHOR, (1,), 1, "s.py:1"), Q(AUTHOR, ("1",), 1, "s.py:2")],
    "pings": [Q("SELECT 1", None, 1, "s.py:1") for _ in range(8)],
    "parameters nobody handed on": [Q(AUTHOR, None, 1, "s.py:1") for _ in range(8)],
    "inserts in batches": [
        Q("INSERT INTO t (a, b) VALUES (?, ?), (?, ?)", (n, 1, n, 2), 2, "s.py:1") for n in range(8)
    ],
    "deletes in batches": [
        Q("DELETE FROM t WHERE id IN (?, ?, ?, ?, ?)", tuple(range(n, n + 5)), 5, "s.py:1") for n in range(8)
    ],
    "updates by range": [Q("UPDATE t SET a = 1 WHERE id >= ? AND id < ?", (n, n + 9), 9, "s.py:1") for n in range(8)],
    "a count beside a page": [
        Q("SELECT COUNT(*) FROM book WHERE a = ?", (1,), 1, "s.py:1"),
        Q("SELECT id FROM book WHERE a = ? ORDER BY id LIMIT 20", (1,), 20, "s.py:1"),
    ],
    "a count alone": [Q("SELECT count(*) FROM book", None, 1, "s.py:1")],
    "a chunk of a loader": [
        Q(f"SELECT a FROM b WHERE c IN ({', '.join(500 * ['?'])})", tuple(range(500)), 9, "s.py:1")
    ],
    "locks": [Q("SELECT a FROM job WHERE id = ? FOR UPDATE", (n,), 1, "s.py:1") for n in range(8)],
    "what is no SQL": [Q("'" * n, None, None, None) for n in range(8)],
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_meant_is_no_finding(name: str) -> None:
    assert kinds(NOTHING[name]) == []


def test_a_relation_of_sql_is_named_in_the_fix() -> None:
    finding = only([BOOKS, *loop("SELECT rating FROM review WHERE book_id = ?")])
    assert "IN (…)" in finding.fix["sql"]
    assert "review_set" in finding.fix["django"]
    assert "selectinload" in finding.fix["sqlalchemy"]
    assert (finding.code, finding.object, finding.priority) == ("PK101", "review", "high")
    assert finding.evidence["count"] == 10
    assert finding.evidence["seconds"] == pytest.approx(0.01)


def test_an_insert_for_each_is_a_write_in_a_loop() -> None:
    assert kinds([Q("INSERT INTO t (a) VALUES (?)", (n,), 1, "s.py:1") for n in range(5)]) == [
        ("write_in_loop", "s.py:1")
    ]
    assert kinds(loop("UPDATE t SET a = 1 WHERE id = ?")) == [("write_in_loop", "shop.py:12")]


def test_get_or_create_in_a_loop_is_told_once_as_the_writes() -> None:
    looks = loop("SELECT id FROM tag WHERE name = ? LIMIT 21", rows=0)
    assert kinds(interleaved(looks, loop("INSERT INTO tag (name) VALUES (?)"))) == [("write_in_loop", "shop.py:12")]


def test_the_same_question_is_a_duplicate_wherever_it_is_asked() -> None:
    asked = [Q("SELECT total FROM cart WHERE id = ?", (3,), 1, f"shop.py:{line}", 0.002) for line in (1, 2, 2)]
    finding = only(asked)
    assert (finding.kind, finding.site, finding.object, finding.code) == (
        "duplicate_query",
        "shop.py:2",
        "cart",
        "PK102",
    )
    assert finding.evidence["repeats"] == 2
    assert finding.estimate["seconds_saved"] == pytest.approx(0.004)


def test_a_finding_says_which_spans_its_fix_takes_away() -> None:
    loaded = only([BOOKS, *loop(AUTHOR)])
    assert loaded.effect == Effect(kind="sql", variant=loaded.evidence["shape"], site="shop.py:12", stays=1)
    written = only([Q("INSERT INTO t (a) VALUES (?)", (n,), 1, "s.py:1") for n in range(5)])
    assert written.effect == Effect(kind="sql", variant=written.evidence["shape"], site="s.py:1", stays=1)
    asked = only([Q("SELECT total FROM cart WHERE id = ?", (3,), 1, f"shop.py:{line}", 0.002) for line in (1, 2, 2)])
    assert asked.effect == Effect(kind="sql", variant=asked.evidence["shape"], stays=1, most=2)


def test_a_write_elsewhere_changes_no_answer() -> None:
    asked = Q("SELECT total FROM cart WHERE id = ?", (3,), 1, "shop.py:2")
    assert kinds([asked, Q("UPDATE book SET a = 1", None, 3, "s.py:1"), asked]) == [("duplicate_query", "shop.py:2")]


@pytest.mark.parametrize(
    "line",
    [
        "if Book.objects.filter(a=1).count() > 0:",
        "while queue.count():",
        "found = qs.count() != 0",
        "if not qs.count():",
    ],
)
def test_a_count_that_is_compared_with_nothing_should_ask_for_existence(line: str, tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "shop.py"
    path.write_text(f"\n{line}\n    ...\n")
    finding = only([Q("SELECT COUNT(*) FROM book WHERE a = ?", (1,), 1, f"{path}:2")])
    assert (finding.kind, finding.confidence) == ("count_for_exists", "sure")


@pytest.mark.parametrize(
    "line", ["total = qs.count()", "if qs.count() > 10:", "pages = qs.count() / 20", "if qs.count() == 2:"]
)
def test_a_count_that_is_used_is_none(line: str, tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "shop.py"
    path.write_text(f"\n{line}\n")
    assert kinds([Q("SELECT COUNT(*) FROM book WHERE a = ?", (1,), 1, f"{path}:2")]) == []


@pytest.mark.parametrize("end", ["", " ORDER BY id", " LIMIT 1"])
def test_a_count_before_the_same_rows_is_one_too_many(end: str) -> None:
    count = Q('SELECT COUNT(*) AS "__count" FROM "book" WHERE "book"."a" = %s', (1,), 1, "s.py:1")
    rows = Q(f'SELECT "book"."id" FROM "book" WHERE "book"."a" = %s{end}', (1,), 5, "s.py:2")
    assert kinds([count, rows]) == [("count_for_exists", "s.py:1")]


def test_a_list_of_five_thousand_is_large() -> None:
    finding = only([Q(f"SELECT a FROM b WHERE c IN ({', '.join(5000 * ['%s'])})", tuple(range(5000)), 9, "s.py:1")])
    assert (finding.kind, finding.evidence["values"], finding.object) == ("large_in_list", 5000, "b")


def test_many_commits_of_one_request_are_chatty() -> None:
    queries = interleaved(
        [Q("UPDATE a SET b = 1 WHERE c = ?", (1,), 1, "s.py:1") for _ in range(6)], [Q("COMMIT") for _ in range(6)]
    )
    assert kinds(queries) == [("chatty_commits", "s.py:1")]


def test_the_same_problem_has_the_same_fingerprint_on_another_line() -> None:
    first, second = (only(loop(AUTHOR, site=f"shop.py:{line}")) for line in (12, 99))
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize(("times", "expected"), [(3, ["duplicate_query"]), (7, [])])
def test_a_pause_makes_a_poll_only_of_what_is_asked_again_and_again(times: int, expected: list[str]) -> None:
    facts = facts_of("SELECT total FROM cart WHERE id = ?")
    seen = [Seen(facts, (1,), 1, 0.001, "s.py:1", None, 1.0 + 0.05 * number) for number in range(times)]
    assert [finding.kind for finding in patterns_of(seen)] == expected


@pytest.mark.parametrize(
    ("sql", "fix"),
    [
        ("SELECT b.id FROM b WHERE ? = b.a_id", "SELECT … FROM b WHERE a_id IN (…)"),
        (
            "SELECT t.id FROM t INNER JOIN bt ON (t.id = bt.t_id) WHERE bt.b_id = ?",
            "SELECT … FROM t INNER JOIN bt ON (t.id = bt.t_id) WHERE bt.b_id IN (…)",
        ),
    ],
)
def test_the_fix_asks_for_the_column_that_the_loop_asks_for(sql: str, fix: str) -> None:
    queries = [ObservedQuery(sql=sql, params=(number,), duration=0.001, site="app.py:3") for number in range(12)]
    (finding,) = find_request_patterns(queries)
    assert (finding.kind, finding.fix["sql"]) == ("n_plus_one", fix)
