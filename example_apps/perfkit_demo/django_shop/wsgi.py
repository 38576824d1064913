"""The shop as a WSGI application: ``gunicorn perfkit_demo.django_shop.wsgi`` serves it."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

__all__ = ["application"]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "perfkit_demo.django_shop.settings")

application = get_wsgi_application()
