"""Real programs with Django's ORM: those that load one by one are found, those that do not are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django_shelf import MODELS, Author, Book, Cover, Tag
from django_site import ensure_tables

from perfkit.system import PerformanceSystem
from perfkit_django import sql

Program = Callable[[], object]


@pytest.fixture(scope="module", autouse=True)
def shelf() -> Iterator[None]:
    from django.db import connection

    ensure_tables()
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    Author.objects.bulk_create(Author(id=n, name=f"a{n}") for n in range(1, 21))
    Book.objects.bulk_create(Book(id=n, author_id=n % 20 + 1, title=f"b{n}", pages=n) for n in range(1, 401))
    Cover.objects.bulk_create(Cover(id=n, book_id=n, colour="red") for n in range(1, 401))
    Tag.objects.bulk_create(Tag(id=n, name=f"t{n}") for n in range(1, 6))
    Book.tags.through.objects.bulk_create(Book.tags.through(book_id=n, tag_id=n % 5 + 1) for n in range(1, 401))
    yield
    with connection.schema_editor() as editor:
        for model in reversed(MODELS):
            editor.delete_model(model)


def lazy_parent() -> object:
    return [book.author.name for book in Book.objects.all()[:40]]


def lazy_children() -> object:
    return [list(author.book_set.all()) for author in Author.objects.all()]


def lazy_one_to_one() -> object:
    return [book.cover.colour for book in Book.objects.all()[:20]]


def lazy_many_to_many() -> object:
    return [list(book.tags.all()) for book in Book.objects.all()[:20]]


def reverse_many_to_many() -> object:
    return [tag.book_set.count() for tag in Tag.objects.all()]


def get_in_a_loop() -> object:
    return [Author.objects.get(pk=n) for n in range(1, 21)]


def filter_in_a_loop() -> object:
    return [list(Book.objects.filter(author_id=n)) for n in range(1, 21)]


def count_in_a_loop() -> object:
    return [author.book_set.count() for author in Author.objects.all()]


def filtered_children() -> object:
    return [author.book_set.filter(pages__gt=100).first() for author in Author.objects.all()]


def exists_in_a_loop() -> object:
    return [Book.objects.filter(author_id=n, pages=3).exists() for n in range(1, 21)]


def deferred_field() -> object:
    return [book.title for book in Book.objects.defer("title")[:20]]


def values_in_a_loop() -> object:
    return [Book.objects.values_list("title", flat=True).get(id=n) for n in range(1, 21)]


LOADS_ONE_BY_ONE = {
    lazy_parent: '.select_related("author")',
    lazy_children: '.prefetch_related("book_set")',
    lazy_one_to_one: '.select_related("cover")',
    lazy_many_to_many: '.prefetch_related("tags")',
    reverse_many_to_many: '.prefetch_related("book_set")',
    get_in_a_loop: "",
    filter_in_a_loop: "",
    count_in_a_loop: '.prefetch_related("book_set")',
    filtered_children: '.prefetch_related("book_set")',
    exists_in_a_loop: "",
    deferred_field: "",
    values_in_a_loop: "",
}


def eager_parent() -> object:
    return [book.author.name for book in Book.objects.select_related("author")]


def eager_children() -> object:
    return [list(author.book_set.all()) for author in Author.objects.prefetch_related("book_set")]


def eager_many_to_many() -> object:
    return [list(book.tags.all()) for book in Book.objects.prefetch_related("tags")]


def iterator_in_chunks() -> object:
    return [book.title for book in Book.objects.iterator(chunk_size=10)]


def iterator_with_prefetch() -> object:
    books = Book.objects.prefetch_related("tags").iterator(chunk_size=20)
    return [len(book.tags.all()) for book in books]


def pages_by_offset() -> object:
    return [list(Book.objects.order_by("id")[n : n + 20]) for n in range(0, 400, 20)]


def pages_by_key() -> object:
    last = 0
    while books := list(Book.objects.filter(id__gt=last).order_by("id")[:25]):
        last = books[-1].id
    return last


def a_page_and_its_count() -> object:
    from django.core.paginator import Paginator

    page = Paginator(Book.objects.order_by("id"), 20).page(3)
    return page.paginator.count, list(page)


def batches() -> object:
    numbers = list(range(1, 401))
    return [list(Book.objects.filter(id__in=numbers[n : n + 40])) for n in range(0, 400, 40)]


def bulk_writes() -> object:
    books = list(Book.objects.all()[:100])
    Book.objects.bulk_update(books, ["pages"], batch_size=20)
    return Tag.objects.bulk_create([Tag(id=n, name=f"x{n}") for n in range(100, 160)], batch_size=10)


def polling() -> object:
    for _ in range(7):
        Book.objects.filter(id=7).values_list("pages").get()
        time.sleep(0.015)
    return None


def distinct_places() -> object:
    first = Author.objects.get(pk=1)
    second = Author.objects.get(pk=2)
    third = Author.objects.get(pk=3)
    fourth = Author.objects.get(pk=4)
    fifth = Author.objects.get(pk=5)
    sixth = Author.objects.get(pk=6)
    return first, second, third, fourth, fifth, sixth


def few() -> object:
    return [Author.objects.get(pk=n) for n in range(1, 4)]


def annotated() -> object:
    from django.db.models import Count

    return [author.count for author in Author.objects.annotate(count=Count("book"))]


MEANT: list[Program] = [
    eager_parent,
    eager_children,
    eager_many_to_many,
    iterator_in_chunks,
    iterator_with_prefetch,
    pages_by_offset,
    pages_by_key,
    a_page_and_its_count,
    batches,
    bulk_writes,
    polling,
    distinct_places,
    few,
    annotated,
]


def findings(program: Program) -> list[tuple[str, str]]:
    """Return kind and Django's fix of what is found in *program*; each at a line of it."""
    from django.db import connection, transaction

    connection.ensure_connection()
    system = PerformanceSystem(environment="testing")
    sql.capture(system)
    try:
        with transaction.atomic(), system.database.watch("program"):
            program()
            transaction.set_rollback(True)
        found = [each for each in system.database.findings() if each.code < "PK110"]
        for finding in found:
            path, _, line = (finding.site or "").rpartition(":")
            assert path == "tests/integrations/test_programs_of_django.py"
            assert next(iter(finding.fix)) == "django"
            lines = [at for *_, at in program.__code__.co_lines() if at]
            assert min(lines) <= int(line) <= max(lines) + 1
        return sorted((finding.kind, finding.fix["django"]) for finding in found)
    finally:
        sql.forget()
        system.stop()


@pytest.mark.parametrize("program", LOADS_ONE_BY_ONE, ids=lambda program: program.__name__)
def test_a_program_that_loads_one_by_one_is_found_with_its_relation(program: Program) -> None:
    ((kind, fix),) = findings(program)
    assert kind == "n_plus_one"
    assert fix.startswith(LOADS_ONE_BY_ONE[program] or ".")


@pytest.mark.parametrize("program", MEANT, ids=lambda program: program.__name__)
def test_a_program_that_means_it_is_left_alone(program: Program) -> None:
    assert findings(program) == []


def test_get_or_create_one_by_one_is_a_write_in_a_loop() -> None:
    def program() -> object:
        return [Tag.objects.get_or_create(name=f"new {n}") for n in range(8)]

    assert [kind for kind, _ in findings(program)] == ["write_in_loop"]


def test_a_count_before_the_rows_asks_twice() -> None:
    def program() -> object:
        books = Book.objects.filter(pages__lt=50)
        if books.count() > 0:
            return list(books)
        return None

    assert [kind for kind, _ in findings(program)] == ["count_for_exists"]


@pytest.mark.anyio
async def test_the_line_of_an_async_call_is_the_awaiting_one() -> None:
    from asgiref.sync import sync_to_async

    system = PerformanceSystem(environment="testing")
    await sync_to_async(sql.capture)(system)
    with system.database.watch("task"):
        for number in range(1, 9):
            here = test_the_line_of_an_async_call_is_the_awaiting_one.__code__.co_firstlineno
            assert (await Author.objects.aget(pk=number)).name
    (finding,) = [each for each in system.database.findings() if each.code < "PK110"]
    await sync_to_async(sql.forget)()
    system.stop()
    assert finding.kind == "n_plus_one"
    assert finding.site is not None
    path, _, line = finding.site.rpartition(":")
    assert path == "tests/integrations/test_programs_of_django.py"
    assert here < int(line) < here + 15


def commits_in(program: Program) -> list[tuple[int, str]]:
    """Return the commits that are told of *program*, run as Django runs views: in autocommit mode."""
    system = PerformanceSystem(environment="testing")
    sql.capture(system)
    try:
        with system.database.watch("program"):
            program()
        found = [each for each in system.database.findings() if each.kind == "chatty_commits"]
        return [(each.evidence["commits"], each.site or "") for each in found]
    finally:
        sql.forget()
        system.stop()


def test_writes_without_a_transaction_each_commit() -> None:
    def program() -> None:
        Tag.objects.filter(id=1).update(name="t1")
        Author.objects.filter(id=1).update(name="a1")
        Book.objects.filter(id=1).update(title="b1")
        Book.objects.filter(id=1).update(pages=1)
        Cover.objects.filter(id=1).update(colour="red")

    ((commits, site),) = commits_in(program)
    assert commits == 5
    assert site.startswith("tests/integrations/test_programs_of_django.py:")


def test_small_transactions_each_commit_too() -> None:
    from django.db import transaction

    def program() -> None:
        for number in range(6):
            with transaction.atomic():
                Tag.objects.filter(id=1).update(name="t1")
                Author.objects.filter(id=1).update(name=f"a{number % 2}")

    ((commits, _),) = commits_in(program)
    assert commits == 6


def test_one_transaction_around_all_writes_is_what_is_wanted() -> None:
    from django.db import transaction

    def program() -> None:
        with transaction.atomic():
            for _ in range(3):
                Tag.objects.filter(id=1).update(name="t1")
                Author.objects.filter(id=1).update(name="a1")

    assert commits_in(program) == []


def test_a_connection_that_is_let_go_commits_as_before() -> None:
    from django.db import connections

    connection = connections["default"]
    connection.ensure_connection()
    system = PerformanceSystem(environment="testing")
    sql.capture(system)
    assert "_commit" in vars(connection)
    sql.forget()
    system.stop()
    assert "_commit" not in vars(connection)


def test_the_hook_is_tested_at_the_start() -> None:
    system = PerformanceSystem(environment="testing")
    sql.capture(system)
    states = {state.name: state.is_active for state in system.database.snapshot().captures}
    sql.forget()
    system.stop()
    assert states["django"]


def test_a_hook_that_is_lost_is_told_loudly(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("perfkit_django.sql.connections._wrap", lambda *_: None)
    system = PerformanceSystem(environment="testing")
    sql.capture(system)
    found = [each for each in system.database.findings() if each.kind == "inactive_capture"]
    sql.forget()
    system.stop()
    assert [(each.code, each.object) for each in found] == [("PK139", "django")]
    assert "The statements of django are not captured" in caplog.text


def test_migrations_name_models_not_tables() -> None:
    from perfkit_django.sql.orm import model_of

    assert model_of(Book._meta.db_table) == Book._meta.label
    assert model_of("nobody") == ""
