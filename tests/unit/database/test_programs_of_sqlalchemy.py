"""Real programs with SQLAlchemy's ORM: those that load one by one are found, those that do not are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Table, create_engine, delete, func, insert, select, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
    subqueryload,
)
from sqlalchemy.pool import StaticPool

from perfkit.database import DatabaseOptimizer


class Base(DeclarativeBase):
    pass


book_tag = Table(
    "book_tag",
    Base.metadata,
    Column("book_id", ForeignKey("book.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    title: Mapped[str]
    pages: Mapped[int]
    author: Mapped[Author] = relationship(back_populates="books")
    tags: Mapped[list[Tag]] = relationship(secondary=book_tag)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Author), [{"id": n, "name": f"a{n}"} for n in range(1, 21)])
        connection.execute(
            insert(Book),
            [{"id": n, "author_id": n % 20 + 1, "title": f"b{n}", "pages": n} for n in range(1, 401)],
        )
        connection.execute(insert(Tag), [{"id": n, "name": f"t{n}"} for n in range(1, 6)])
        connection.execute(insert(book_tag), [{"book_id": n, "tag_id": n % 5 + 1} for n in range(1, 401)])
    yield engine
    engine.dispose()


Program = Callable[[Session], object]


def lazy_collection(session: Session) -> object:
    return [len(author.books) for author in session.scalars(select(Author))]


def lazy_parent(session: Session) -> object:
    return [book.author.name for book in session.scalars(select(Book).limit(50))]


def lazy_many_to_many(session: Session) -> object:
    return [[tag.name for tag in book.tags] for book in session.scalars(select(Book).limit(20))]


def query_in_a_loop(session: Session) -> object:
    return [session.scalars(select(Book).where(Book.author_id == n)).all() for n in range(1, 21)]


def count_in_a_loop(session: Session) -> object:
    return [session.scalar(select(func.count()).where(Book.author_id == n)) for n in range(1, 21)]


def get_in_a_loop(session: Session) -> object:
    return [session.get(Author, n) for n in range(1, 21)]


def empty_in_a_loop(session: Session) -> object:
    return [session.scalars(select(Book).where(Book.author_id == 1000 + n)).all() for n in range(20)]


def core_in_a_loop(session: Session) -> object:
    return [session.execute(select(Book.title).where(Book.author_id == n)).all() for n in range(1, 21)]


def newest_of_each(session: Session) -> object:
    newest = select(Book).order_by(Book.pages.desc()).limit(3)
    return [session.scalars(newest.where(Book.author_id == n)).all() for n in range(1, 21)]


def helper(session: Session, author: int) -> object:
    return session.scalar(select(func.sum(Book.pages)).where(Book.author_id == author))


def helper_in_a_loop(session: Session) -> object:
    return [helper(session, n) for n in range(1, 21)]


def nested_loops(session: Session) -> object:
    for author in session.scalars(select(Author).limit(6)):
        session.scalar(select(func.max(Book.pages)).where(Book.author_id == author.id))
        session.scalar(select(Author.name).where(Author.id == author.id))
    return None


LOADS_ONE_BY_ONE: dict[Program, int] = {
    lazy_collection: 1,
    lazy_parent: 1,
    lazy_many_to_many: 1,
    query_in_a_loop: 1,
    count_in_a_loop: 1,
    get_in_a_loop: 1,
    empty_in_a_loop: 1,
    core_in_a_loop: 1,
    newest_of_each: 1,
    helper_in_a_loop: 1,
    nested_loops: 2,
}


def eager_collection(session: Session) -> object:
    query = select(Author).options(selectinload(Author.books))
    return [len(author.books) for author in session.scalars(query)]


def eager_subquery(session: Session) -> object:
    query = select(Author).options(subqueryload(Author.books))
    return [len(author.books) for author in session.scalars(query)]


def eager_parent(session: Session) -> object:
    return [book.author.name for book in session.scalars(select(Book).options(joinedload(Book.author)))]


def eager_in_chunks(session: Session) -> object:
    query = select(Book).options(selectinload(Book.tags)).execution_options(yield_per=20)
    return [len(book.tags) for book in session.scalars(query)]


def same_parent(session: Session) -> object:
    books = session.scalars(select(Book).where(Book.author_id == 3)).all()
    return [book.author.name for book in books]


def pages_by_offset(session: Session) -> object:
    return [session.scalars(select(Book).order_by(Book.id).offset(n).limit(20)).all() for n in range(0, 400, 20)]


def pages_by_key(session: Session) -> object:
    last = 0
    while books := session.scalars(select(Book).where(Book.id > last).order_by(Book.id).limit(25)).all():
        last = books[-1].id
    return last


def pages_of_one_author(session: Session) -> object:
    query = select(Book.id).where(Book.author_id == 3).order_by(Book.id)
    return [session.scalars(query.offset(n).limit(2)).all() for n in range(0, 20, 2)]


def batches(session: Session) -> object:
    numbers = list(range(1, 401))
    return [session.scalars(select(Book).where(Book.id.in_(numbers[n : n + 40]))).all() for n in range(0, 400, 40)]


def ranges(session: Session) -> object:
    return [session.scalars(select(Book).where(Book.id.between(n, n + 39))).all() for n in range(1, 401, 40)]


def chunks_of_a_stream(session: Session) -> object:
    query = select(Book).execution_options(yield_per=10)
    return [len(chunk) for chunk in session.scalars(query).partitions()]


def polling(session: Session) -> object:
    for _ in range(7):
        session.scalar(select(Book.title).where(Book.id == 7).execution_options(populate_existing=True))
        time.sleep(0.015)
    return None


def distinct_places(session: Session) -> object:
    def named(number: int) -> Any:
        return select(Author.name).where(Author.id == number)

    first = session.scalar(named(1))
    second = session.scalar(named(2))
    third = session.scalar(named(3))
    fourth = session.scalar(named(4))
    fifth = session.scalar(named(5))
    sixth = session.scalar(named(6))
    return first, second, third, fourth, fifth, sixth


def bulk_insert(session: Session) -> object:
    session.add_all([Tag(id=1000 + n, name="x") for n in range(50)])
    session.flush()
    session.rollback()
    return None


def bulk_update(session: Session) -> object:
    session.execute(update(Book), [{"id": n, "pages": 1} for n in range(1, 51)])
    session.rollback()
    return None


def few(session: Session) -> object:
    return [session.scalar(select(Author.name).where(Author.id == n)) for n in range(1, 4)]


def read_after_write(session: Session) -> object:
    for pages in (5, 6):
        session.scalar(select(Book.pages).where(Book.id == 1))
        session.execute(update(Book).where(Book.id == 1).values(pages=pages))
    session.scalar(select(Book.pages).where(Book.id == 1))
    session.rollback()
    return None


MEANT: list[Program] = [
    eager_collection,
    eager_subquery,
    eager_parent,
    eager_in_chunks,
    same_parent,
    pages_by_offset,
    pages_by_key,
    pages_of_one_author,
    batches,
    ranges,
    chunks_of_a_stream,
    polling,
    distinct_places,
    bulk_insert,
    bulk_update,
    few,
    read_after_write,
]


def kinds(engine: Any, program: Program) -> list[str]:
    database = DatabaseOptimizer()
    database.start()
    try:
        with database.watch("program"), Session(engine) as session:
            program(session)
        found = [each for each in database.findings() if each.code < "PK110"]
        for finding in found:
            path, _, line = (finding.site or "").rpartition(":")
            assert path == "tests/unit/database/test_programs_of_sqlalchemy.py"
            # The line is in the program, or in the function that it calls.
            code = (helper if program is helper_in_a_loop else program).__code__
            assert code.co_firstlineno < int(line) <= max(at for *_, at in code.co_lines() if at) or "<" in code.co_name
        return sorted(finding.kind for finding in found)
    finally:
        database.stop()


@pytest.mark.parametrize("program", LOADS_ONE_BY_ONE, ids=lambda program: program.__name__)
def test_a_program_that_loads_one_by_one_is_found(engine: Any, program: Program) -> None:
    assert kinds(engine, program) == ["n_plus_one"] * LOADS_ONE_BY_ONE[program]


@pytest.mark.parametrize("program", MEANT, ids=lambda program: program.__name__)
def test_a_program_that_means_it_is_left_alone(engine: Any, program: Program) -> None:
    assert kinds(engine, program) == []


def test_writes_one_by_one_are_writes_in_a_loop(engine: Any) -> None:
    def program(session: Session) -> object:
        for number in range(8):
            session.execute(delete(Tag).where(Tag.id == 2000 + number))
        return None

    assert kinds(engine, program) == ["write_in_loop"]


def test_asking_again_is_a_duplicate(engine: Any) -> None:
    def program(session: Session) -> object:
        for _ in range(3):
            session.execute(select(Book.title).where(Book.id == 9)).all()
        return None

    assert kinds(engine, program) == ["duplicate_query"]
