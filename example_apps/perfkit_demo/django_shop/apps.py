"""The app: it has what the shop holds in memory, and prepares its database connections."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.backends.signals import connection_created

from perfkit_demo.shop.state import Shop

__all__ = ["ShopConfig", "the_shop"]


class ShopConfig(AppConfig):
    """The shop in this process."""

    name = "perfkit_demo.django_shop"
    verbose_name = "The shop"

    shop: Shop

    def ready(self) -> None:
        """Make the shop."""
        self.shop = Shop(**settings.SHOP)
        connection_created.connect(prepare, dispatch_uid=self.name)


def prepare(*, connection: Any, **named: Any) -> None:
    """Let a new connection write a file that may be lost: nothing is flushed to the disk."""
    connection.connection.execute("PRAGMA synchronous = OFF")


def the_shop() -> Shop:
    """Return the shop that this process serves."""
    config = apps.get_app_config("django_shop")
    assert isinstance(config, ShopConfig)
    return config.shop
