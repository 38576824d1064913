"""Apps as a database administrator meets them: tables, the statements that arrive, and the indexes that are missing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CASES", "AppCase"]

Row = tuple[Any, ...]
NAMES = ("ada", "bob", "cy", "dee", "eve", "fay", "gus", "hal")


@dataclass(frozen=True, kw_only=True)
class AppCase:
    """One app.

    Attributes:
        tables: CREATE TABLE and the rows of each.
        indexes: CREATE INDEX statements of today.
        sent: Statements with named parameters, and how often each is sent.
        parameters: Makes the parameters of one call.
        missing: One tuple an index: what the beginning of ``table(a, b)`` may be.
        allowed: Beginnings that may be told beside.
        without: Systems that it is not for.
    """

    name: str
    tables: Sequence[tuple[str, Callable[[random.Random], Iterator[Row]]]]
    sent: Sequence[tuple[str, int]]
    parameters: Callable[[random.Random], dict[str, Any]]
    indexes: Sequence[str] = ()
    missing: Sequence[tuple[str, ...]] = ()
    allowed: Sequence[str] = ()
    without: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        return self.name


def posts(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 20_001):
        status = "draft" if n % 10 == 0 else "live"
        yield n, chance.randint(1, 800), f"post-{n * 7919 % 20_000}", n, status, f"title {n}", "b" * 120


def comments(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 30_001):
        yield n, chance.randint(1, 3_000), chance.randint(1, 5_000), n * 7919 % 30_000, "c" * 80


def users(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 20_001):
        yield n, f"User{n}@Example.org", chance.choice(NAMES), int(n % 20 != 0), f"49{n * 7919 % 20_000:07d}", "p" * 90


def jobs(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 30_001):
        yield n, ("waiting", "failed", "running")[n % 3] if n % 50 == 0 else "done", n * 7919 % 30_000, "x" * 100


def events(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 40_001):
        yield n, chance.randint(1, 200), n, chance.choice(NAMES), "e" * 60


def customers(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 5_001):
        yield n, f"c{n}", chance.randint(1, 200), "n" * 60


def orders(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 40_001):
        yield n, chance.randint(1, 5_000), chance.randint(100, 99_999), n, "o" * 50


def sessions(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 20_001):
        yield n, f"{n * 7919 % 20_011:032x}", chance.randint(1, 5_000), n, 0, "s" * 80


def readings(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 40_001):
        yield n, chance.randint(1, 500), n, chance.random()


def few_settings(chance: random.Random) -> Iterator[Row]:
    for n in range(1, 31):
        yield n, f"setting {n}", "v" * 20


POSTS = (
    "CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL, slug varchar(40) NOT NULL, published_at int, "
    "status varchar(10), title varchar(80), body varchar(400))",
    posts,
)
COMMENTS = (
    "CREATE TABLE comments (id int PRIMARY KEY, post_id int NOT NULL, user_id int, created_at int, body varchar(200))",
    comments,
)
USERS = (
    "CREATE TABLE users (id int PRIMARY KEY, email varchar(80), name varchar(20), is_active int NOT NULL, "
    "phone varchar(20), profile varchar(200))",
    users,
)
JOBS = ("CREATE TABLE jobs (id int PRIMARY KEY, state varchar(10), run_at int, payload varchar(200))", jobs)
EVENTS = (
    "CREATE TABLE events (id int PRIMARY KEY, tenant_id int, created_at int, kind varchar(10), body varchar(100))",
    events,
)
CUSTOMERS = (
    "CREATE TABLE customers (id int PRIMARY KEY, name varchar(40), country int, note varchar(100))",
    customers,
)
ORDERS = (
    "CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, cents int, placed_at int, note varchar(100))",
    orders,
)
SESSIONS = (
    "CREATE TABLE sessions (id int PRIMARY KEY, token varchar(64), user_id int, expires_at int, seen int, "
    "data varchar(200))",
    sessions,
)
READINGS = ("CREATE TABLE readings (id int PRIMARY KEY, sensor_id int, created_at int, level float)", readings)
SETTINGS = ("CREATE TABLE settings (id int PRIMARY KEY, name varchar(40), content varchar(40))", few_settings)

CASES = (
    AppCase(
        name="a page by its slug",
        tables=[POSTS],
        sent=[("SELECT id, title, body FROM posts WHERE slug = :slug", 20)],
        parameters=lambda chance: {"slug": f"post-{chance.randint(1, 20_000)}"},
        missing=[("posts(slug",)],
    ),
    AppCase(
        name="the newest comments of a post",
        tables=[POSTS, COMMENTS],
        sent=[
            ("SELECT id, user_id, body FROM comments WHERE post_id = :post ORDER BY created_at DESC LIMIT 20", 20),
            ("SELECT title FROM posts WHERE id = :post", 20),
        ],
        parameters=lambda chance: {"post": chance.randint(1, 3_000)},
        missing=[("comments(post_id",)],
    ),
    AppCase(
        name="log in by an address in any letters",
        tables=[USERS],
        sent=[("SELECT id, name FROM users WHERE lower(email) = :email", 20)],
        parameters=lambda chance: {"email": f"user{chance.randint(1, 20_000)}@example.org"},
        missing=[("users(lower(email)",)],
        without=frozenset({"mariadb"}),
    ),
    AppCase(
        name="a queue in a table",
        tables=[JOBS],
        sent=[
            ("SELECT id, payload FROM jobs WHERE state = :state AND run_at <= :now ORDER BY run_at LIMIT 10", 20),
        ],
        parameters=lambda chance: {"state": "waiting", "now": chance.randint(1_000, 30_000)},
        missing=[("jobs(state, run_at", "jobs(run_at", "jobs(state")],
    ),
    AppCase(
        name="the month of one tenant",
        tables=[EVENTS],
        sent=[
            (
                "SELECT kind, body FROM events WHERE tenant_id = :tenant AND created_at >= :since "
                "AND created_at < :until",
                20,
            )
        ],
        parameters=lambda chance: {"tenant": chance.randint(1, 200), "since": 20_000, "until": 22_000},
        missing=[("events(tenant_id, created_at", "events(tenant_id")],
    ),
    AppCase(
        name="orders of the customers of a country",
        tables=[CUSTOMERS, ORDERS],
        sent=[
            (
                "SELECT orders.id, orders.note FROM orders JOIN customers ON customers.id = orders.customer_id "
                "WHERE customers.country = :country",
                20,
            )
        ],
        parameters=lambda chance: {"country": chance.randint(1, 200)},
        missing=[("orders(customer_id",)],
        allowed=["customers(country"],
    ),
    AppCase(
        name="a session is touched by its token",
        tables=[SESSIONS],
        sent=[("UPDATE sessions SET seen = seen + 1 WHERE token = :token", 20)],
        parameters=lambda chance: {"token": f"{chance.randint(1, 20_000):032x}"},
        missing=[("sessions(token",)],
    ),
    AppCase(
        name="the last reading of a sensor",
        tables=[READINGS],
        sent=[("SELECT max(created_at) FROM readings WHERE sensor_id = :sensor", 20)],
        parameters=lambda chance: {"sensor": chance.randint(1, 500)},
        missing=[("readings(sensor_id",)],
    ),
    AppCase(
        name="an index that begins with the wrong column",
        tables=[COMMENTS],
        indexes=["CREATE INDEX comments_when ON comments (created_at, user_id)"],
        sent=[("SELECT id, body FROM comments WHERE user_id = :user", 20)],
        parameters=lambda chance: {"user": chance.randint(1, 5_000)},
        missing=[("comments(user_id",)],
    ),
    AppCase(
        name="by telephone among the active",
        tables=[USERS],
        sent=[("SELECT id, email FROM users WHERE is_active = :active AND phone = :phone", 20)],
        parameters=lambda chance: {"active": 1, "phone": f"49{chance.randint(1, 20_000):07d}"},
        missing=[("users(phone",)],
    ),
    AppCase(
        name="a table of thirty rows",
        tables=[SETTINGS],
        sent=[("SELECT content FROM settings WHERE name = :name", 50)],
        parameters=lambda chance: {"name": f"setting {chance.randint(1, 30)}"},
    ),
    AppCase(
        name="a flag that nearly all have",
        tables=[USERS],
        sent=[("SELECT id, email, profile FROM users WHERE is_active = :active LIMIT 50", 20)],
        parameters=lambda chance: {"active": 1},
    ),
    AppCase(
        name="by keys that are indexed",
        tables=[CUSTOMERS, ORDERS],
        indexes=["CREATE INDEX orders_customer ON orders (customer_id)"],
        sent=[
            ("SELECT id, cents, note FROM orders WHERE customer_id = :customer", 20),
            ("SELECT name FROM customers WHERE id = :customer", 20),
        ],
        parameters=lambda chance: {"customer": chance.randint(1, 5_000)},
    ),
    AppCase(
        name="a log that is written and hardly read",
        tables=[EVENTS],
        sent=[
            ("INSERT INTO events (id, tenant_id, created_at, kind, body) VALUES (:id, 1, :id, 'x', 'y')", 3_000),
            ("SELECT count(*) FROM events WHERE kind = :kind AND body = :kind", 1),
        ],
        parameters=lambda chance: {"id": chance.getrandbits(30) + 100_000, "kind": "ada"},
    ),
    AppCase(
        name="a search within titles",
        tables=[POSTS],
        sent=[("SELECT id, body FROM posts WHERE title LIKE :pattern", 20)],
        parameters=lambda chance: {"pattern": f"%{chance.randint(1, 999)}%"},
    ),
    AppCase(
        name="a report over everything",
        tables=[ORDERS],
        sent=[("SELECT id, customer_id, cents, placed_at, note FROM orders ORDER BY id", 3)],
        parameters=lambda chance: {},
    ),
)
