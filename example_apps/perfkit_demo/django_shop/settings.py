"""The shop's Django settings; environment variables say which database it serves, as `perfkit demo` sets them."""

from __future__ import annotations

import os

from perfkit_demo.described import Described

_shop = Described.from_environment(os.environ)

INSTALLED_APPS = ["perfkit_django", "perfkit_demo.django_shop"]

MIDDLEWARE = [
    "perfkit_django.PerfkitMiddleware",
    "django.middleware.common.CommonMiddleware",
]

PERFKIT = {"service": "shop"}

ROOT_URLCONF = "perfkit_demo.django_shop.urls"
WSGI_APPLICATION = "perfkit_demo.django_shop.wsgi.application"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(_shop.database),
        "CONN_MAX_AGE": None,
        "OPTIONS": {"timeout": 5},
    }
}

SHOP = {"database": _shop.database, **_shop.parts}

# Nothing is signed: there are no sessions and no forms, and the demo listens to this machine only.
SECRET_KEY = "the shop keeps no secrets"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
APPEND_SLASH = False
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"terminal": {"class": "logging.StreamHandler", "level": "ERROR"}},
    "loggers": {"django": {"handlers": ["terminal"], "propagate": False}},
}
