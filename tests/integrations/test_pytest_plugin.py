"""The pytest plugin in runs of its own: limits, findings with the line, baselines, reports, and pytest-xdist."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SHOP = """
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    reviews: Mapped[list["Review"]] = relationship()


class Review(Base):
    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))


engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
Base.metadata.create_all(engine)
with Session(engine) as session, session.begin():
    session.add_all(Product(id=number, reviews=[Review(id=number)]) for number in range(1, 13))


def stars():
    with Session(engine) as session:
        return [len(product.reviews) for product in session.scalars(select(Product))]


def one(number):
    with Session(engine) as session:
        return session.get(Product, number).id
"""

TESTS = """
import pytest
from shop import one, stars


@pytest.mark.perfkit(max_queries=5)
def test_stars():
    stars()


@pytest.mark.perfkit(max_queries=5)
def test_one():
    one(1)


def test_plain():
    one(2)


def test_block(perfkit):
    with perfkit.measure(max_queries=13) as measured:
        stars()
    assert measured.queries == 13
    assert measured.findings[0].code == "PK101"
    assert measured.findings[0].site.startswith("shop.py:")
"""


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "CI_SLOW", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shop(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(shop=SHOP, test_shop=TESTS)
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments, timeout=100)


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(SHOP.strip().splitlines(), 1) if text in line)


def test_a_test_that_sends_too_much_fails_with_the_line_and_the_fix(shop: pytest.Pytester) -> None:
    result = run(shop)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "perfkit: 13 queries, limit 5  (PK101 n_plus_one)",
            "  12 × SELECT review.id, review.product_id FROM review WHERE ? = review.product_id",
            "*shop.py:*: return [[]len(product.reviews) for product in session.scalars(select(Product))]",
            "*Do: Add .options(selectinload(Product.reviews)) to the query of Product.",
        ]
    )


def test_options_hold_for_all_tests_and_markers_come_first(shop: pytest.Pytester) -> None:
    run(shop, "--perfkit-max-queries=0").assert_outcomes(passed=1, failed=3)
    run(shop, "--perfkit-fail-on=PK101", "-k", "block or plain").assert_outcomes(passed=1, failed=1)
    shop.makeini("[pytest]\nperfkit_max_queries = 0\n")
    run(shop, "-k", "plain").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--perfkit-fail-on=N1",), "*fail_on has 'N1'*"),
        (("--perfkit-report=out.pdf",), "*out.pdf*ends with .html, .json, .md*"),
        (("--perfkit-update-baseline",), "*has no file*--perfkit-baseline*"),
        (("--perfkit-baseline=none.json",), "*There is no baseline *none.json*"),
        (("--perfkit-max-queries=-1",), "*max_queries is -1*"),
    ],
)
def test_a_bad_option_ends_the_run_before_it_begins(
    shop: pytest.Pytester, arguments: tuple[str, ...], message: str
) -> None:
    result = run(shop, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_a_bad_marker_fails_its_test_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.perfkit(max_querys=5)\ndef test_a(): pass\n"
        "@pytest.mark.perfkit(5)\ndef test_b(): pass\n"
        "def test_c(): pass\n"
    )
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*max_querys is no limit*", "*got (5,). It takes names only*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_baseline_holds_what_each_test_may_send(shop: pytest.Pytester, workers: tuple[str, ...]) -> None:
    run(shop, *workers, "--perfkit-baseline=base.json", "--perfkit-update-baseline", "-k", "plain or block")
    base = Path(shop.path, "base.json")
    assert json.loads(base.read_text())["queries"] == {"test_shop.py::test_plain": 1, "test_shop.py::test_block": 13}
    run(shop, *workers, "--perfkit-baseline=base.json", "-k", "plain or block").assert_outcomes(passed=2)
    base.write_text(base.read_text().replace("13", "12").replace(": 1\n", ": 7\n"))
    result = run(shop, *workers, "--perfkit-baseline=base.json", "-k", "plain or block")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*13 queries, limit 12*", "1 tests send fewer statements than the baseline allows*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_reports_have_all_tests_whichever_process_ran_them(shop: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = run(shop, *workers, "--perfkit-report=out/report.json")
    told = json.loads(Path(shop.path, "out", "report.json").read_text())["tests"]
    assert {name.partition("::")[2]: test["queries"] for name, test in told.items()} == {
        "test_stars": 13,
        "test_one": 1,
        "test_plain": 1,
        "test_block": 13,
    }
    assert told["test_shop.py::test_block"]["findings"][0]["code"] == "PK101"
    result.stdout.fnmatch_lines(["4 tests measured, 28 statements.", "*13 statements  test_shop.py::test_*  PK101*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_github_is_told_the_guilty_line(
    shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = run(shop, *workers)
    place = f"file=shop.py,line={line_of('len(product.reviews)')}"
    result.stdout.fnmatch_lines([f"::error {place},title=perfkit PK101::13 queries, limit 5*test_stars"])


def test_durations_are_not_judged_where_the_machine_is_slow(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.perfkit(max_seconds=0)\ndef test_a(): pass\n")
    run(pytester).assert_outcomes(failed=1)
    monkeypatch.setenv("CI_SLOW", "1")
    run(pytester).assert_outcomes(passed=1)


def test_nothing_is_imported_for_tests_that_ask_for_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\ndef test_a():\n    assert not {'perfkit.database', 'perfkit.store', 'msgspec'} & {*sys.modules}\n"
    )
    run(pytester).assert_outcomes(passed=1)


def test_pytest_rewrites_only_what_states_assertions_to_tests(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import perfkit.metrics.collector, perfkit_flask, perfkit.testing.adapter_kit")
    pytester.makepyfile(
        test_a="""
        import sys
        from perfkit.testing import measure

        def is_rewritten(name):
            return type(sys.modules[name].__loader__).__name__ == "AssertionRewritingHook"

        def test_a():
            with measure():
                pass
            assert is_rewritten("perfkit.testing.adapter_kit") and is_rewritten(__name__)
            for name in ("perfkit.metrics.collector", "perfkit_flask", "perfkit.testing.measuring.measurement"):
                assert not is_rewritten(name), name
        """
    )
    run(pytester, "-W", "ignore").assert_outcomes(passed=1)


FRAMEWORKS = {
    "flask": """
from flask import Flask
from perfkit_flask import Perfkit
app = Flask(__name__)
Perfkit(app, environment="testing")
app.add_url_rule("/stars", view_func=lambda: [*map(str, stars())], endpoint="stars")
app.add_url_rule("/one/<int:number>", view_func=lambda number: str(one(number)), endpoint="one")
get = app.test_client().get
""",
    "fastapi": """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from perfkit_asgi import PerfkitMiddleware
app = FastAPI()
app.add_middleware(PerfkitMiddleware, environment="testing")
app.get("/stars")(lambda: stars())
@app.get("/one/{number}")
def read(number: int): return one(number)
get = TestClient(app).get
""",
}


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
@pytest.mark.parametrize("has_perfkit", [True, False])
def test_requests_to_an_app_are_seen_whether_it_has_perfkit_or_not(
    pytester: pytest.Pytester, framework: str, has_perfkit: bool
) -> None:
    app = "\n".join(line for line in FRAMEWORKS[framework].splitlines() if has_perfkit or "erfkit" not in line)
    pytester.makepyfile(
        shop=SHOP,
        app=f"from shop import one, stars\n{app}",
        test_app="""
        from app import get

        def test_stars(perfkit):
            get("/one/1")
            with perfkit.measure() as measured:
                assert get("/stars").status_code == 200
            assert measured.queries == 13
            assert [each.code for each in measured.findings] == ["PK101"]

        def test_after_a_request(perfkit):
            from shop import one
            get("/one/1")
            with perfkit.measure() as measured:
                one(3)
            assert measured.queries == 1
        """,
    )
    run(pytester, "-W", "ignore").assert_outcomes(passed=2)


def test_requests_in_a_loop_are_no_n_plus_one_where_the_app_has_perfkit(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop=SHOP,
        app=f"from shop import one, stars\n{FRAMEWORKS['flask']}",
        test_app="""
        import pytest
        from app import get

        @pytest.mark.perfkit(no_n_plus_one=True)
        def test_each():
            for number in range(1, 11):
                get(f"/one/{number}")
        """,
    )
    run(pytester).assert_outcomes(passed=1)


DJANGO = """
import django
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"HAS],
    MIDDLEWARE=[FIRST], ROOT_URLCONF="urls", SECRET_KEY="x", USE_TZ=True, PERFKIT={"environment": "testing"},
)
django.setup()
"""


@pytest.mark.parametrize("has_perfkit", [True, False])
def test_cases_of_unittest_and_django_measure_by_the_mixin(pytester: pytest.Pytester, has_perfkit: bool) -> None:
    configured = DJANGO.replace("HAS", ', "perfkit_django"' if has_perfkit else "")
    configured = configured.replace("FIRST", '"perfkit_django.PerfkitMiddleware"' if has_perfkit else "")
    pytester.makeconftest(
        configured
        + """
import pytest
from django.test.utils import setup_databases, setup_test_environment, teardown_databases

@pytest.fixture(scope="session", autouse=True)
def databases():
    setup_test_environment()
    old = setup_databases(verbosity=0, interactive=False)
    yield
    teardown_databases(old, verbosity=0)
"""
    )
    pytester.makepyfile(
        urls="""
        from django.contrib.auth.models import Group
        from django.http import HttpResponse
        from django.urls import path

        def names(request):
            return HttpResponse(str([len(group.permissions.all()) for group in Group.objects.all()]))

        urlpatterns = [path("names", names)]
        """,
        test_django="""
        from django.contrib.auth.models import Group
        from django.test import TestCase
        from perfkit.testing import LimitExceededError, MeasureMixin

        class GroupTests(MeasureMixin, TestCase):
            @classmethod
            def setUpTestData(cls):
                for number in range(6):
                    Group.objects.create(name=str(number))

            def test_view(self):
                with self.measure() as measured:
                    assert self.client.get("/names").status_code == 200
                assert measured.queries == 7
                finding = measured.findings[0]
                assert (finding.code, finding.site) == ("PK101", "urls.py:6")
                assert "prefetch_related" in finding.fix["django"]

            def test_limit(self):
                with self.assertRaises(LimitExceededError), self.measure(max_queries=2):
                    self.client.get("/names")
                with self.measure(max_queries=2), self.assertNumQueries(1):
                    Group.objects.count()

            def test_scales(self):
                self.assertScales(lambda size: list(Group.objects.all()[:size]))
        """,
    )
    result = run(pytester, "-W", "ignore", *(("-n", "2") if has_perfkit else ()))
    result.assert_outcomes(passed=3)


def test_the_mixin_works_without_pytest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop=SHOP,
        cases="""
        import unittest
        from shop import stars
        from perfkit.testing import MeasureMixin

        class Stars(MeasureMixin, unittest.TestCase):
            def test_stars(self):
                with self.measure(max_queries=5):
                    stars()
        """,
    )
    result = pytester.run(sys.executable, "-m", "unittest", "cases", timeout=60)
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*perfkit: 13 queries, limit 5  (PK101 n_plus_one)", "FAILED (failures=1)"])


def test_what_was_measured_is_let_go_with_its_test(shop: pytest.Pytester) -> None:
    shop.makepyfile(
        test_kept="""
        import gc
        import pytest
        from shop import one

        @pytest.mark.parametrize("number", range(5))
        def test_each(number):
            one(1)

        def test_after():
            gc.collect()
            from perfkit.testing import Measurement
            assert sum(type(each) is Measurement for each in gc.get_objects()) == 1
        """
    )
    run(shop, "--perfkit", "test_kept.py").assert_outcomes(passed=6)
