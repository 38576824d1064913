"""URLs whose default language has no prefix."""

from __future__ import annotations

from django.conf.urls.i18n import i18n_patterns
from django.urls import path
from django_pages import language

urlpatterns = i18n_patterns(path("about/", language), prefix_default_language=False)
