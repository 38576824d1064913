"""Installs an app beside whatever the tests of Django's suite install."""

from __future__ import annotations

from typing import Any

from django.apps import registry


def install_beside(app: str) -> None:
    """Have *app* be installed, last, in whatever list of apps a test makes."""
    populate, install = registry.Apps.populate, registry.Apps.set_installed_apps
    restrict = registry.Apps.set_available_apps

    def _with_ours(self: registry.Apps, installed: Any) -> Any:
        return [*installed, app] if self is registry.apps and app not in installed else installed

    def populated(self: registry.Apps, installed_apps: Any = None) -> None:
        populate(self, installed_apps if installed_apps is None else _with_ours(self, installed_apps))

    def installed(self: registry.Apps, installed: Any) -> None:
        install(self, _with_ours(self, installed))

    def restricted(self: registry.Apps, available: Any) -> None:
        restrict(self, {*available, app})

    registry.Apps.populate = populated
    registry.Apps.set_installed_apps = installed
    registry.Apps.set_available_apps = restricted
