"""Receivers out of settings: one dict each, with its type, its own fields and those of its route."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from perfkit.alerts.delivery.receiver import Receiver
from perfkit.alerts.delivery.receivers.alertmanager import ROUTE as ALERTMANAGER_ROUTE
from perfkit.alerts.delivery.receivers.alertmanager import Alertmanager
from perfkit.alerts.delivery.receivers.local import LOG_ROUTE, LogReceiver
from perfkit.alerts.delivery.receivers.mail import Email, Encryption
from perfkit.alerts.delivery.receivers.notify import Notify
from perfkit.alerts.delivery.receivers.webhook import Webhook
from perfkit.alerts.parsing import convert
from perfkit.alerts.routing.route import Route
from perfkit.alerts.rules.matchers import Matchers
from perfkit.alerts.secret import Secret, resolve
from perfkit.core.clock import Clock
from perfkit.core.errors import AlertError

__all__ = ["build_receiver", "check_receiver"]

Timeout = Annotated[float, Meta(gt=0, le=60)]


class _Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of a receiver; never shown, as they hold secrets."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class LogSpec(_Spec, frozen=True):
    """The log."""


class WebhookSpec(_Spec, frozen=True):
    """A webhook."""

    url: str
    hmac_key: str = ""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    max_alerts: Annotated[int, Meta(ge=0, le=1_000)] = 0
    timeout: Timeout = 5.0


class AlertmanagerSpec(_Spec, frozen=True):
    """The members of an Alertmanager cluster."""

    urls: list[str]
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    timeout: Timeout = 5.0


class EmailSpec(_Spec, frozen=True):
    """An SMTP server."""

    host: str
    sender: str
    to: list[str]
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    username: str = ""
    password: str = ""
    encryption: Encryption = "starttls"
    timeout: Timeout = 10.0


class AppriseSpec(_Spec, frozen=True):
    """Addresses of apprise."""

    urls: list[str]


SPECS: dict[str, tuple[type[_Spec], Route]] = {
    "log": (LogSpec, LOG_ROUTE),
    "webhook": (WebhookSpec, Route()),
    "alertmanager": (AlertmanagerSpec, ALERTMANAGER_ROUTE),
    "email": (EmailSpec, Route()),
    "apprise": (AppriseSpec, Route()),
}


def check_receiver(name: str, given: Mapping[str, Any]) -> tuple[_Spec, Route]:
    """Return the fields of the receiver *name* and its route, checked.

    Raises:
        AlertError: They cannot be used. Their values are not shown.
    """
    said = f"The alert receiver {name!r}"
    kind = given.get("type")
    if not isinstance(kind, str) or kind not in SPECS:
        shown = "no type" if kind is None else f"the type {str(kind)[:40]!r}"
        raise AlertError(f"{said} has {shown}. The types are {', '.join(SPECS)}. Give one of them as type.")
    spec, route = SPECS[kind]
    names = set(Route.__struct_fields__) - set(spec.__struct_fields__)
    own = {key: value for key, value in given.items() if key != "type" and key not in names}
    routing = {key: value for key, value in given.items() if key in names}
    defaults = {field: getattr(route, field) for field in Route.__struct_fields__}
    converted = convert(Route, said, {**defaults, **routing})
    Matchers(converted.where)
    return convert(spec, said, own), converted


def build_receiver(
    name: str,
    given: Mapping[str, Any],
    *,
    instance: str = "auto",
    external_url: str = "",
    clock: Clock | None = None,
) -> tuple[Receiver, Route]:
    """Return the receiver *name* and its route.

    Args:
        instance: The label that tells this host from others; ``auto`` is its name.

    Raises:
        AlertError: The fields cannot be used.
        ConfigurationError: A secret is to come from a variable that is not set.
        MissingDependencyError: An optional package is not installed.
    """
    spec, route = check_receiver(name, given)
    hidden = _Hidden(name)
    host = socket.gethostname() if instance == "auto" else instance
    receiver: Receiver
    match spec:
        case WebhookSpec():
            receiver = Webhook(
                hidden.one(spec.url),
                hmac_key=hidden.one(spec.hmac_key),
                headers=hidden.headers(spec.headers),
                max_alerts=spec.max_alerts,
                timeout=spec.timeout,
                instance=host,
                external_url=external_url,
                clock=clock,
            )
        case AlertmanagerSpec():
            receiver = Alertmanager(
                hidden.several(spec.urls),
                headers=hidden.headers(spec.headers),
                timeout=spec.timeout,
                instance=host,
                external_url=external_url,
                clock=clock,
            )
        case EmailSpec():
            receiver = _email(spec, hidden)
        case AppriseSpec():
            receiver = Notify(hidden.several(spec.urls), name=name)
        case _:
            receiver = LogReceiver()
    return receiver, route


def _email(spec: EmailSpec, hidden: _Hidden) -> Email:
    return Email(
        host=spec.host,
        sender=spec.sender,
        to=spec.to,
        port=spec.port,
        username=spec.username,
        password=hidden.one(spec.password),
        encryption=spec.encryption,
        timeout=spec.timeout,
    )


class _Hidden:
    """The secrets of one receiver: as they are given, or from variables of the environment."""

    def __init__(self, name: str) -> None:
        self._where = f"A secret of the alert receiver {name!r}"

    def one(self, text: str) -> Secret:
        return resolve(text, where=self._where)

    def several(self, texts: Sequence[str]) -> list[Secret]:
        return [self.one(text) for text in texts]

    def headers(self, given: Mapping[str, str]) -> dict[str, Secret]:
        return {key: self.one(text) for key, text in given.items()}
