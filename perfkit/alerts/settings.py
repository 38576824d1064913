"""The settings of the alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

from msgspec import Meta, field

from perfkit.core.errors import AlertError
from perfkit.core.settings import Settings

__all__ = ["AlertsSettings"]

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class AlertsSettings(Settings, frozen=True):
    """What is watched, and who is told. Evaluated by one worker for all."""

    enabled: Annotated[bool, Meta(description="Evaluate rules and tell receivers.")] = True
    default_rules: Annotated[
        bool, Meta(description="Watch where performance.thresholds and performance.targets end, without further rules.")
    ] = True
    rules: Annotated[
        dict[Name, dict[str, Any]],
        Meta(
            description="Further rules by name, each a dict with metric, measure, above or below, for and so on.",
            extra={"expected": "a dict of names to dicts, the fields of an alert rule"},
        ),
    ] = field(default_factory=dict)
    slos: Annotated[
        dict[Name, dict[str, Any]],
        Meta(
            description='Objectives by name, such as {"checkout": {"objective": 0.999}}; burning budgets alert.',
            extra={"expected": "a dict of names to dicts, the fields of an objective"},
        ),
    ] = field(default_factory=dict)
    inhibitions: Annotated[
        list[dict[str, Any]],
        Meta(
            description="Which alerts mute which: dicts with source, target and equal, besides what is built in.",
            extra={"expected": "a list of dicts with source, target and equal"},
        ),
    ] = field(default_factory=list)
    receivers: Annotated[
        dict[Name, dict[str, Any]],
        Meta(
            description="Who is told, by name: dicts with type (log, webhook, alertmanager, email, apprise) and its "
            "fields. A secret may be written as env:NAME.",
            extra={"secret": True, "expected": "a dict of names to dicts with type and its fields"},
        ),
    ] = field(default_factory=dict)
    log: Annotated[bool, Meta(description="Write alerts to the log, under perfkit.alerts.")] = True
    interval: Annotated[float, Meta(ge=1, le=300, description="Seconds between two evaluations.")] = 10.0
    retry_for: Annotated[
        float, Meta(ge=60, le=604_800, description="Seconds for which a receiver that fails is tried again.")
    ] = 86_400.0
    max_alerts: Annotated[
        int, Meta(ge=10, le=2_000, description="Alerts that may be active at once; more are left out and counted.")
    ] = 200
    instance: Annotated[
        str,
        Meta(
            max_length=200,
            description="The label instance of what is sent, which tells hosts apart. auto: the name of this host; "
            "empty for none.",
        ),
    ] = "auto"
    external_url: Annotated[
        str, Meta(max_length=500, description="Where people find out more; sent along with alerts.")
    ] = ""

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield what cannot work of rules, objectives, inhibitions and receivers, all of each at once."""
        if not (self.rules or self.slos or self.inhibitions or self.receivers):
            return
        from perfkit.alerts.delivery.factory import check_receiver
        from perfkit.alerts.parsing import parse_inhibition, parse_rule, parse_slo

        attempts: dict[str, list[Callable[[], object]]] = {
            "rules": [partial(parse_rule, *item) for item in self.rules.items()],
            "slos": [partial(parse_slo, *item) for item in self.slos.items()],
            "inhibitions": [partial(parse_inhibition, each) for each in self.inhibitions],
            "receivers": [partial(check_receiver, *item) for item in self.receivers.items()],
        }
        for section, parses in attempts.items():
            errors = [error for parse in parses if (error := _error_of(parse))]
            if errors:
                # What users wrote may hold braces; the sentences are a format string.
                said = " ".join(errors).replace("{", "{{").replace("}", "}}")
                yield (section,), f"{{0}}: {said}"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return name and value of each field without what receivers are made of: addresses hold tokens."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return list({**values, "receivers": dict.fromkeys(self.receivers, "<hidden>")}.items())

    def __repr__(self) -> str:
        """Return the fields without the secrets."""
        return f"AlertsSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


def _error_of(parse: Callable[[], object]) -> str:
    try:
        parse()
    except AlertError as error:
        return str(error)
    return ""
