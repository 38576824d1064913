"""Run the examples of the pages of codes in the shop that they speak of: ``python finding_shop.py``.

What stands below the heading Django runs with Django's models, everything else with SQLAlchemy's, each page with fresh
names and a database of its own. Says what fails, and at the end how many ran.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Annotated, Any

import httpx
from doc_pages import blocks
from fastapi import Depends, FastAPI
from flask import Flask, g
from sqlalchemy import ForeignKey, Index, create_engine, exists, func, insert, select, text, union, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    defer,
    joinedload,
    load_only,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.pool import StaticPool

from perfkit import PerformanceSystem
from perfkit.advice.codes import CODES, explanation


class Base(DeclarativeBase):
    pass


class Category(Base):
    __tablename__ = "category"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Product(Base):
    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    sku: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    price: Mapped[int] = mapped_column(default=1)
    category_id: Mapped[int] = mapped_column(ForeignKey(Category.id))
    category: Mapped[Category] = relationship()
    reviews: Mapped[list[Any]] = relationship("Review", back_populates="product")


class Review(Base):
    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.id))
    stars: Mapped[int] = mapped_column(default=5)
    created: Mapped[date] = mapped_column(default=date(2026, 1, 1))
    product: Mapped[Product] = relationship(back_populates="reviews")


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


SECTION = re.compile(r"^#{2,3} (.+)$", re.MULTILINE)


def examples(code: str) -> Iterator[tuple[str, str, int]]:
    """Give (heading, code, line) of each block of python of a page that is run."""
    body = explanation(code).body
    headings = [(body.count("\n", 0, found.start()) + 1, found[1]) for found in SECTION.finditer(body)]
    for block in blocks(body):
        if block.language == "python" and block.is_run:
            yield max(each for each in headings if each[0] < block.line)[1], block.code, block.line


def django_shop() -> dict[str, Any]:
    """Return the names that the examples for Django may use; Django is set up once for the process."""
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["finding_django"],
        USE_TZ=False,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    )
    django.setup()
    from finding_django import models

    with models.connection.schema_editor() as editor:
        for model in (models.Category, models.Product, models.Review, models.Order):
            editor.create_model(model)
    tea = models.Category.objects.create(name="tea")
    for number in range(3):
        models.Review.objects.create(product=models.Product.objects.create(name=f"tea {number}", category=tea))
    return {name: getattr(models, name) for name in models.__all__}


def alchemy_shop() -> dict[str, Any]:
    """Return the names that the examples for SQLAlchemy, Flask and FastAPI may use, with a new database."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as filling:
        tea = Category(name="tea")
        filling.add_all([Product(name=f"tea {number}", category=tea, reviews=[Review()]) for number in range(3)])
        filling.add(Order(status="new"))
        filling.commit()
    session = Session(engine)
    shown = (
        Annotated, Category, Depends, FastAPI, ForeignKey, Index, Order, Product, Review, Session, create_engine, date,
        defer, exists, httpx, insert, joinedload, load_only, lru_cache, mapped_column, select, selectinload,
        text, union, update,
    )  # fmt: skip
    reviews = session.scalars(select(Review)).all()
    own = {"engine": engine, "session": session, "app": Flask("shop"), "func": func, "g": g, "reviews": reviews}
    return own | {getattr(each, "__name__", str(each)).rpartition(".")[2]: each for each in shown}


def run(heading: str, source: str, names: dict[str, Any], name: str) -> None:
    """Run one example; what is made in a view of Flask runs within an app's context."""
    if heading == "FastAPI":
        names["app"] = names["FastAPI"]()
    code = compile(source, name, "exec")
    if heading == "Flask":
        with names["app"].app_context():
            exec(code, names)
    else:
        exec(code, names)


def main() -> int:
    """Run all; return 1 if one fails."""
    failed, ran = [], 0
    of_django = django_shop()
    with PerformanceSystem({"service": "shop"}, environment="testing") as system:
        both = {
            "asyncio": asyncio,
            "balancer": system.load_balancer,
            "cache": system.cache,
            "perfkit_cache": system.cache,
            "random": random,
            "system": system,
            "time": time,
        }
        for code in CODES:
            alchemy, django = alchemy_shop() | both, of_django | both
            for heading, source, line in examples(code):
                ran += 1
                try:
                    run(heading, source, django if heading == "Django" else alchemy, f"{code}, line {line}")
                except Exception:
                    failed.append(f"{code}, {heading}:\n{traceback.format_exc(limit=-2)}")
            alchemy["session"].close()
            alchemy["engine"].dispose()
    sys.stderr.write("\n".join(failed))
    sys.stdout.write(f"{ran} examples ran\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
