"""The Django site of the tests. A process can configure Django once: whoever needs Django imports this first."""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import django
from django.conf import settings

__all__ = ["MIDDLEWARE", "configured", "ensure_tables"]

FOLDER = tempfile.TemporaryDirectory(prefix="perfkit-django-")

MIDDLEWARE = [
    "perfkit_django.PerfkitMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

if not settings.configured:
    settings.configure(
        SECRET_KEY="not secret",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="django_pages",
        INSTALLED_APPS=[
            "perfkit_django",
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django.contrib.messages",
        ],
        MIDDLEWARE=MIDDLEWARE,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(Path(FOLDER.name, f"site-{os.getpid()}.sqlite3")),
            }
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        LANGUAGES=[("en", "English"), ("de", "Deutsch"), ("pt-br", "Português")],
        LOGGING_CONFIG=None,
        PERFKIT={"environment": "testing", "service": "site"},
        USE_TZ=True,
    )
    django.setup()


def ensure_tables() -> None:
    """Make the tables of the site's database, if there are none yet."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


def configured(**changes: Any) -> AbstractContextManager[None]:
    """Return a context in which settings are changed."""
    from django.test.utils import override_settings

    changed: AbstractContextManager[None] = override_settings(**changes)
    return changed
