"""What the pytest plugin adds to a suite of 500 tests: of requests to a small app, of statements, and of nothing.

The first is what suites of web apps are like: each test makes two rows by the ORM and asks a Flask app three times,
which sends ten statements in about 5 ms. The others are bounds: of 500 tests that do nothing the fixed cost, and of 500
that send ten statements each and do nothing else the cost of a statement. Each run is a pytest of its own in a folder
of its own, without hypothesis's plugin, which reads the source of all local modules whether a test asks for it or not.
The three ways take turns, and who begins changes from round to round. Compared is the CPU time of the whole process,
its workers among it where pytest-xdist runs them: what judges is the median of the rounds' ratios, with its interval.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness.results import Budget, Result, interval, verdict
from benchmarks.harness.table import options, print_json, print_rows, progress

__all__ = ["measure"]

TESTS = 500
MOST = 1.03

QUIET = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_sum(number):
    assert sum(range(2000)) == 1999000
"""

ASKING = """
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

engine = create_engine("sqlite://", poolclass=StaticPool)

@pytest.mark.parametrize("number", range({tests}))
def test_ask(number):
    with engine.connect() as connection:
        for each in range(10):
            connection.execute(text("SELECT :each"), {{"each": each}}).all()
"""

SHOP = """
from flask import Flask, request
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from sqlalchemy.pool import StaticPool


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    reviews: Mapped[list["Review"]] = relationship(back_populates="product")


class Review(Base):
    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    product: Mapped[Product] = relationship(back_populates="reviews")


engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
Base.metadata.create_all(engine)
app = Flask(__name__)


@app.get("/products")
def products():
    with Session(engine) as session:
        wanted = select(Product).options(selectinload(Product.reviews)).order_by(Product.id.desc()).limit(20)
        found = session.scalars(wanted)
        return [{"id": each.id, "name": each.name, "reviews": len(each.reviews)} for each in found]


@app.get("/products/<int:number>")
def product(number):
    with Session(engine) as session:
        found = session.get(Product, number)
        return {"name": found.name, "reviews": [each.text for each in found.reviews]}


@app.post("/products/<int:number>/reviews")
def review(number):
    with Session(engine) as session, session.begin():
        found = session.get(Product, number)
        found.reviews.append(Review(text=request.json["text"]))
    return "", 204
"""

REQUESTS = """
import pytest
from shop import Product, Review, Session, app, engine

@pytest.fixture
def tea():
    with Session(engine) as session, session.begin():
        made = Product(name="tea", reviews=[Review(text="good"), Review(text="hot")])
        session.add(made)
        session.flush()
        return made.id

@pytest.mark.parametrize("number", range({tests}))
def test_review(tea, number):
    client = app.test_client()
    assert client.post(f"/products/{{tea}}/reviews", json={{"text": f"the {{number}}th"}}).status_code == 204
    assert len(client.get(f"/products/{{tea}}").json["reviews"]) == 3
    assert client.get("/products").json[0]["reviews"] == 3
"""

SUITES: dict[str, tuple[str, tuple[str, ...]]] = {
    "500 tests of three requests to a small app": (REQUESTS, ()),
    "the same by two workers of pytest-xdist": (REQUESTS, ("-n", "2")),
    "500 tests of 10 statements": (ASKING, ()),
    "500 tests of nothing": (QUIET, ()),
}

WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
BARE = "without the plugin"
WAYS = {
    BARE: ("-p", "no:perfkit"),
    "installed, not asked": (),
    "--perfkit, all tests measured": ("--perfkit",),
}


def measure(*, rounds: int, tests: int = TESTS) -> dict[str, dict[str, dict[str, Any]]]:
    """Return CPU seconds and the ratio to a run without the plugin, by suite and by how it is used."""
    told: dict[str, dict[str, dict[str, Any]]] = {}
    for suite, (source, more) in SUITES.items():
        taken = _taken(suite, source.format(tests=tests), more, rounds)
        results = [
            Result(
                name=way,
                budget=Budget(MOST, of=BARE) if way != BARE and source is REQUESTS else None,
                cpus=[time / base for time, base in zip(times, taken[BARE], strict=True)],
            )
            for way, times in taken.items()
        ]
        told[suite] = {
            result.name: {
                "seconds": statistics.median(taken[result.name]),
                "ratio": result.cpu,
                "interval": interval(result.cpus),
                "best ratio": min(taken[result.name]) / min(taken[BARE]),
                "verdict": verdict(result, results),
            }
            for result in results
        }
    return told


def _taken(suite: str, source: str, more: tuple[str, ...], rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of each round by way; each begins, is second and is last equally often."""
    ways = list(WAYS.items())
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "shop.py").write_text(SHOP, encoding="utf-8")
        Path(folder, "test_suite.py").write_text(source, encoding="utf-8")
        show = progress(suite, rounds)
        for number in range(rounds + 1):
            show(number)
            first = number % len(ways)
            for way, arguments in ways[first:] + ways[:first]:
                seconds = _seconds(folder, (*more, *arguments))
                if number:  # the first one compiles
                    taken[way].append(seconds)
    return taken


def _seconds(folder: str, arguments: tuple[str, ...]) -> float:
    before = os.times()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *WITHOUT, *arguments, folder],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    arguments = options(__doc__ or "", rounds=12).parse_args()
    told = measure(rounds=1, tests=20) if arguments.quick else measure(rounds=arguments.rounds)
    if arguments.json:
        print_json({"pytest_plugin": told})
        return
    for suite, ways in told.items():
        rows = [["the plugin is", "CPU s", "× without", "interval", "best", "budget", ""]]
        for way, figures in ways.items():
            low, high = figures["interval"]
            budget = f"≤ {MOST:g}" if figures["verdict"] else ""
            seconds, best = f"{figures['seconds']:.2f}", f"{figures['best ratio']:.3f}"
            between = "" if way == BARE else f"{low:.3f} to {high:.3f}"
            rows.append([way, seconds, f"{figures['ratio']:.3f}", between, best, budget, figures["verdict"]])
        print_rows(suite, rows, left={0, 5, 6})


if __name__ == "__main__":
    main()
