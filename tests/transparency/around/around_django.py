"""Puts perfkit around Django's suite as a user does: the middleware, and the app beside whatever a test installs."""

from __future__ import annotations

import middleware_django  # noqa: F401  # importing it puts the middleware around
from django_installed import install_beside

install_beside("perfkit_django")
