"""Advice on indexes while the app runs: when it is looked for, what is worth telling, and what becomes of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from patience import until
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from perfkit.core.context import Context
from perfkit.core.findings import Finding, State
from perfkit.database import DatabaseOptimizer, DatabaseSettings, IndexAdvice, SlowQuery
from perfkit.database.indexes.upkeep import find_upkeep
from perfkit.database.schema.catalog import Catalog, Index, Table
from perfkit.database.workload.worth import is_worth_telling
from perfkit.store import Store
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock

BY_OWNER = "SELECT max(length(note)) FROM pages WHERE owner = ?"
MANY = 20_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "pages.db"
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("CREATE TABLE pages (id integer PRIMARY KEY, owner integer, note text)")
        rows = [(n, n * 7919 % 5000, f"note {n} " + "x" * 60) for n in range(MANY)]
        connection.executemany("INSERT INTO pages VALUES (?, ?, ?)", rows)
        connection.commit()
    return made


@pytest.fixture
def database() -> Iterator[DatabaseOptimizer]:
    made = DatabaseOptimizer()
    made.start()
    yield made
    made.stop()


def ask(connection: Any, times: int = 3) -> None:
    for number in range(times):
        assert connection.execute(BY_OWNER, (number,)).fetchall()


def missing(database: DatabaseOptimizer) -> list[Finding]:
    return [finding for finding in database.findings() if finding.kind == "missing_index"]


def make_index(path: Path, ddl: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(ddl)


def test_a_wrapped_connection_tells_where_its_file_lies(database: DatabaseOptimizer, path: Path) -> None:
    with closing(sqlite3.connect(path)) as plain:
        ask(database.wrap(plain))
        database.look_at_indexes()
    (finding,) = missing(database)
    assert finding.object is not None
    assert finding.object.startswith("pages(owner")
    assert finding.fix["sql"].startswith("CREATE INDEX ix_pages_owner")
    assert finding.site is not None
    assert finding.site.startswith("tests/unit/database/test_index_advisor.py:")
    assert finding.evidence["calls"] == 3
    assert finding.estimate["load_seconds_saved"] == pytest.approx(finding.evidence["seconds"], rel=0.1)
    assert finding.effect is not None
    assert (finding.effect.kind, finding.effect.variant) == ("sql", finding.evidence["shape"])
    assert finding.effect.left == pytest.approx(0.0, abs=0.1)
    assert database.snapshot().indexes.open == 1


def test_an_engine_is_asked_by_a_connection_of_its_own(database: DatabaseOptimizer, path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    for number in range(3):
        with engine.connect() as connection:
            connection.execute(
                text("SELECT max(length(note)) FROM pages WHERE owner = :owner"), {"owner": number}
            ).all()
    asked = database.snapshot().statements
    database.look_at_indexes()
    assert len(missing(database)) == 1
    assert database.snapshot().statements == asked, "our own questions are no statements of the app"
    engine.dispose()


def test_an_async_engine_is_asked_too_while_its_loop_is_busy(database: DatabaseOptimizer, path: Path) -> None:
    async def main() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        for number in range(3):
            async with engine.connect() as connection:
                await connection.execute(
                    text("SELECT max(length(note)) FROM pages WHERE owner = :owner"), {"owner": number}
                )
        await asyncio.to_thread(database.look_at_indexes)
        await engine.dispose()

    asyncio.run(main())
    assert len(missing(database)) == 1


def test_a_factory_gives_a_connection_and_gets_it_back(database: DatabaseOptimizer, path: Path) -> None:
    given: list[str] = []

    @contextmanager
    def connect() -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(path)) as connection:
            given.append("given")
            yield connection
        given.append("taken back")

    database.advise_on("main", "sqlite", connect)
    with closing(sqlite3.connect(":memory:")) as elsewhere:
        elsewhere.execute("CREATE TABLE pages (id, owner, note)")
        database.wrap(elsewhere).execute(BY_OWNER, (1,)).fetchall()
    database.look_at_indexes()
    assert given == ["given", "taken back"]


def test_a_database_in_memory_is_left_alone_and_it_is_said_why(database: DatabaseOptimizer) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'a'"))
    database.look_at_indexes()
    assert missing(database) == []
    assert "lies in memory" in database.snapshot().indexes.reason
    engine.dispose()


def test_the_one_connection_of_a_static_pool_is_never_touched(database: DatabaseOptimizer, path: Path) -> None:
    shared = sqlite3.connect(path, check_same_thread=False)
    engine = create_engine("sqlite://", creator=lambda: shared, poolclass=StaticPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT max(length(note)) FROM pages WHERE owner = :owner"), {"owner": 1}).all()
    shared.execute("INSERT INTO pages (owner) VALUES (1)")
    assert shared.in_transaction
    database.look_at_indexes()
    assert shared.in_transaction, "a transaction of the app is neither ended nor its connection closed"
    assert missing(database) == []
    shared.close()


class _OtherDriver:
    """A connection of a driver that takes no second thread."""

    def __init__(self) -> None:
        self.calls = 0

    def cursor(self) -> Any:
        self.calls += 1
        raise AssertionError("the app's own connection was used")


_OtherDriver.__module__ = "pymysql.connections"


def test_the_one_connection_that_was_given_is_never_used(path: Path) -> None:
    given = _OtherDriver()
    database = DatabaseOptimizer(given)
    entry = database.recorder.learn("SELECT a FROM b WHERE c = 1", "mysql")
    assert entry is not None
    database.recorder.finish(entry, 0.0, None, 1)
    database.look_at_indexes()
    database.look_at_sessions()
    assert given.calls == 0
    assert "There is no second connection" in database.snapshot().indexes.reason


def test_without_a_known_database_it_is_said(database: DatabaseOptimizer) -> None:
    database.look_at_indexes()
    assert database.snapshot().indexes.reason == "no database is known that the statements went to"


def test_a_database_that_is_gone_costs_the_advice_and_nothing_else(database: DatabaseOptimizer, path: Path) -> None:
    with closing(sqlite3.connect(path)) as plain:
        ask(database.wrap(plain))
    database.look_at_indexes()
    path.rename(path.with_suffix(".away"))
    database.look_at_indexes()
    assert "OperationalError" in database.snapshot().indexes.reason
    assert len(missing(database)) == 1, "what was found stands until somebody looks again"
    assert database._context.errors.count is None or not database._store.degraded


def test_an_index_that_was_made_is_proved_by_the_times_before_and_after(
    database: DatabaseOptimizer, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as plain:
        connection = database.wrap(plain)
        ask(connection)
        database.look_at_indexes()
        (finding,) = missing(database)
        make_index(path, finding.fix["sql"])
        database.look_at_indexes()
        (just_made,) = missing(database)
        assert just_made.state is State.FIXED
        assert "has its index" in just_made.message
        ask(connection, times=7)
        database.look_at_indexes()
        (fixed,) = missing(database)
        assert fixed.fingerprint == finding.fingerprint
        assert fixed.state is State.FIXED
        assert fixed.message.startswith("Fixed, ")
        assert fixed.evidence["calls_since"] == 7

        def gain() -> float:
            ask(connection, times=20)  # of seven calls one may have waited for the machine
            database.look_at_indexes()
            (now,) = missing(database)
            return float(now.evidence["seconds_before"] - now.evidence["seconds_after"])

        assert until(gain, lambda seconds: seconds > 0.0) > 0.0


def test_a_system_recommends_an_index_until_it_is_there(path: Path) -> None:
    system = PerformanceSystem(environment="testing")

    def recommended() -> list[str]:
        return [each.kind for each in system.get_optimization_recommendations()]

    with system, closing(sqlite3.connect(path)) as plain:
        connection = system.database.wrap(plain)
        ask(connection)
        system.database.look_at_indexes()
        assert "missing_index" in recommended()
        (finding,) = missing(system.database)
        make_index(path, finding.fix["sql"])
        ask(connection, times=6)
        system.database.look_at_indexes()
        ask(connection, times=6)
        system.database.look_at_indexes()
        assert "missing_index" not in recommended()
        assert [each.state for each in missing(system.database)] == [State.FIXED]
        make_index(path, f"DROP INDEX {finding.fix['sql'].split()[2]}")
        ask(connection)
        system.database.look_at_indexes()
        assert "missing_index" in recommended()


def test_an_index_that_is_dropped_again_is_missed_again(database: DatabaseOptimizer, path: Path) -> None:
    with closing(sqlite3.connect(path)) as plain:
        connection = database.wrap(plain)
        ask(connection)
        database.look_at_indexes()
        (finding,) = missing(database)
        make_index(path, finding.fix["sql"])
        database.look_at_indexes()
        make_index(path, f"DROP INDEX {finding.fix['sql'].split()[2]}")
        ask(connection)
        database.look_at_indexes()
    (finding,) = missing(database)
    assert finding.state is State.RETURNED


def test_advice_that_no_longer_stands_is_taken_back(database: DatabaseOptimizer, path: Path) -> None:
    with closing(sqlite3.connect(path)) as plain:
        ask(database.wrap(plain))
    database.look_at_indexes()
    assert len(missing(database)) == 1
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("DELETE FROM pages WHERE id > 50")
        plain.commit()
    database.look_at_indexes()
    assert missing(database) == []


def test_a_duplicate_index_is_told_and_taken_back_once_it_is_gone(database: DatabaseOptimizer, path: Path) -> None:
    make_index(path, "CREATE INDEX ix_pages_owner ON pages (owner)")
    make_index(path, "CREATE INDEX ix_pages_owner_2 ON pages (owner)")
    with closing(sqlite3.connect(path)) as plain:
        ask(database.wrap(plain))
    database.look_at_indexes()
    assert "duplicate_index" in {finding.kind for finding in database.findings()}
    make_index(path, "DROP INDEX ix_pages_owner_2")
    database.look_at_indexes()
    assert "duplicate_index" not in {finding.kind for finding in database.findings()}


def due(settings: DatabaseSettings, *, leads: bool = True) -> tuple[Any, FakeClock, Store]:
    from perfkit.database.report.notes import Notes
    from perfkit.database.workload.advisor import IndexAdvisor
    from perfkit.database.workload.sources import Sources

    clock = FakeClock()
    store = Store(clock=clock)
    if not leads:
        store.lease._path, store.lease.generation = Path("/nowhere"), 0
    context = Context(store=store, clock=clock)
    return IndexAdvisor(context, settings, Sources(), Notes(store)), clock, store


def test_the_first_look_comes_soon_the_next_with_news_or_after_the_interval() -> None:
    advisor, clock, _ = due(DatabaseSettings(index_advice_interval=300.0))
    assert not advisor.is_due(clock.monotonic(), 0)
    assert not advisor.is_due(clock.monotonic(), 1)
    clock.advance(5.0)
    assert advisor.is_due(clock.monotonic(), 1)
    advisor.look(clock.monotonic(), [], {}, 1)
    clock.advance(16.0)
    assert not advisor.is_due(clock.monotonic(), 1)
    assert advisor.is_due(clock.monotonic(), 2)
    clock.advance(300.0)
    assert advisor.is_due(clock.monotonic(), 1)


def test_looks_take_a_hundredth_of_a_core_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    advisor, clock, _ = due(DatabaseSettings(index_advice_interval=60.0))
    taken = iter((10.0, 12.0))
    monkeypatch.setattr("perfkit.database.workload.advisor.time.thread_time", lambda: next(taken))
    advisor.look(clock.monotonic(), [], {}, 1)
    assert advisor.state.seconds == 2.0
    clock.advance(199.0)
    assert not advisor.is_due(clock.monotonic(), 50), "neither the interval nor news come before"
    clock.advance(2.0)
    assert advisor.is_due(clock.monotonic(), 50)


def test_who_does_not_lead_does_not_look() -> None:
    advisor, clock, _ = due(DatabaseSettings(), leads=False)
    clock.advance(1_000.0)
    assert not advisor.is_due(clock.monotonic(), 9)


def test_it_can_be_switched_off() -> None:
    advisor, clock, _ = due(DatabaseSettings(index_advice=False))
    clock.advance(1_000.0)
    assert not advisor.is_due(clock.monotonic(), 9)


def advised(before: float, after: float) -> IndexAdvice:
    return IndexAdvice(
        ddl="", table="t", columns=("a",), cost_before=before, cost_after=after, size_bytes=1, verified_by="rules",
        reason="", statements=("SELECT",),
    )  # fmt: skip


def query(calls: int, mean: float) -> SlowQuery:
    return SlowQuery(
        sql="SELECT", id="1", system="sqlite", summary="SELECT t", calls=calls, slow=0, total=calls * mean, mean=mean,
        p95=mean,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "calls", "mean", "indexed", "is_told"),
    [
        (10_000, 8, 1, 0.004, False, True),  # a table read whole for a few rows
        (10_000, 8, 1, 0.00001, False, True),  # of SQLite only the way to the first row is measured
        (300, 8, 1_000, 0.00002, False, False),  # nobody would notice
        (100, 40, 100, 0.001, False, True),  # somewhat cheaper, and most of the time
        (100, 40, 1, 0.001, False, False),  # somewhat cheaper, and next to none of the time
        (38, 6, 1_000, 0.001, True, False),  # there is an index that finds the rows
        (10_000, 8, 10, 0.01, True, True),  # there is one that does not help
    ],
)
def test_what_is_told_is_what_somebody_would_notice(
    before: float, after: float, calls: int, mean: float, indexed: bool, is_told: bool
) -> None:
    indexes = (Index(name="i", table="t", keys=("a", "b")),) if indexed else ()
    table = Table(name="t", indexes=indexes)
    assert is_worth_telling(advised(before, after), [query(calls, mean)], seconds=0.1, table=table) is is_told


def test_the_fix_for_django_names_the_model() -> None:
    from perfkit.database.patterns.found import found
    from perfkit.database.workload.worth import of_model

    operation = "migrations.AddIndex('shop_product', models.Index(fields=['sku'], name='ix'))"
    finding = found("missing_index", "", "", fix={"django": operation})
    named = of_model(finding, "shop_product", "shop.Product").fix["django"]
    expected = "migrations.AddIndex('product', models.Index(fields=['sku'], name='ix'))  # in a migration of shop"
    assert named == expected
    assert of_model(finding, "shop_product", "") is finding


@pytest.mark.parametrize(
    ("dialect", "fix"),
    [
        ("sqlite", "migrations.RunSQL('DROP INDEX two;')"),
        ("postgresql", "migrations.RunSQL('DROP INDEX CONCURRENTLY two;')  # in a migration with atomic = False"),
    ],
)
def test_django_drops_an_index_that_no_model_names(dialect: str, fix: str) -> None:
    indexes = (Index(name="one", table="tags", keys=("a",)), Index(name="two", table="tags", keys=("a",)))
    table = Table(name="tags", rows=10.0, indexes=indexes)
    (finding,) = find_upkeep(Catalog(dialect, [table]))
    assert finding.kind == "duplicate_index"
    assert finding.fix["django"] == fix
