"""The app's configuration: it has the one `Lifecycle` of the process and registers the system checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.core.signals import got_request_exception, setting_changed

from perfkit_django.exchange import note_error
from perfkit_django.lifecycle import Lifecycle
from perfkit_django.settings import NAME

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["PerfkitConfig"]


class PerfkitConfig(AppConfig):
    """perfkit in this Django project: ``apps.get_app_config("perfkit_django").system`` reaches the system anywhere."""

    name = "perfkit_django"
    verbose_name = "perfkit"

    def __init__(self, *arguments: Any) -> None:
        """Do nothing yet."""
        super().__init__(*arguments)
        self.life = Lifecycle()

    @property
    def system(self) -> PerformanceSystem:
        """The system recorded into; made at the first exchange or when first asked for."""
        return self.life.site.system_now()

    def ready(self) -> None:
        """Register checks and listen to what Django tells; nothing is started."""
        from perfkit_django.checks import register

        register()
        got_request_exception.connect(note_error, dispatch_uid="perfkit_django")
        setting_changed.connect(self._on_change)

    def _on_change(self, *, setting: str, **named: Any) -> None:
        if setting == NAME:
            self.life.renew()
        elif setting == "SECURE_PROXY_SSL_HEADER":
            self.life.cool()
