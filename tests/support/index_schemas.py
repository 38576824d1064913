"""Tables as they are found in the field, with the workloads that a database administrator would be asked about.

They stand beside the cases of `index_cases`, whose one schema they do not share: tenants, queues, readings of devices,
followers, invoices, tags, messages. Each table is filled with the same rows each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Schema", "schemas"]

Rows = Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class Schema:
    """Tables and what they hold.

    Attributes:
        tables: Name → columns; ``{moment}`` stands for the dialect's type of a point in time.
        rows: Makes the rows of each table.
    """

    tables: Mapping[str, str]
    rows: Callable[[random.Random], Mapping[str, Rows]]


def moment(dice: random.Random, day: int | None = None) -> str:
    return (
        f"2026-{dice.randint(1, 11):02}-{day or dice.randint(1, 28):02} {dice.randint(0, 23):02}:"
        f"{dice.randint(0, 59):02}:{dice.randint(0, 59):02}"
    )


def _tickets(dice: random.Random) -> Mapping[str, Rows]:
    return {
        "tickets": [
            (
                number,
                # A few tenants own a good part of all.
                min(dice.randint(1, 300), dice.randint(1, 300)),
                dice.randint(1, 400) if dice.random() < 0.9 else None,
                dice.choices(("closed", "open", "waiting"), (90, 8, 2))[0],
                moment(dice) if dice.random() < 0.02 else None,
                moment(dice),
                "about " + "x" * dice.randint(40, 120),
            )
            for number in range(1, 40_001)
        ]
    }


def _jobs(dice: random.Random) -> Mapping[str, Rows]:
    states = ("done", "failed", "queued", "retry")
    return {
        "jobs": [
            (number, dice.choices(states, (960, 30, 6, 4))[0], moment(dice), dice.randint(0, 9), "p" * 150)
            for number in range(1, 30_001)
        ]
    }


def _readings(dice: random.Random) -> Mapping[str, Rows]:
    found = []
    for number in range(60_000):
        minutes = number * 5
        day, minute = divmod(minutes, 1440)
        at = f"2026-{1 + day // 28:02}-{1 + day % 28:02} {minute // 60:02}:{minute % 60:02}:00"
        found.append((number + 1, dice.randint(1, 500), dice.choice(("heat", "light")), at, dice.random() * 40))
    return {"readings": found}


def _followers(dice: random.Random) -> Mapping[str, Rows]:
    pairs = {(dice.randint(1, 3000), dice.randint(1, 3000)) for _ in range(40_000)}
    posts = [(n, dice.randint(1, 3000), moment(dice), "t" * dice.randint(30, 250)) for n in range(1, 30_001)]
    return {"follows": sorted(pairs), "posts": posts}


def _invoices(dice: random.Random) -> Mapping[str, Rows]:
    states = ("paid", "open", "draft", "disputed")
    accounts = [(n, f"Owner{n}@Example.org", f"firm {n}", "de" if n % 4 else "at") for n in range(1, 6001)]
    invoices = [
        (n, dice.randint(1, 6000), f"R-{n:07}", dice.choices(states, (700, 294, 4, 2))[0], moment(dice)[:10], n * 7)
        for n in range(1, 30_001)
    ]
    lines = [
        (n, position, dice.randint(1, 5000), dice.randint(1, 9), dice.randint(1, 900))
        for n in range(1, 20_001)
        for position in range(1, 4)
    ]
    countries = [("de", "Ada"), ("at", "Bo")]
    return {"countries": countries, "accounts": accounts, "invoices": invoices, "invoice_lines": lines}


def _tags(dice: random.Random) -> Mapping[str, Rows]:
    pairs = {(dice.randint(1, 12_000), min(dice.randint(1, 900), dice.randint(1, 900))) for _ in range(50_000)}
    articles = [(n, f"title {n}", dice.randint(1, 12_000) if n % 25 == 0 else None) for n in range(1, 12_001)]
    return {"articles": articles, "article_tags": sorted(pairs)}


def _messages(dice: random.Random) -> Mapping[str, Rows]:
    return {
        "messages": [
            (n, dice.randint(1, 4000), dice.randint(1, 4000), moment(dice), "m" * dice.randint(20, 200))
            for n in range(1, 40_001)
        ]
    }


def _counters(dice: random.Random) -> Mapping[str, Rows]:
    countries = [(n, f"c{n:03}", f"Country {n}", "EUR" if n % 3 else "USD") for n in range(1, 250)]
    return {
        "counters": [(n, f"page-{n * 7919 % 20_000}", dice.randint(0, 1_000_000), "z" * 60) for n in range(20_000)],
        "countries": countries,
    }


def schemas() -> Mapping[str, Schema]:
    """Return the schemas by name."""
    return {
        "tickets": Schema(
            {
                "tickets": "id integer PRIMARY KEY, tenant_id integer NOT NULL, assignee_id integer, "
                "state varchar(12) NOT NULL, deleted_at {moment}, updated_at {moment} NOT NULL, subject varchar(200)"
            },
            _tickets,
        ),
        "jobs": Schema(
            {
                "jobs": "id integer PRIMARY KEY, state varchar(12) NOT NULL, run_at {moment} NOT NULL, "
                "attempts integer NOT NULL, payload varchar(200)"
            },
            _jobs,
        ),
        "readings": Schema(
            {
                "readings": "id integer PRIMARY KEY, device_id integer NOT NULL, kind varchar(10) NOT NULL, "
                "taken_at {moment} NOT NULL, value double precision"
            },
            _readings,
        ),
        "followers": Schema(
            {
                "follows": "follower_id integer NOT NULL, followee_id integer NOT NULL, "
                "PRIMARY KEY (follower_id, followee_id)",
                "posts": "id integer PRIMARY KEY, author_id integer NOT NULL, published_at {moment} NOT NULL, "
                "body varchar(255)",
            },
            _followers,
        ),
        "invoices": Schema(
            {
                "countries": "code char(2) PRIMARY KEY, keeper varchar(20)",
                "accounts": "id integer PRIMARY KEY, email varchar(80) NOT NULL, name varchar(80), country char(2)",
                "invoices": "id integer PRIMARY KEY, account_id integer NOT NULL, number varchar(12) UNIQUE, "
                "status varchar(12) NOT NULL, issued_on date NOT NULL, total integer NOT NULL",
                "invoice_lines": "invoice_id integer NOT NULL, position integer NOT NULL, product_id integer NOT NULL, "
                "quantity integer NOT NULL, price integer NOT NULL, PRIMARY KEY (invoice_id, position)",
            },
            _invoices,
        ),
        "tags": Schema(
            {
                "articles": "id integer PRIMARY KEY, title varchar(80), parent_id integer",
                "article_tags": "article_id integer NOT NULL, tag_id integer NOT NULL, UNIQUE (article_id, tag_id)",
            },
            _tags,
        ),
        "messages": Schema(
            {
                "messages": "id integer PRIMARY KEY, sender_id integer NOT NULL, recipient_id integer NOT NULL, "
                "sent_at {moment} NOT NULL, body varchar(255)"
            },
            _messages,
        ),
        "counters": Schema(
            {
                "counters": "id integer PRIMARY KEY, name varchar(40) NOT NULL, hits integer NOT NULL, "
                "note varchar(80)",
                "countries": "id integer PRIMARY KEY, code varchar(4), name varchar(40), currency varchar(3)",
            },
            _counters,
        ),
    }
