"""Models for programs with Django's ORM; their tables are made by the test that needs them."""

# mypy: disable-error-code="var-annotated"

from __future__ import annotations

import django_site  # noqa: F401 - configures Django
from django.db import models


class Author(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "perfkit_django"


class Tag(models.Model):
    name = models.TextField(unique=True)

    class Meta:
        app_label = "perfkit_django"


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.TextField()
    pages = models.IntegerField()
    tags = models.ManyToManyField(Tag)

    class Meta:
        app_label = "perfkit_django"


class Cover(models.Model):
    book = models.OneToOneField(Book, models.CASCADE)
    colour = models.TextField()

    class Meta:
        app_label = "perfkit_django"


MODELS = (Author, Tag, Book, Cover)
