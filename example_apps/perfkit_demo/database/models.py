"""The shop's tables for SQLAlchemy; `shop/schema.py` makes them."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["Base", "CartItem", "Order", "Product", "Review"]


class Base(DeclarativeBase):
    """The base of the shop's models."""


class Product(Base):
    """Something to buy."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    tags: Mapped[str]
    price_cents: Mapped[int]
    photo: Mapped[bytes | None]


class Review(Base):
    """Somebody's opinion of a product; `rating` is 1 to 5."""

    __tablename__ = "review"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    rating: Mapped[int]
    author: Mapped[str]
    body: Mapped[str]


class Order(Base):
    """A product that was bought; `placed_on` is an ISO date."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    placed_on: Mapped[str]
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    quantity: Mapped[int]
    total_cents: Mapped[int]


class CartItem(Base):
    """One line of a cart; there is one of each number."""

    __tablename__ = "cart_item"

    id: Mapped[int] = mapped_column(primary_key=True)
    cart_id: Mapped[int]
    line: Mapped[int]
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    quantity: Mapped[int]
