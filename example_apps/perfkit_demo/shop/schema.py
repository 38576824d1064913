"""The shop's tables in SQLite; the models of SQLAlchemy and of Django map onto them."""

from __future__ import annotations

__all__ = ["DATA_TABLES", "SCHEMA"]

# Two of the seeded problems live here. product.sku has no index, so a search reads every product. And
# product.photo holds 40 KiB that a query for the whole row drags along; it is the last column, because SQLite
# then need not walk through the photos to read the columns before it.
SCHEMA = """
CREATE TABLE product (
    id INTEGER PRIMARY KEY,
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    tags TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    photo BLOB
);
CREATE TABLE review (
    id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES product (id),
    rating INTEGER NOT NULL,
    author TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer TEXT NOT NULL,
    placed_on TEXT NOT NULL,
    product_id INTEGER NOT NULL REFERENCES product (id),
    quantity INTEGER NOT NULL,
    total_cents INTEGER NOT NULL
);
CREATE TABLE cart_item (
    id INTEGER PRIMARY KEY,
    cart_id INTEGER NOT NULL,
    line INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES product (id),
    quantity INTEGER NOT NULL,
    UNIQUE (cart_id, line)
);
CREATE INDEX review_product ON review (product_id);
CREATE INDEX orders_placed_on ON orders (placed_on);
"""

DATA_TABLES = ("product", "review", "orders", "cart_item")
