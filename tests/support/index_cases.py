"""Schemas with workloads, and which indexes and findings are right for each: a third of them ask for nothing.

One case runs on every database that it is for. The tables are filled with the same rows each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from index_schemas import schemas

__all__ = ["CASES", "Case", "build"]

EVERYWHERE = frozenset({"postgresql", "sqlite", "mariadb"})
POSTGRESQL = frozenset({"postgresql"})
NOT_MARIADB = frozenset({"postgresql", "sqlite"})
NOT_POSTGRESQL = frozenset({"sqlite", "mariadb"})


@dataclass(frozen=True, kw_only=True)
class Case:
    """One schema and workload.

    Attributes:
        advised: One set an index: the beginnings of its columns that are right, as ``table(a, b)``.
        kinds: Kinds of findings beside missing_index.
        setup: Statements after the tables are filled and before their statistics are made.
        late: Statements after that.
        orders: Rows of the large table; the small one has a fifth.
        allowed: Kinds that may be found too.
        schema: The tables of `index_schemas` that it is about; customers and orders, where none is named.
    """

    name: str
    workload: Sequence[tuple[str, float]]
    advised: Sequence[frozenset[str]] = ()
    kinds: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    setup: Sequence[str] = ()
    late: Sequence[str] = ()
    orders: int = 20_000
    schema: str = ""
    dialects: frozenset[str] = EVERYWHERE
    writes: dict[str, float] | None = None
    scans: dict[str, int] | None = None
    age: float | None = None

    def __str__(self) -> str:
        return self.name


def one_of(*beginnings: str) -> frozenset[str]:
    return frozenset(beginnings)


def kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


_O = "SELECT id, total, note FROM orders"
CUSTOMER = one_of("orders(customer_id")
CREATED = one_of("orders(created_at")

CASES = [
    Case(name="equality", workload=[(f"{_O} WHERE customer_id = 42", 1000)], advised=[CUSTOMER]),
    Case(name="equality by parameter", workload=[(f"{_O} WHERE customer_id = ?", 1000)], advised=[CUSTOMER]),
    Case(name="list", workload=[(f"{_O} WHERE customer_id IN (4, 8, 15)", 1000)], advised=[CUSTOMER]),
    Case(
        name="two equalities",
        workload=[(f"{_O} WHERE branch = 17 AND kind = 31", 1000)],
        advised=[one_of("orders(branch, kind", "orders(kind, branch")],
    ),
    Case(
        name="equality and range",
        workload=[(f"{_O} WHERE branch = 17 AND created_at >= '2026-11-20 00:00:00'", 1000)],
        advised=[one_of("orders(branch, created_at")],
    ),
    Case(
        name="newest of one branch",
        workload=[(f"{_O} WHERE branch = 17 ORDER BY created_at DESC LIMIT 10", 1000)],
        advised=[one_of("orders(branch, created_at")],
    ),
    Case(name="newest", workload=[(f"{_O} ORDER BY created_at DESC LIMIT 10", 1000)], advised=[CREATED]),
    Case(
        name="mixed directions",
        workload=[(f"{_O} ORDER BY branch, created_at DESC LIMIT 10", 1000)],
        advised=[one_of("orders(branch, created_at", "orders(branch")],
        dialects=POSTGRESQL,
    ),
    Case(
        name="between",
        workload=[(f"{_O} WHERE created_at BETWEEN '2026-03-01 00:00:00' AND '2026-03-02 00:00:00'", 1000)],
        advised=[CREATED],
    ),
    Case(name="latest moment", workload=[("SELECT max(created_at) FROM orders", 1000)], advised=[CREATED]),
    Case(
        name="join from the small side",
        workload=[("SELECT o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.id = 7", 1000)],
        advised=[CUSTOMER],
    ),
    Case(
        name="join by a name",
        workload=[
            ("SELECT o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.name = 'name 77'", 1000)
        ],
        advised=[CUSTOMER, one_of("customers(name")],
    ),
    Case(
        name="does it exist",
        workload=[
            (
                "SELECT c.name FROM customers c WHERE c.id = 5 AND EXISTS "
                "(SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.total > 10)",
                1000,
            )
        ],
        advised=[CUSTOMER],
    ),
    Case(
        name="either column",
        workload=[(f"{_O} WHERE customer_id = 5 OR code = '1234'", 1000)],
        advised=[CUSTOMER, one_of("orders(code")],
    ),
    Case(
        name="flag that is rare",
        workload=[(f"{_O} WHERE is_paid = 0 ORDER BY created_at LIMIT 20", 1000)],
        advised=[one_of("orders(created_at", "orders(is_paid, created_at", "orders(is_paid")],
    ),
    Case(
        name="status that is rare",
        workload=[(f"{_O} WHERE status = 'failed' ORDER BY created_at LIMIT 20", 1000)],
        advised=[one_of("orders(created_at", "orders(status, created_at", "orders(status")],
    ),
    Case(
        name="without a value",
        workload=[(f"{_O} WHERE closed_at IS NULL", 1000)],
        advised=[one_of("orders(closed_at")],
    ),
    Case(
        name="beginning of a text",
        workload=[("SELECT id, name, country FROM customers WHERE email LIKE 'user12%'", 1000)],
        advised=[one_of("customers(email")],
        orders=50_000,
    ),
    Case(
        name="small letters",
        workload=[("SELECT id, name, country FROM customers WHERE lower(email) = 'user12@example.org'", 1000)],
        advised=[one_of("customers(lower(email)")],
        kinds=kinds("function_on_column"),
        dialects=NOT_MARIADB,
    ),
    Case(
        name="day of a moment",
        workload=[(f"{_O} WHERE date(created_at) = '2026-03-01'", 1000)],
        advised=[one_of("orders(date(created_at)", "orders(CAST(created_at AS date)")],
        kinds=kinds("function_on_column"),
        allowed=kinds("missing_index"),
        dialects=POSTGRESQL,
    ),
    Case(
        name="one index for three statements",
        workload=[
            (f"{_O} WHERE branch = 17", 500),
            (f"{_O} WHERE branch = 17 AND kind = 31", 500),
            (f"{_O} WHERE branch = 3 AND kind = 4 AND total = 9", 500),
        ],
        advised=[one_of("orders(branch, kind")],
    ),
    Case(
        name="update by a column",
        workload=[("UPDATE orders SET total = total + 1 WHERE code = '777'", 1000)],
        advised=[one_of("orders(code")],
    ),
    Case(
        name="delete by a column",
        workload=[("DELETE FROM orders WHERE code = '777'", 1000)],
        advised=[one_of("orders(code")],
    ),
    Case(
        name="children of a deleted row",
        workload=[("DELETE FROM customers WHERE id = 7", 1000)],
        setup=["ALTER TABLE orders ADD CONSTRAINT owner FOREIGN KEY (customer_id) REFERENCES customers (id)"],
        advised=[CUSTOMER],
        kinds=kinds("missing_fk_index"),
        dialects=POSTGRESQL,
    ),
    Case(
        name="moderate writes",
        workload=[(f"{_O} WHERE customer_id = 42", 10_000)],
        writes={"orders": 5_000},
        advised=[CUSTOMER],
    ),
    # What asks for nothing.
    Case(name="by the primary key", workload=[(f"{_O} WHERE id = 42", 100_000)]),
    Case(
        name="by the primary key and more",
        workload=[(f"{_O} WHERE id = 42 AND status = 'done' AND branch = 3", 100_000)],
    ),
    Case(name="tiny table", workload=[("SELECT id FROM orders WHERE customer_id = 3", 100_000)], orders=200),
    Case(name="nearly all rows", workload=[(f"{_O} WHERE status = 'done' AND total >= 0 LIMIT 500", 1000)]),
    Case(name="all rows", workload=[("SELECT sum(total) FROM orders WHERE total > 1", 1000)], dialects=POSTGRESQL),
    Case(
        name="covered already",
        workload=[(f"{_O} WHERE customer_id = 42", 1000)],
        setup=["CREATE INDEX present ON orders (customer_id)"],
    ),
    Case(
        name="covered by a wider one",
        workload=[(f"{_O} WHERE customer_id = 42", 1000)],
        setup=["CREATE INDEX present ON orders (customer_id, created_at)"],
    ),
    Case(
        name="unique already",
        workload=[("SELECT name FROM customers WHERE email = 'user12@example.org'", 1000)],
        setup=["CREATE UNIQUE INDEX present ON customers (email)"],
    ),
    Case(
        name="written far more than read",
        workload=[(f"{_O} WHERE customer_id = 42", 10)],
        writes={"orders": 10_000_000},
    ),
    Case(
        name="inserts among the statements",
        workload=[
            (f"{_O} WHERE customer_id = 42", 10),
            ("INSERT INTO orders (id, customer_id, total) VALUES (?, ?, ?)", 10_000_000),
        ],
    ),
    Case(name="never called", workload=[(f"{_O} WHERE customer_id = 42", 0)]),
    Case(
        name="expression covered",
        workload=[("SELECT id, name FROM customers WHERE lower(email) = 'user12@example.org'", 1000)],
        setup=["CREATE INDEX present ON customers (lower(email))"],
        dialects=NOT_MARIADB,
    ),
    Case(
        name="foreign key covered",
        workload=[("DELETE FROM customers WHERE id = 7", 1000)],
        setup=[
            "CREATE INDEX present ON orders (customer_id)",
            "ALTER TABLE orders ADD CONSTRAINT owner FOREIGN KEY (customer_id) REFERENCES customers (id)",
        ],
        dialects=frozenset({"postgresql", "mariadb"}),
    ),
    Case(name="in a loop of its own", workload=[("SELECT 1", 100_000)]),
    # What is wrong with statements and indexes.
    Case(
        name="wildcard first",
        workload=[("SELECT id, name FROM customers WHERE name LIKE '%77'", 1000)],
        kinds=kinds("leading_wildcard_like"),
    ),
    Case(
        name="wildcard first on a tiny table",
        workload=[("SELECT id, name FROM customers WHERE name LIKE '%77'", 1000)],
        orders=300,
    ),
    Case(
        name="text and number",
        workload=[("SELECT id, total FROM orders WHERE code = 1234", 1000)],
        kinds=kinds("implicit_cast"),
        allowed=kinds("missing_index"),
        dialects=NOT_POSTGRESQL,
    ),
    Case(
        name="whole number and fraction",
        workload=[("SELECT id, total FROM orders WHERE id = 12.0", 1000)],
        kinds=kinds("implicit_cast"),
        dialects=POSTGRESQL,
    ),
    Case(
        name="far page",
        workload=[(f"{_O} ORDER BY id LIMIT 20 OFFSET 15000", 1000)],
        kinds=kinds("offset_pagination"),
    ),
    Case(name="near page", workload=[(f"{_O} ORDER BY id LIMIT 20 OFFSET 20", 1000)]),
    Case(
        name="all columns",
        workload=[("SELECT * FROM orders WHERE id = 7", 1000)],
        kinds=kinds("select_star"),
    ),
    Case(
        name="all rows at once",
        workload=[("SELECT id, total FROM orders", 10)],
        kinds=kinds("unbounded_result"),
    ),
    Case(
        name="not in",
        workload=[("SELECT count(*) FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)", 1)],
        kinds=kinds("not_in_subquery"),
        allowed=kinds("missing_index"),
    ),
    Case(
        name="random",
        workload=[("SELECT id, total FROM orders ORDER BY random() LIMIT 5", 10)],
        kinds=kinds("order_by_random"),
        dialects=NOT_MARIADB,
    ),
    Case(
        name="long list",
        workload=[(f"SELECT total FROM orders WHERE id IN ({', '.join(map(str, range(1, 601)))})", 100)],
        kinds=kinds("large_in_list"),
    ),
    Case(
        name="nothing joins them",
        workload=[("SELECT count(*) FROM orders o, customers c WHERE o.id = 5 AND c.id = 6", 10)],
        kinds=kinds("cartesian_join"),
    ),
    Case(
        name="foreign key without an index",
        workload=[("SELECT name FROM customers WHERE id = 7", 1000)],
        setup=["ALTER TABLE orders ADD CONSTRAINT owner FOREIGN KEY (customer_id) REFERENCES customers (id)"],
        kinds=kinds("missing_fk_index"),
        dialects=POSTGRESQL,
    ),
    Case(
        name="twice the same",
        workload=[(f"{_O} WHERE customer_id = 42", 1000)],
        setup=["CREATE INDEX one ON orders (customer_id)", "CREATE INDEX two ON orders (customer_id)"],
        kinds=kinds("duplicate_index"),
    ),
    Case(
        name="beginning of another",
        workload=[(f"{_O} WHERE customer_id = 42", 1000)],
        setup=["CREATE INDEX one ON orders (customer_id)", "CREATE INDEX two ON orders (customer_id, total)"],
        kinds=kinds("redundant_index"),
    ),
    Case(
        name="not the beginning of another",
        workload=[(f"{_O} WHERE customer_id = 42", 1000)],
        setup=["CREATE INDEX one ON orders (customer_id)", "CREATE INDEX two ON orders (total, customer_id)"],
    ),
    Case(
        name="partial is not twice",
        workload=[(f"{_O} WHERE customer_id = 42", 1000)],
        setup=[
            "CREATE INDEX one ON orders (customer_id)",
            "CREATE INDEX two ON orders (customer_id) WHERE status = 'failed'",
        ],
        dialects=NOT_MARIADB,
    ),
    Case(
        name="never used",
        workload=[(f"{_O} WHERE id = 42", 1000)],
        setup=["CREATE INDEX idle ON orders (total)"],
        scans={"idle": 0},
        age=30.0,
        kinds=kinds("unused_index"),
    ),
    Case(
        name="not used yet",
        workload=[(f"{_O} WHERE id = 42", 1000)],
        setup=["CREATE INDEX idle ON orders (total)"],
        scans={"idle": 0},
        age=2.0,
    ),
    Case(
        name="used",
        workload=[(f"{_O} WHERE id = 42", 1000)],
        setup=["CREATE INDEX busy ON orders (total)"],
        scans={"busy": 9},
        age=30.0,
    ),
    Case(
        name="unique and never used",
        workload=[(f"{_O} WHERE id = 42", 1000)],
        setup=["CREATE UNIQUE INDEX idle ON customers (email)"],
        scans={"idle": 0},
        age=30.0,
    ),
    Case(
        name="changed since it was analyzed",
        workload=[(f"{_O} WHERE id = 42", 1000)],
        late=["INSERT INTO customers SELECT id + 1000000, email, name, country FROM customers"],
        kinds=kinds("stale_statistics"),
        dialects=NOT_MARIADB,
    ),
]

_TYPES = {
    "postgresql": {"moment": "timestamp", "flag": "smallint"},
    "sqlite": {"moment": "text", "flag": "integer"},
    "mariadb": {"moment": "datetime", "flag": "tinyint"},
}


def build(case: Case, dialect: str, execute: Callable[[str], Any], fill: Callable[[str, list[Any]], Any]) -> None:
    """Make the tables of *case*: *execute* sends a statement, *fill* brings rows into a table."""
    if case.schema:
        _build_schema(case, dialect, execute, fill)
        return
    moment, flag = _TYPES[dialect]["moment"], _TYPES[dialect]["flag"]
    execute("CREATE TABLE customers (id integer PRIMARY KEY, email varchar(80), name varchar(80), country varchar(2))")
    execute(
        "CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer, branch integer, kind integer, "
        f"status varchar(20), created_at {moment}, closed_at {moment}, total integer, is_paid {flag}, "
        "code varchar(20), note varchar(200))"
    )
    customers = max(1, case.orders // 5)
    fill(
        "customers",
        [(n, f"user{n}@example.org", f"name {n}", "de" if n % 3 else "fr") for n in range(1, customers + 1)],
    )
    fill("orders", list(_orders(case.orders, customers)))
    for statement in case.setup:
        execute(statement)
    if dialect != "mariadb":
        execute("ANALYZE")
    else:
        execute("ANALYZE TABLE orders, customers")
    for statement in case.late:
        execute(statement)


def _orders(count: int, customers: int) -> Iterator[tuple[Any, ...]]:
    dice = random.Random(7)
    for number in range(1, count + 1):
        month, day, hour, minute = dice.randint(1, 11), dice.randint(1, 28), dice.randint(0, 23), dice.randint(0, 59)
        moment = f"2026-{month:02}-{day:02} {hour:02}:{minute:02}:00"
        yield (
            number,
            dice.randint(1, customers),
            dice.randint(1, 60),
            dice.randint(1, 60),
            "failed" if dice.random() < 0.01 else "done",
            moment,
            None if dice.random() < 0.01 else moment,
            dice.randint(0, 10_000),
            0 if dice.random() < 0.01 else 1,
            str(dice.randint(1, 10_000)),
            "x" * 120,
        )


def _build_schema(
    case: Case, dialect: str, execute: Callable[[str], Any], fill: Callable[[str, list[Any]], Any]
) -> None:
    schema = schemas()[case.schema]
    for table, columns in schema.tables.items():
        execute(f"CREATE TABLE {table} ({columns.replace('{moment}', _TYPES[dialect]['moment'])})")
    for table, rows in schema.rows(random.Random(11)).items():
        fill(table, list(rows))
    for statement in case.setup:
        execute(statement)
    execute("ANALYZE" if dialect != "mariadb" else f"ANALYZE TABLE {', '.join(schema.tables)}")
    for statement in case.late:
        execute(statement)
