"""What SQLAlchemy sends is seen: counted, as spans, with the line that sent it."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, create_engine, insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool

from perfkit.core import shells
from perfkit.core.spans import begin_exchange, current_spans, seal_exchange, set_exchange
from perfkit.database import DatabaseOptimizer
from perfkit.database.capture import recorder
from perfkit.database.optimizer import DatabaseOptimizer as Optimizer
from perfkit.testing.clock import FakeClock


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    title: Mapped[str]
    author: Mapped[Author] = relationship(back_populates="books")


def fill(engine: Any) -> None:
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Author), [{"id": n, "name": f"a{n}"} for n in range(1, 11)])
        connection.execute(insert(Book), [{"id": n, "author_id": n % 10 + 1, "title": f"b{n}"} for n in range(1, 21)])


@pytest.fixture
def engine() -> Iterator[Any]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def database() -> Iterator[DatabaseOptimizer]:
    database = Optimizer()
    database.start()
    yield database
    database.stop()


def line() -> int:
    return sys._getframe(1).f_lineno


def test_an_engine_made_before_is_met_at_its_first_use(engine: Any, database: DatabaseOptimizer) -> None:
    with engine.connect() as connection:
        connection.execute(select(Author.name).where(Author.id == 3)).all()
    (shape,) = [each for each in database.get_queries() if "name" in each.sql]
    assert (shape.calls, shape.system, shape.summary, shape.rows) == (1, "sqlite", "SELECT author", 1.0)
    assert shape.callers[0].site.startswith("tests/unit/database/test_capture_sqlalchemy.py:")
    assert shape.callers[0].function == "test_an_engine_made_before_is_met_at_its_first_use"
    assert shape.total == pytest.approx(shape.mean)


def test_each_statement_is_a_span_of_the_exchange(engine: Any, database: DatabaseOptimizer) -> None:
    spans = begin_exchange()
    with engine.connect() as connection:
        connection.execute(select(Author)).all()
        connection.execute(text("SELECT count(*) FROM book"))
    found = current_spans()
    seal_exchange(spans)
    assert found is not None
    assert [(span.kind, span.name) for span in found] == [("sql", "SELECT author"), ("sql", "SELECT book")]
    assert all(span.seconds > 0.0 for span in found)


def test_an_error_is_counted_and_raised_as_it_is(engine: Any, database: DatabaseOptimizer) -> None:
    spans = begin_exchange()
    with engine.connect() as connection, pytest.raises(OperationalError):
        connection.execute(text("SELECT a FROM nowhere"))
    found = current_spans() or ()
    seal_exchange(spans)
    assert [span.detail for span in found] == ["OperationalError"]
    (shape,) = [each for each in database.get_queries() if "nowhere" in each.sql]
    assert (shape.errors, shape.calls) == (1, 1)


def test_many_rows_at_once_are_one_statement(engine: Any, database: DatabaseOptimizer) -> None:
    with engine.begin() as connection:
        connection.execute(insert(Author), [{"id": n, "name": "x"} for n in range(100, 150)])
    (shape,) = [each for each in database.get_queries() if "INSERT" in each.sql]
    assert (shape.calls, shape.rows) == (1, 50.0)


def test_stopping_leaves_no_trace_on_the_dialect(engine: Any) -> None:
    database = Optimizer()
    database.start()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert "do_execute" in engine.dialect.__dict__
    database.stop()
    database.stop()
    assert not {"do_execute", "do_executemany", "do_execute_no_params", "do_commit"} & set(engine.dialect.__dict__)
    with engine.connect() as connection:
        connection.execute(text("SELECT 2"))
    assert sum(each.calls for each in database.get_queries()) == 1


def test_a_lazy_load_names_its_relation(engine: Any, database: DatabaseOptimizer) -> None:
    with database.watch("report"), Session(engine) as session:
        for author in session.scalars(select(Author)):
            here = line() + 1
            assert author.books
    (finding,) = database.findings()
    assert finding.kind == "n_plus_one"
    assert finding.site == f"tests/unit/database/test_capture_sqlalchemy.py:{here}"
    assert finding.fix["sqlalchemy"] == ".options(selectinload(Author.books))"
    assert finding.evidence["relation"] == "Author.books"


def test_a_lazy_load_of_one_is_joined(engine: Any, database: DatabaseOptimizer) -> None:
    with database.watch("report"), Session(engine) as session:
        for book in session.scalars(select(Book)):
            assert book.author.name
    (finding,) = database.findings()
    assert finding.fix["sqlalchemy"] == ".options(joinedload(Book.author))"


@pytest.mark.anyio
async def test_under_asyncio_the_line_is_the_awaiting_one(tmp_path: Any, database: DatabaseOptimizer) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: Base.metadata.create_all(sync))
        await connection.execute(insert(Author), [{"id": n, "name": "x"} for n in range(10)])
    with database.watch("task"):
        async with AsyncSession(engine) as session:
            for number in range(10):
                here = line() + 1
                await session.execute(select(Author.name).where(Author.id == number))
    await engine.dispose()
    (finding,) = [each for each in database.findings() if each.kind == "n_plus_one"]
    assert finding.site == f"tests/unit/database/test_capture_sqlalchemy.py:{here}"
    assert finding.evidence["count"] == 10


@pytest.mark.anyio
async def test_spans_of_two_hundred_concurrent_tasks_land_in_their_own(tmp_path: Any) -> None:
    database = Optimizer()
    database.start()
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}", pool_size=20, max_overflow=0)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: Base.metadata.create_all(sync))

    async def request(number: int) -> bool:
        spans = begin_exchange()
        columns = ["id", "name"] if number % 2 else ["name", "id"]
        for table in ["author", "book"] if number % 3 else ["author"]:
            async with engine.connect() as connection:
                what = ", ".join(columns) if table == "author" else "title"
                await connection.execute(text(f"SELECT {what} FROM {table} WHERE id = :id"), {"id": number})
        found = [span.name for span in current_spans() or ()]
        seal_exchange(spans)
        return found == (["SELECT author", "SELECT book"] if number % 3 else ["SELECT author"])

    assert all(await asyncio.gather(*(request(number) for number in range(200))))
    assert sum(each.calls for each in database.get_queries() if "WHERE" in each.sql) == 200 + 133
    database.digest()
    assert not database.recorder.pending
    await engine.dispose()
    database.stop()


def test_threads_have_exchanges_of_their_own(tmp_path: Any, database: DatabaseOptimizer) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    fill(engine)
    right = []

    def request(table: str) -> None:
        spans = begin_exchange()
        for number in range(20):
            with engine.connect() as connection:
                connection.execute(text(f"SELECT id FROM {table} WHERE id = :id"), {"id": number})
        right.append({span.name for span in current_spans() or ()} == {f"SELECT {table}"})
        seal_exchange(spans)
        set_exchange(None)

    threads = [threading.Thread(target=request, args=(table,)) for table in ("author", "book") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert right == [True] * 8
    assert len([each for each in database.findings() if each.kind == "n_plus_one"]) == 2


def test_a_hook_that_is_lost_is_told_loudly(caplog: pytest.LogCaptureFixture) -> None:
    database = Optimizer()
    database.test_capture("broken", lambda statement: None)
    (finding,) = database.findings()
    assert (finding.kind, finding.object, finding.priority) == ("inactive_capture", "broken", "high")
    assert "not captured" in caplog.text
    (state,) = database.snapshot().captures
    assert (state.name, state.is_active) == ("broken", False)
    assert state.reason


def test_a_stop_before_the_test_of_a_hook_is_no_lost_hook(caplog: pytest.LogCaptureFixture) -> None:
    database, stopped, done = Optimizer(), threading.Event(), threading.Event()

    def late(statement: str) -> None:
        stopped.wait(60)

    async def short_life() -> None:
        database.start()
        database.test_capture("late", late)
        database.stop()
        stopped.set()
        shells.defer(done.set)

    asyncio.run(short_life())
    assert done.wait(60)
    assert "not captured" not in caplog.text
    assert not list(database.findings())


def test_engines_that_are_gone_are_not_held(database: DatabaseOptimizer) -> None:
    dialects = []
    for _ in range(3):
        engine = create_engine("sqlite://")
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        assert "do_execute" in vars(engine.dialect)
        dialects.append(weakref.ref(engine.dialect))
        engine.dispose()
    del engine, connection
    gc.collect()
    assert [dialect() for dialect in dialects] == [None] * 3


def test_the_self_test_counts_nowhere(database: DatabaseOptimizer) -> None:
    states = {state.name: state.is_active for state in database.snapshot().captures}
    assert states["sqlalchemy"] is True
    assert database.get_queries() == []


def test_a_broken_look_never_touches_the_statement(
    engine: Any, database: DatabaseOptimizer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> Any:
        raise RuntimeError("broken on purpose")

    for name in ("facts_of", "site_of", "found_from", "hashes_of", "relation_of", "perf_counter"):
        if name != "perf_counter":
            monkeypatch.setattr(f"perfkit.database.capture.recorder.{name}", broken)
    spans = begin_exchange()
    with engine.connect() as connection:
        for number in range(3):
            assert connection.execute(text(f"SELECT {number} AS fresh_{number}")).scalar() == number
            assert connection.execute(text(f"SELECT {number} AS fresh_{number}")).scalar() == number
    seal_exchange(spans)
    assert "broken on purpose" in caplog.text


def test_a_slow_statement_is_logged_once_a_minute_with_its_line(engine: Any, caplog: pytest.LogCaptureFixture) -> None:
    from perfkit.core.context import Context
    from perfkit.database import DatabaseSettings
    from perfkit.store import Store

    clock = FakeClock()
    database = Optimizer(
        settings=DatabaseSettings(slow_query_threshold=1e-9), context=Context(store=Store(clock=clock), clock=clock)
    )
    database.start()
    for _ in range(5):
        with engine.connect() as connection:
            connection.execute(text("SELECT name FROM author WHERE name = 'hunter2'"))
    database.digest()
    database.digest()
    lines = [record.getMessage() for record in caplog.records if "SELECT name" in record.getMessage()]
    assert len(lines) == 1
    assert "test_capture_sqlalchemy.py:" in lines[0]
    assert "hunter2" not in lines[0]
    (slow,) = [each for each in database.get_slow_queries() if "name" in each.sql]
    assert (slow.slow, slow.calls) == (5, 5)
    assert slow.max > 0.0
    clock.advance(61.0)
    with engine.connect() as connection:
        connection.execute(text("SELECT name FROM author WHERE name = 'hunter2'"))
    database.digest()
    assert "4 more since" in caplog.records[-1].getMessage()
    database.stop()


def test_ten_thousand_shapes_have_bounded_numbers() -> None:
    from perfkit.database import DatabaseSettings

    database = Optimizer(settings=DatabaseSettings(max_shapes=50))
    finish, learn = database.recorder.finish, database.recorder.learn
    for number in range(10_000):
        entry = learn(f"SELECT c{number} FROM t{number} WHERE a = {number}", "sqlite")
        assert entry is not None
        finish(entry, 0.0, None, 1)
    assert len(database.recorder.records) <= 52
    assert len(database.recorder.known("sqlite")) <= 5_000
    shapes = database.get_queries()
    assert sum(each.calls for each in shapes) == 10_000
    assert next(each for each in shapes if each.id == "_other").calls > 9_000


def test_texts_of_a_megabyte_are_not_kept() -> None:
    database = Optimizer()
    for number in range(30):
        text_ = f"SELECT c{number} FROM t WHERE a IN ({', '.join(map(str, range(200_000)))})"
        entry = database.recorder.learn(text_, "sqlite")
        assert entry is not None
        database.recorder.finish(entry, 0.0, None, 1)
    assert not database.recorder.known("sqlite")
    assert all(len(record.sample) < 50_000 for record in database.recorder.records.values())
    assert sum(each.calls for each in database.get_queries()) == 30


def test_requests_that_never_end_are_bounded_and_counted() -> None:
    database = Optimizer()
    entry = database.recorder.learn("SELECT a FROM b", "sqlite")
    assert entry is not None
    for _ in range(1_000):
        begin_exchange()
        database.recorder.finish(entry, 0.0, None, 1)
    set_exchange(None)
    assert len(database.recorder.pending) <= 512
    database.digest()


def test_bytes_that_are_no_text_are_a_statement_too() -> None:
    database = Optimizer()
    for statement in (b"SELECT \xff\xfe FROM t", bytearray(b"SELECT 1"), b"\x00" * 100, object()):
        entry = database.recorder.learn(statement, "postgresql")
        assert entry is not None
        database.recorder.finish(entry, 0.0, None, 1)
    assert sum(each.calls for each in database.get_queries()) == 4


def test_lines_that_send_one_shape_by_turns_are_found_without_a_walk_each_time(
    engine: Any, database: DatabaseOptimizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks: list[Any] = []
    walk = recorder.found_from
    monkeypatch.setattr(recorder, "found_from", lambda frame: walks.append(frame) or walk(frame))
    asked = text("SELECT name FROM author WHERE id = :id")
    with engine.connect() as connection, database.watch("task"):
        for _ in range(8):
            connection.execute(asked, {"id": 1}).all()
            connection.execute(asked, {"id": 2}).all()
            connection.execute(asked, {"id": 3}).all()
    (shape,) = [each for each in database.get_queries() if "author" in each.sql]
    assert len(shape.callers) == 3
    assert len(walks) == 3


def test_a_site_that_is_remembered_by_its_place_on_the_stack_is_never_that_of_another_line(
    engine: Any, database: DatabaseOptimizer
) -> None:
    asked = text("SELECT name FROM author WHERE id = :id")

    def here(connection: Any, number: int) -> int:
        connection.execute(asked, {"id": number}).all()
        return here.__code__.co_firstlineno + 1

    def deeper(connection: Any, number: int) -> int:
        return here(connection, number) if number % 2 else here(connection, number) + 0

    lines = []
    with engine.connect() as connection, database.watch("task"):
        for number in range(6):
            connection.execute(asked, {"id": number}).all()
            lines.append(deeper(connection, number))
            connection.execute(asked, {"id": number}).all()
    database.digest()
    (shape,) = [each for each in database.get_queries() if "author" in each.sql]
    first = test_a_site_that_is_remembered_by_its_place_on_the_stack_is_never_that_of_another_line.__code__
    told = {int(caller.site.rpartition(":")[2]): caller.function.rpartition(".")[2] for caller in shape.callers}
    in_loop = {line for line, function in told.items() if function == first.co_name}
    assert {line for line, function in told.items() if function == "here"} == set(lines)
    assert len(in_loop) == 2
    assert max(in_loop) - min(in_loop) == 2
