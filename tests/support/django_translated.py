"""URLs with a word that is translated."""

from __future__ import annotations

from django.conf.urls.i18n import i18n_patterns
from django.urls import path
from django.utils.functional import lazy
from django.utils.translation import get_language
from django_pages import language

contact = lazy(lambda: "kontakt/" if get_language() == "de" else "contact/", str)

urlpatterns = i18n_patterns(path(contact(), language))
