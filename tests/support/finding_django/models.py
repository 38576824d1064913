"""The models, and every name that an example may use."""

from datetime import datetime

import httpx
from django.db import connection, models, transaction
from django.db.models import Avg, Exists, F, OuterRef
from django.db.models.functions import Lower
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils.functional import cached_property

__all__ = [
    "Avg",
    "Category",
    "Exists",
    "F",
    "Lower",
    "Order",
    "OuterRef",
    "Product",
    "Review",
    "cached_property",
    "connection",
    "datetime",
    "httpx",
    "models",
    "post_save",
    "receiver",
    "transaction",
]


class Category(models.Model):
    name = models.CharField(max_length=50)


class Product(models.Model):
    name = models.CharField(max_length=50)
    sku = models.CharField(max_length=20, default="")
    description = models.TextField(default="")
    price = models.IntegerField(default=1)
    category = models.ForeignKey(Category, models.CASCADE)


class Review(models.Model):
    product = models.ForeignKey(Product, models.CASCADE, related_name="reviews")
    stars = models.IntegerField(default=5)
    created = models.DateTimeField(auto_now_add=True)


class Order(models.Model):
    status = models.CharField(max_length=10)
