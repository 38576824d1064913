"""The Django site that the fleets serve: nothing of `django.contrib`, perfkit added as the tutorial says."""

from __future__ import annotations

import os

import django
from django.conf import settings

settings.configure(
    DEBUG=os.environ.get("FLEET_DEBUG") == "1",
    SECRET_KEY="not secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="django_fleet",
    INSTALLED_APPS=["perfkit_django"],
    MIDDLEWARE=["perfkit_django.PerfkitMiddleware", "django.middleware.common.CommonMiddleware"],
    PERFKIT={"service": os.environ.get("FLEET_SERVICE", "fleet")},
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402 - the settings come first
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def read_item(request: HttpRequest, item_id: int) -> HttpResponse:
    return HttpResponse(str(item_id))


async def aread_item(request: HttpRequest, item_id: int) -> HttpResponse:
    return HttpResponse(str(item_id))


urlpatterns = [path("items/<int:item_id>", read_item), path("aitems/<int:item_id>", aread_item)]

application = get_wsgi_application()
asgi = get_asgi_application()
