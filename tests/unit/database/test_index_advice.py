"""Advice on indexes: what is promised whatever the database; on SQLite, which is at hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.cli.main import main
from perfkit.core.errors import DatabaseError
from perfkit.database import analyze, recommend_indexes, verify_applied
from perfkit.database.indexes.costs.sizes import index_bytes
from perfkit.database.indexes.definition import Definition, Key, is_covered
from perfkit.database.indexes.statements.reading import UnreadError, read_statement
from perfkit.database.schema.catalog import Catalog, Column, Index, Table

BY_OWNER = "SELECT id, note FROM pages WHERE owner = 7"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as made:
        fill(made)
        yield made


def fill(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE pages (id integer PRIMARY KEY, owner integer, kind integer, note text)")
    rows = [(n, n * 7919 % 5000, n % 4, f"note {n} " + "x" * 60) for n in range(20_000)]
    connection.executemany("INSERT INTO pages VALUES (?, ?, ?, ?)", rows)
    connection.commit()


def catalog(dialect: str = "postgresql", **more: object) -> Catalog:
    names = ("id", "owner", "kind", "note", "created")
    table = Table(name="pages", rows=100_000, pages=2000, columns={name: Column(name=name) for name in names})
    return Catalog(dialect, [table], **more)  # type: ignore[arg-type] # the test's own words


def test_the_advice_is_followed_and_found_to_be_so(connection: sqlite3.Connection) -> None:
    [advice] = recommend_indexes(connection, [(BY_OWNER, 1000)])
    assert verify_applied(connection, advice).message == f"Not made yet: {advice.ddl}"
    connection.execute(advice.ddl)
    verified = verify_applied(connection, advice)
    assert verified.is_applied
    assert verified.is_used
    assert verified.cost_now == pytest.approx(advice.cost_after, rel=0.3)
    assert verified.message.startswith("Fixed, ")
    assert recommend_indexes(connection, [(BY_OWNER, 1000)]) == []


def test_the_same_question_has_the_same_answer(connection: sqlite3.Connection) -> None:
    workload = [(BY_OWNER, 10), ("SELECT id FROM pages WHERE kind = 1 AND owner = 3 ORDER BY note LIMIT 3", 5)]
    assert recommend_indexes(connection, workload) == recommend_indexes(connection, workload[::-1])


def test_a_budget_is_kept(connection: sqlite3.Connection) -> None:
    workload = [(BY_OWNER, 1000), ("SELECT id FROM pages WHERE note = 'note 7'", 1000)]
    free = recommend_indexes(connection, workload)
    assert len(free) == 2
    budget = min(advice.size_bytes for advice in free)
    assert sum(advice.size_bytes for advice in recommend_indexes(connection, workload, budget_bytes=budget)) <= budget
    assert recommend_indexes(connection, workload, budget_bytes=1000) == []


def test_writes_outweigh_reads(connection: sqlite3.Connection) -> None:
    assert recommend_indexes(connection, [(BY_OWNER, 10)], writes={"pages": 1_000_000}) == []
    assert recommend_indexes(connection, [(BY_OWNER, 10)], writes={"other": 1_000_000})


def test_an_update_of_other_columns_costs_an_index_nothing(connection: sqlite3.Connection) -> None:
    others = (BY_OWNER, 10), ("UPDATE pages SET kind = 2 WHERE id = 5", 1_000_000)
    own = (BY_OWNER, 10), ("UPDATE pages SET owner = 2 WHERE id = 5", 1_000_000)
    assert [advice.columns[0] for advice in recommend_indexes(connection, others)] == ["owner"]
    assert recommend_indexes(connection, own) == []


def test_nothing_is_written_and_no_transaction_is_left(connection: sqlite3.Connection) -> None:
    before = "\n".join(connection.iterdump())
    analyze(connection, [(BY_OWNER, 1000), ("DELETE FROM pages WHERE owner = 1", 10)])
    assert "\n".join(connection.iterdump()) == before
    assert not connection.in_transaction


@pytest.mark.parametrize("workload", [[BY_OWNER], [(BY_OWNER, "often")], [(None, 3)], [(BY_OWNER, -1)], BY_OWNER])
def test_a_workload_of_another_form_is_refused(connection: sqlite3.Connection, workload: object) -> None:
    with pytest.raises(DatabaseError, match="must be pairs of a statement"):
        recommend_indexes(connection, workload)  # type: ignore[arg-type] # that is the test


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELEC nothing",
        "DROP TABLE pages",
        "SELECT 1; SELECT 2",
        "SELECT id FROM elsewhere WHERE a = 1",
        "SELECT (" * 500,
        "SELECT id FROM pages WHERE note = '" + "x" * 60_000 + "'",
        "\x00\udcff",
    ],
)
def test_what_cannot_be_read_is_left_out_and_told(connection: sqlite3.Connection, sql: str) -> None:
    result = analyze(connection, [(sql, 5), (BY_OWNER, 1000)])
    assert [each.statement for each in result.left_out] == [sql[:500]]
    assert result.left_out[0].reason
    assert len(result.indexes) == 1


def test_a_function_of_the_users_own_is_not_planned() -> None:
    with pytest.raises(UnreadError, match="calls charge"):
        read_statement("SELECT charge(id) FROM pages", 1, catalog(user_functions=["charge"]))


def test_a_statement_that_writes_within_a_query_is_not_planned() -> None:
    with pytest.raises(UnreadError):
        read_statement("WITH gone AS (DELETE FROM pages RETURNING id) SELECT * FROM gone", 1, catalog())


def test_a_write_is_planned_as_the_search_for_its_rows() -> None:
    demand = read_statement("UPDATE pages SET kind = %s WHERE owner = %(owner)s", 1, catalog())
    assert demand.sql == "SELECT 1 FROM pages WHERE owner = $1"
    assert demand.written == {"pages": frozenset({"kind"})}


@pytest.mark.parametrize(
    ("index", "covers"),
    [
        (Index(name="i", table="pages", keys=("owner", "kind")), True),
        (Index(name="i", table="pages", keys=("owner", "kind", "note")), True),
        (Index(name="i", table="pages", keys=("owner",), is_unique=True), True),
        (Index(name="i", table="pages", keys=("owner",)), False),
        (Index(name="i", table="pages", keys=("kind", "owner")), False),
        (Index(name="i", table="pages", keys=("owner", "kind"), where="kind > 3"), False),
        (Index(name="i", table="pages", keys=("owner", "kind"), method="hash"), False),
        (Index(name="i", table="pages", keys=("owner", "kind"), is_valid=False), False),
    ],
)
def test_what_exists_bars_what_it_covers(index: Index, covers: bool) -> None:
    wanted = Definition("pages", (Key("owner", ("owner",)), Key("kind", ("kind",))))
    assert is_covered(wanted, (index,)) is covers


def test_texts_to_copy_are_quoted_and_whole() -> None:
    wanted = Definition("order", (Key("Group", ("Group",)), Key("b", ("b",), is_descending=True)), where="b > 1")
    name = wanted.name
    assert wanted.ddl("postgresql") == (f'CREATE INDEX CONCURRENTLY {name} ON "order" ("Group", b DESC) WHERE b > 1')
    assert wanted.ddl("mariadb").startswith(f"CREATE INDEX {name} ON `order` (`Group`, b DESC)")
    assert wanted.alembic("postgresql").startswith(f"op.create_index('{name}', 'order', ['Group', sa.text('b DESC')]")
    assert len(Definition("t" * 80, (Key("c" * 80, ("c",)),)).name) <= 60


def test_equal_keys_share_their_bytes_on_postgresql_alone() -> None:
    few = Table(
        name="t",
        rows=100_000,
        columns={"a": Column(name="a", type="integer", distinct=10, width=4, has_statistics=True)},
    )
    wanted = Definition("t", (Key("a", ("a",)),))
    assert index_bytes(few, wanted, "postgresql") < 0.6 * index_bytes(few, wanted, "mariadb")


def test_the_command_reads_a_file_and_answers_people_and_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, workload = tmp_path / "shop.db", tmp_path / "workload.sql"
    with closing(sqlite3.connect(path)) as connection:
        fill(connection)
    workload.write_text(f"-- calls: 1000\n{BY_OWNER};\nSELECT id FROM pages WHERE note = 'a;b';\n")
    asked = ["advise", "--database", f"sqlite:///{path}", "--workload", str(workload)]
    assert main(asked) == 1
    shown = capsys.readouterr().out
    assert "CREATE INDEX" in shown
    assert shown.startswith("2 statements from ")
    assert main([*asked, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["statements"] == 2
    assert {advice["columns"][0] for advice in told["indexes"]} == {"owner", "note"}
    workload.write_text(json.dumps([{"sql": "SELECT id FROM pages WHERE id = 1", "calls": 3}]))
    assert main(asked) == 0
    assert "Nothing to do." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "workload", "said"),
    [
        ("shop", None, "is not a URL"),
        ("sqlite:///{folder}/none.db", None, "There is no file"),
        ("sqlite:///{folder}/text.txt", None, "cannot be read"),
        ("postgresql://user:hidden@127.0.0.1:1/shop", None, "does not answer"),
        ("oracle://host/shop", None, "cannot be used"),
        ("sqlite:///{folder}/shop.db", "{folder}/none.sql", "cannot be read"),
        ("sqlite:///{folder}/shop.db", "{folder}/empty.sql", "holds no statement"),
        ("sqlite:///{folder}/shop.db", "{folder}/bad.json", "is no list of statements"),
        ("sqlite:///{folder}/shop.db", "pg_stat_statements", "has no readable pg_stat_statements"),
    ],
)
def test_wrong_use_is_told_in_three_sentences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, workload: str | None, said: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE a (b)")
    (tmp_path / "text.txt").write_text("no database at all, " * 100)
    (tmp_path / "empty.sql").write_text("-- nothing\n;")
    (tmp_path / "bad.json").write_text('[{"text": 1}]')
    more = ["--workload", workload.format(folder=tmp_path)] if workload else []
    assert main(["advise", "--database", url.format(folder=tmp_path), *more]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert "hidden" not in shown.err + shown.out
    assert not (tmp_path / "none.db").exists()
