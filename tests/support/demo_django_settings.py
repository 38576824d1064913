"""The settings of the shop in Django without perfkit."""

from perfkit_demo.django_shop.settings import *  # noqa: F403
from perfkit_demo.django_shop.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [name for name in INSTALLED_APPS if not name.startswith("perfkit_django")]
MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("perfkit_django")]
LOGGING_CONFIG = None
