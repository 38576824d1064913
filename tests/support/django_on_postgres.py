"""A Django app on PostgreSQL, asked for pages as a WSGI server asks: prints what the database optimizer found.

python django_on_postgres.py DSN '{"CONN_MAX_AGE": 0}'
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlsplit

import django
import msgspec
from django.conf import settings

REQUESTS = 60
where = urlsplit(sys.argv[1])
settings.configure(
    SECRET_KEY="not secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["perfkit_django"],
    MIDDLEWARE=["perfkit_django.PerfkitMiddleware"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": where.path[1:],
            "USER": where.username,
            "HOST": where.hostname,
            "PORT": where.port,
            **json.loads(sys.argv[2]),
        }
    },
    LOGGING_CONFIG=None,
    PERFKIT={"environment": "testing"},
)
django.setup()

from django.db import connection  # noqa: E402 - Django must be set up before
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def visits(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), max(page) FROM visit WHERE visitor = %s", [7])
        return HttpResponse(str(cursor.fetchone()))


urlpatterns = [path("visits", visits)]


def main() -> None:
    from django.apps import apps
    from django.core.wsgi import get_wsgi_application

    answer: Any = get_wsgi_application()
    for _ in range(REQUESTS):
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/visits",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.input": sys.stdin.buffer,
        }
        response = answer(environ, lambda status, headers: None)
        b"".join(response)
        response.close()
    system: Any = apps.get_app_config("perfkit_django").system  # type: ignore[attr-defined] # ours has it
    system.database.look_at_indexes()
    system.database.look_at_sessions()
    print(json.dumps(msgspec.to_builtins(list(system.database.findings()))))  # noqa: T201 - the answer
    system.stop()


main()
