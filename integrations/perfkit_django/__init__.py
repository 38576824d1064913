"""perfkit for Django, sync and async.

INSTALLED_APPS = ["perfkit_django", ...]
MIDDLEWARE = ["perfkit_django.PerfkitMiddleware", ...]      # first
PERFKIT = {"service": "shop"}                               # if you want other settings than the defaults
"""

from __future__ import annotations

from perfkit_django.middleware import PerfkitMiddleware

__all__ = ["PerfkitMiddleware"]
