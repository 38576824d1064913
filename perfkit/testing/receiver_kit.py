"""The contract of an alert receiver, as tests: inherit `ReceiverKit` and say how to make one and what it got.

class TestMyReceiver(ReceiverKit):
    @pytest.fixture
    def receiver(self): ...                    # one that works
    def received(self, receiver) -> str: ...   # everything that arrived, as text
    def broken(self): ...                      # one whose other end is out of reach, or None
    secrets = ("the-token",)                   # what must never be seen
"""

from __future__ import annotations

import logging
import threading
from typing import Any, ClassVar

import pytest

from perfkit.alerts.alert import Alert, AlertState, Severity, fingerprint
from perfkit.alerts.delivery.receiver import Notification, Receiver
from perfkit.core.errors import DeliveryError

__all__ = ["ReceiverKit", "alert", "notification"]


def alert(
    name: str = "SlowResponses",
    *,
    state: AlertState = AlertState.FIRING,
    severity: Severity = Severity.CRITICAL,
    message: str = "95 % of all requests took up to 2.4 s",
    **labels: str,
) -> Alert:
    """Return an alert as a receiver would get it."""
    complete = {"alertname": name, "severity": str(severity), "service": "shop", **labels}
    return Alert(
        fingerprint=fingerprint(complete),
        name=name,
        severity=severity,
        state=state,
        message=message,
        source="performance",
        value=2.4,
        threshold=1.0,
        at=1_700_000_100.0 if state is AlertState.RESOLVED else 1_700_000_000.0,
        started_at=1_700_000_000.0,
        labels=complete,
        annotations={"runbook_url": "https://example.com/runbook"},
    )


def notification(*alerts: Alert, receiver: str = "people") -> Notification:
    """Return a message about *alerts*, or about one."""
    return Notification(
        receiver=receiver,
        service="shop",
        group_key='{}:{alertname="SlowResponses"}',
        group_labels={"alertname": "SlowResponses"},
        alerts=alerts or (alert(),),
        at=1_700_000_100.0,
    )


class ReceiverKit:
    """What every receiver keeps.

    Attributes:
        secrets: Texts that its making was given and that nobody may see.
        shows_labels: False for receivers that show no labels.
    """

    secrets: ClassVar[tuple[str, ...]] = ()
    shows_labels: ClassVar[bool] = True

    @pytest.fixture
    def receiver(self) -> Any:
        """Return a receiver that works."""
        raise NotImplementedError("Give the kit a fixture `receiver` that returns one that works.")

    def received(self, receiver: Any) -> str:
        """Return all that arrived at the other end, as text."""
        raise NotImplementedError("Tell the kit what arrived: define received().")

    def broken(self) -> Receiver | None:
        """Return a receiver whose other end cannot be reached; None if there is no such thing."""
        return None

    def test_an_alert_arrives_with_its_name_and_message(self, receiver: Any) -> None:
        receiver.deliver(notification(alert("QueueDeep", message="1,234 jobs wait")))
        got = self.received(receiver)
        assert "QueueDeep" in got
        assert "1,234 jobs wait" in got

    def test_what_is_over_is_told_apart_from_what_fires(self, receiver: Any) -> None:
        receiver.deliver(notification(alert(state=AlertState.FIRING)))
        firing = self.received(receiver)
        receiver.deliver(notification(alert(state=AlertState.RESOLVED)))
        assert "resolved" not in firing.lower()
        assert "resolved" in self.received(receiver).lower()

    def test_all_alerts_of_a_message_arrive(self, receiver: Any) -> None:
        receiver.deliver(notification(*(alert(f"Rule{number}") for number in range(5))))
        got = self.received(receiver)
        assert all(f"Rule{number}" in got for number in range(5))

    def test_labels_tell_alerts_apart(self, receiver: Any) -> None:
        if self.shows_labels:
            receiver.deliver(notification(alert(http_route="/reports"), alert(http_route="/orders")))
            got = self.received(receiver)
            assert "/reports" in got
            assert "/orders" in got

    @pytest.mark.parametrize(
        "text", ["über 100 % — ±", "a\r\nBcc: x@example.com", '"; drop', "\x00\x1b[31m", "x" * 5_000]
    )
    def test_hostile_text_arrives_somehow(self, receiver: Any, text: str) -> None:
        receiver.deliver(notification(alert(message=text, path=text)))
        assert self.received(receiver)

    def test_it_may_be_called_again_with_the_same(self, receiver: Any) -> None:
        receiver.deliver(notification())
        receiver.deliver(notification())

    def test_it_works_in_a_thread_without_a_loop(self, receiver: Any) -> None:
        failures: list[BaseException] = []

        def work() -> None:
            try:
                receiver.deliver(notification())
            except BaseException as error:  # noqa: BLE001 - handed to the test's thread
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
        assert not failures

    def test_it_raises_when_nothing_arrives(self) -> None:
        broken = self.broken()
        if broken is not None:
            with pytest.raises(DeliveryError) as caught:
                broken.deliver(notification())
            assert not caught.value.is_final
            assert not any(secret in str(caught.value) for secret in self.secrets)

    def test_no_secret_is_shown(self, receiver: Any, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            receiver.deliver(notification())
        seen = f"{receiver!r} {receiver} {caplog.text}"
        assert not any(secret in seen for secret in self.secrets)
