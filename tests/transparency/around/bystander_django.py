"""Installs an app that does nothing beside whatever a test of Django's suite installs, and nothing of ours."""

from __future__ import annotations

from django_installed import install_beside

install_beside("bystander")
