"""The shop's tables for Django's ORM; `shop/schema.py` makes them, so that Django manages none of them."""

# The types of the fields are known to the mypy plugin of django-stubs alone, which would have to run the settings.
# mypy: disable-error-code="var-annotated"
# ruff: noqa: D106

from __future__ import annotations

from django.db import models

__all__ = ["CartItem", "Order", "Product", "Review"]


class Product(models.Model):
    """Something to buy."""

    id = models.IntegerField(primary_key=True)
    sku = models.TextField()
    name = models.TextField()
    category = models.TextField()
    tags = models.TextField()
    price_cents = models.IntegerField()
    photo = models.BinaryField(null=True)

    class Meta:
        managed = False
        db_table = "product"


class Review(models.Model):
    """Somebody's opinion of a product; `rating` is 1 to 5."""

    id = models.IntegerField(primary_key=True)
    product = models.ForeignKey(Product, models.DO_NOTHING, related_name="+")
    rating = models.IntegerField()
    author = models.TextField()
    body = models.TextField()

    class Meta:
        managed = False
        db_table = "review"


class Order(models.Model):
    """A product that was bought; `placed_on` is an ISO date."""

    id = models.AutoField(primary_key=True)
    customer = models.TextField()
    placed_on = models.TextField()
    product = models.ForeignKey(Product, models.DO_NOTHING, related_name="+")
    quantity = models.IntegerField()
    total_cents = models.IntegerField()

    class Meta:
        managed = False
        db_table = "orders"


class CartItem(models.Model):
    """One line of a cart; there is one of each number."""

    id = models.AutoField(primary_key=True)
    cart_id = models.IntegerField()
    line = models.IntegerField()
    product = models.ForeignKey(Product, models.DO_NOTHING, related_name="+")
    quantity = models.IntegerField()

    class Meta:
        managed = False
        db_table = "cart_item"
