"""Shapes: of a text that is known, of one that is not, and sqlglot's normalisation of the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.harness.rounds import Subject
from perfkit.database.shapes.shape import fingerprint, shape_of
from perfkit.database.shapes.tokens import tokenize

__all__ = ["SHAPES"]

COLUMNS = ("id", "sku", "name", "category", "tags", "price_cents", "photo")
STATEMENT = (
    "SELECT " + ", ".join(f'"shop_product"."{column}"' for column in COLUMNS) + ' FROM "shop_product" INNER JOIN '
    '"shop_review" ON ("shop_product"."id" = "shop_review"."product_id") WHERE ("shop_review"."rating" > 3 AND '
    '"shop_product"."category" = \'x\') ORDER BY "shop_product"."id" ASC LIMIT 21'
)
LONG_LIST = f"SELECT a FROM b WHERE c IN ({', '.join(map(str, range(5_000)))})"


def _empty(count: int) -> None:
    for _ in range(count * 20):
        pass


def _each(make: Callable[[], object]) -> Subject:
    def run(count: int) -> None:
        for _ in range(count):
            make()

    return Subject(run=run, twin=_empty, is_difference=False)


def _sqlglot() -> Subject:
    import sqlglot
    from sqlglot import exp

    def normalise() -> str:
        tree = sqlglot.parse_one(STATEMENT, read="postgres")
        return tree.transform(lambda node: exp.Placeholder() if isinstance(node, exp.Literal) else node).sql()

    return _each(normalise)


SHAPES: dict[str, Callable[[], Subject]] = {
    "perfkit, new text": lambda: _each(lambda: shape_of(tokenize(STATEMENT, "postgresql"))),
    "perfkit, known text": lambda: _each(partial(fingerprint, STATEMENT, "postgresql")),
    "perfkit, 5,000 after IN": lambda: _each(lambda: shape_of(tokenize(LONG_LIST, "postgresql"))),
    "sqlglot": _sqlglot,
}
