"""Alert receivers that are attacked or misused: ends that never finish, secrets that want out, values that forge."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from alert_sinks import MailSink, WebSink, closed_port

from perfkit.alerts.delivery.factory import build_receiver
from perfkit.alerts.delivery.receiver import Notification
from perfkit.alerts.delivery.receivers import deadline
from perfkit.alerts.delivery.receivers.alertmanager import Alertmanager
from perfkit.alerts.delivery.receivers.deadline import Until
from perfkit.alerts.delivery.receivers.local import LogReceiver
from perfkit.alerts.delivery.receivers.mail import Email
from perfkit.alerts.delivery.receivers.notify import Notify
from perfkit.alerts.delivery.receivers.webhook import Webhook
from perfkit.core.errors import AlertError, DeliveryError
from perfkit.testing.receiver_kit import alert, notification

pytestmark = [
    pytest.mark.server,
    # apprise imports it on Pythons that still have it.
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

SECRET = "sesame-that-nobody-may-see"


@pytest.fixture
def mails() -> Iterator[MailSink]:
    with MailSink().running() as sink:
        yield sink


@pytest.fixture
def sink() -> Iterator[WebSink]:
    with WebSink().running() as sink:
        yield sink


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def about(queue: str = "mail") -> Notification:
    return notification(alert("Deep", queue=queue))


def mail(sink: MailSink, *to: str, timeout: float = 5.0, **more: Any) -> Email:
    return Email(
        host="127.0.0.1",
        port=sink.port,
        sender="perfkit@example.com",
        to=to or ("ops@example.com",),
        encryption="none",
        timeout=timeout,
        **more,
    )


def test_a_mail_server_that_greets_a_byte_at_a_time_for_ever_is_left_in_the_end(mails: MailSink) -> None:
    mails.drip = 0.05
    began = time.monotonic()
    with pytest.raises(DeliveryError, match="did not answer in time") as caught:
        mail(mails, timeout=0.2).deliver(about())
    assert not caught.value.is_final
    # Each byte came within the timeout of a step; the whole has a limit of its own, six times that.
    assert 0.2 < time.monotonic() - began < 30.0


def test_a_mail_server_that_answers_without_end_is_left_before_the_memory_is_full(mails: MailSink) -> None:
    mails.flood = True
    with pytest.raises(DeliveryError, match="broke off"):
        mail(mails).deliver(about())


def test_a_mail_that_was_taken_is_not_sent_again_because_of_the_goodbye(mails: MailSink) -> None:
    for mails.goodbye in ("421 go away", "rubbish", ""):
        mail(mails).deliver(about())
    assert len(mails.mails) == 3


def test_who_got_the_mail_is_not_written_to_again_while_others_are_tried(mails: MailSink) -> None:
    mails.refusals = {"late@example.com": "451 later", "gone@example.com": "550 nobody"}
    receiver = mail(mails, "ann@example.com", "late@example.com", "gone@example.com")
    with pytest.raises(DeliveryError, match=r"some recipients for now \(451\)") as caught:
        receiver.deliver(about())
    assert not caught.value.is_final
    receiver.deliver(about())
    receiver.deliver(about(queue="other"))
    assert [to for _, to, _ in mails.mails] == [
        ["ann@example.com"],
        ["late@example.com"],
        ["ann@example.com", "late@example.com", "gone@example.com"],
    ]


def test_a_user_name_that_smtp_cannot_send_is_final_and_not_shown(mails: MailSink) -> None:
    mails.asks_names = True
    receiver = mail(mails, username=f"{SECRET}ä")
    with pytest.raises(DeliveryError, match="other letters than ASCII") as caught:
        receiver.deliver(about())
    assert SECRET not in str(caught.value)
    assert caught.value.is_final


def test_until_gives_up_after_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "MOST", 100)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x" * 150)
        reader = Until(ours, time.monotonic() + 10.0)
        assert reader.readinto(memoryview(bytearray(100))) == 100
        with pytest.raises(ConnectionAbortedError, match="100 bytes"):
            reader.readinto(memoryview(bytearray(100)))
        reader.close()


def test_one_address_of_apprise_that_is_down_does_not_have_the_other_told_again(sink: WebSink) -> None:
    broken = closed_port()
    receiver = Notify([f"json://127.0.0.1:{sink.port}/", f"json://127.0.0.1:{broken}/"])
    for _ in range(3):
        with pytest.raises(DeliveryError, match="to 1 of its 2 addresses"):
            receiver.deliver(about())
    assert len(sink.posted) == 1
    with WebSink().running(broken) as late:
        receiver.deliver(about())
        assert (len(sink.posted), len(late.posted)) == (1, 1)
        receiver.deliver(about(queue="other"))
        assert (len(sink.posted), len(late.posted)) == (2, 2)


@pytest.mark.parametrize("url", [f"nothing-such://{SECRET}", f"slack://{SECRET}", f"json://{SECRET}@127.0.0.1:1/"])
def test_apprise_logs_no_address_of_ours(
    url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DeliveryError) as caught:
        Notify([url]).deliver(about())
    assert SECRET not in f"{caught.value} {caplog.text} {capfd.readouterr()}"
    logging.getLogger("apprise").warning("of the application itself")
    assert "of the application itself" in caplog.text


HEADERS = [
    ("Authorization", f"Bearer {SECRET}\n"),
    ("Authorization", f"{SECRET}\r\nX-Injected: yes"),
    ("X-Key", f"{SECRET}\x00"),
    ("X-Key", f"{SECRET}€"),
    ("X Key", SECRET),
    ("", SECRET),
    ("X:Y", SECRET),
]


@pytest.mark.parametrize("make", [Webhook, lambda url, **more: Alertmanager([url], **more)])
@pytest.mark.parametrize(("name", "value"), HEADERS)
def test_a_header_that_cannot_be_sent_is_refused_when_it_is_given(make: Any, name: str, value: str) -> None:
    with pytest.raises(AlertError, match="cannot be sent") as caught:
        make("http://127.0.0.1:1/", headers={name: value})
    assert SECRET not in str(caught.value)


def test_the_line_break_at_the_end_of_a_secret_s_file_is_none_of_it(
    sink: WebSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", f"Bearer {SECRET}\n")
    receiver, _ = build_receiver(
        "ops", {"type": "webhook", "url": sink.url, "headers": {"Authorization": "env:HOOK_TOKEN"}}
    )
    receiver.deliver(about())
    assert sink.posted[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("queue", ["a\nCRITICAL forged line", "a\r\x1b[2Jb", "a\u2028b\u202ec"])
def test_a_label_s_value_begins_no_line_of_its_own(queue: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="perfkit.alerts")
    LogReceiver().deliver(about(queue=queue))
    (record,) = caplog.records
    assert record.getMessage().isprintable()


def test_a_webhook_is_never_led_to_the_metadata_of_a_cloud(sink: WebSink) -> None:
    for target in ("http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "//evil.example/", "gopher://x/"):
        for status in (301, 302, 303, 307, 308):
            sink.statuses, sink.headers = [status], {"Location": target}
            with pytest.raises(DeliveryError, match="a redirect that is not followed") as caught:
                Webhook(sink.url).deliver(about())
            assert caught.value.is_final
