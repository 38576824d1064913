"""Alerts on their way out: real servers that are down, slow, busy or broken, a mail server, and a real Alertmanager."""

from __future__ import annotations

import email
import email.policy
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from alert_sinks import ALERTMANAGER, MailSink, WebSink, alertmanager_server, closed_port

from perfkit.alerts import AlertManager, Alertmanager, AlertsSettings, Email, Notify, Receiver, Route, Rule, Webhook
from perfkit.alerts.alert import AlertState, fingerprint
from perfkit.alerts.delivery.factory import build_receiver
from perfkit.alerts.delivery.receivers.http import retry_after
from perfkit.alerts.delivery.receivers.local import LogReceiver
from perfkit.alerts.delivery.receivers.webhook import is_signed
from perfkit.alerts.secret import Secret
from perfkit.core.errors import AlertError, DeliveryError, MissingDependencyError
from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.testing.receiver_kit import ReceiverKit, alert, notification

pytestmark = [
    pytest.mark.server,
    # apprise imports it on Pythons that still have it.
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

DEPTH = Definition(name="queue_depth", type=MetricType.GAUGE, labels=("queue",), mode=GaugeMode.LATEST)
SECRET = "a-secret-token"
NOW = Route(group_by=None, group_wait=0.0, group_interval=0.0, rate=100.0, burst=100.0)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def sink() -> Iterator[WebSink]:
    with WebSink().running() as sink:
        yield sink


@pytest.fixture
def mails() -> Iterator[MailSink]:
    with MailSink().running() as sink:
        yield sink


class TestWebhook(ReceiverKit):
    secrets: ClassVar[tuple[str, ...]] = (SECRET, "the-hmac-key", "the-header")

    @pytest.fixture
    def receiver(self, sink: WebSink) -> Webhook:
        self.sink = sink
        headers = {"Authorization": "Bearer the-header"}
        return Webhook(f"{sink.url}/{SECRET}", hmac_key="the-hmac-key", headers=headers)

    def received(self, receiver: Any) -> str:
        return " ".join(str(each) for each in self.sink.json())

    def broken(self) -> Receiver:
        return Webhook(f"http://127.0.0.1:{closed_port()}/{SECRET}")


class TestAlertmanagerReceiver(ReceiverKit):
    secrets: ClassVar[tuple[str, ...]] = (SECRET,)

    @pytest.fixture
    def receiver(self, sink: WebSink) -> Alertmanager:
        self.sink = sink
        return Alertmanager([f"http://user:{SECRET}@127.0.0.1:{sink.port}"])

    def received(self, receiver: Any) -> str:
        return " ".join(
            f"{each} {'resolved' if each['endsAt'] < '2024' else ''}" for body in self.sink.json() for each in body
        )

    def broken(self) -> Receiver:
        return Alertmanager([f"http://user:{SECRET}@127.0.0.1:{closed_port()}"])


class TestEmail(ReceiverKit):
    secrets: ClassVar[tuple[str, ...]] = (SECRET,)

    @pytest.fixture
    def receiver(self, mails: MailSink) -> Email:
        self.mails = mails
        return Email(
            host="127.0.0.1", port=mails.port, sender="perfkit@example.com", to=["ops@example.com"], encryption="none"
        )

    def received(self, receiver: Any) -> str:
        return " ".join(text_of(mail) for _, _, mail in self.mails.mails)

    def broken(self) -> Receiver:
        return Email(host="127.0.0.1", port=closed_port(), sender="a@b", to=["c@d"], encryption="none")


class TestNotify(ReceiverKit):
    secrets: ClassVar[tuple[str, ...]] = (SECRET,)

    @pytest.fixture
    def receiver(self, sink: WebSink) -> Notify:
        self.sink = sink
        return Notify([f"json://user:{SECRET}@127.0.0.1:{sink.port}/"])

    def received(self, receiver: Any) -> str:
        return " ".join(str(each) for each in self.sink.json())

    def broken(self) -> Receiver:
        return Notify([f"json://user:{SECRET}@127.0.0.1:{closed_port()}/"])


class TestLog(ReceiverKit):
    @pytest.fixture
    def receiver(self, caplog: pytest.LogCaptureFixture) -> LogReceiver:
        self.caplog = caplog
        caplog.set_level(logging.INFO, logger="perfkit.alerts")
        return LogReceiver()

    def received(self, receiver: Any) -> str:
        return self.caplog.text


def text_of(mail: str) -> str:
    parsed = email.message_from_bytes(mail.encode(), policy=email.policy.default)
    return f"{parsed['Subject']}\n{parsed.get_content()}"


def eventually(is_true: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Bench:
    """A started manager on the real clock, with one gauge to raise and lower."""

    def __init__(self, **receivers: Receiver) -> None:
        self.manager = AlertManager(settings=AlertsSettings(log=False))
        self.manager.add_rule(
            Rule(name="Deep", metric=DEPTH.name, above=5.0, hold=0.0, keep_firing_for=0.0, by=("queue",))
        )
        for name, receiver in receivers.items():
            self.manager.add_receiver(name, receiver, route=NOW)
        self.manager.start()

    def depth(self, value: float, *queues: str) -> None:
        for queue in queues or ("mail",):
            self.manager.store.set(self.manager.store.row(DEPTH, (queue,)), value)
        self.manager.evaluate()

    def receiver(self, name: str) -> Any:
        self.manager.evaluate()
        return next(each for each in self.manager.snapshot().receivers if each.name == name)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *exception: object) -> None:
        self.manager.stop()


def told(sink: WebSink) -> list[tuple[str, str]]:
    """Return queue and status of all alerts that arrived, in order."""
    return [(each["labels"]["queue"], each["status"]) for body in sink.json() for each in body["alerts"]]


def test_the_payload_is_what_receivers_of_alertmanager_know(sink: WebSink) -> None:
    webhook = Webhook(f"{sink.url}/hook", instance="web-1", external_url="https://shop.example.com/perfkit/")
    fires, over = alert(http_route="/a"), alert("Other", state=AlertState.RESOLVED, http_route="/b")
    webhook.deliver(notification(fires, over))
    (body,) = sink.json()
    labels = {"alertname": "SlowResponses", "severity": "critical", "service": "shop", "instance": "web-1"}
    assert set(body) == {
        "version",
        "groupKey",
        "truncatedAlerts",
        "status",
        "receiver",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "externalURL",
        "alerts",
    }
    assert (body["version"], body["status"], body["receiver"]) == ("4", "firing", "people")
    assert body["commonLabels"] == {"severity": "critical", "service": "shop", "instance": "web-1"}
    first, second = body["alerts"]
    assert first["labels"] == {**labels, "http_route": "/a"}
    assert first["fingerprint"] == fingerprint({**labels, "http_route": "/a"})
    assert (first["startsAt"], first["endsAt"]) == ("2023-11-14T22:13:20Z", "0001-01-01T00:00:00Z")
    assert (second["status"], second["endsAt"]) == ("resolved", "2023-11-14T22:15:00Z")
    assert first["annotations"]["runbook_url"] == "https://example.com/runbook"
    assert sink.posted[0].headers["content-type"] == "application/json"


def test_a_webhook_is_signed_and_a_forgery_is_not(sink: WebSink) -> None:
    Webhook(sink.url, hmac_key="key").deliver(notification())
    (posted,) = sink.posted
    header, now = posted.headers["x-perfkit-signature"], time.time()
    assert is_signed(posted.body, header, "key", now)
    assert not is_signed(posted.body + b" ", header, "key", now)
    assert not is_signed(posted.body, header, "other", now)
    assert not is_signed(posted.body, header, "key", now + 301.0)
    assert not is_signed(posted.body, "t=,v1=", "key", now)


def test_a_message_may_be_limited_and_says_what_it_left_out(sink: WebSink) -> None:
    Webhook(sink.url, max_alerts=3).deliver(notification(*(alert(f"R{number}") for number in range(10))))
    (body,) = sink.json()
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (3, 7)


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(400, True), (401, True), (404, True), (410, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_an_answer_says_whether_it_is_worth_trying_again(sink: WebSink, status: int, is_final: bool) -> None:
    sink.statuses = [status]
    with pytest.raises(DeliveryError, match=f"answered {status}") as caught:
        Webhook(f"{sink.url}/{SECRET}").deliver(notification())
    assert caught.value.is_final is is_final
    assert SECRET not in str(caught.value)


def test_retry_after_is_understood_as_number_and_as_date(sink: WebSink) -> None:
    sink.statuses, sink.headers = [429], {"Retry-After": "17"}
    with pytest.raises(DeliveryError) as caught:
        Webhook(sink.url).deliver(notification())
    assert caught.value.retry_after == 17.0
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_450.0) == 30.0
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1_545_412_450.0) == 0.0
    assert [retry_after(text, 0.0) for text in ("", "soon", "-3", "²")] == [None] * 4


def test_a_redirect_to_elsewhere_is_not_followed(sink: WebSink) -> None:
    with WebSink().running() as other:
        for status in (301, 302, 303, 307, 308):
            sink.statuses, sink.headers = [status], {"Location": f"{other.url}/{SECRET}"}
            with pytest.raises(DeliveryError, match="not followed") as caught:
                Webhook(f"{sink.url}/{SECRET}").deliver(notification())
            assert caught.value.is_final
            assert SECRET not in str(caught.value)
        assert other.posted == []


def test_a_redirect_on_the_same_server_that_keeps_the_method_is_followed(sink: WebSink) -> None:
    sink.statuses, sink.headers = [308], {"Location": "/new"}
    Webhook(f"{sink.url}/old").deliver(notification())
    assert [each.path for each in sink.posted] == ["/old", "/new"]
    assert sink.posted[0].body == sink.posted[1].body
    sink.statuses = [308] * 9
    with pytest.raises(DeliveryError, match="in circles"):
        Webhook(f"{sink.url}/old").deliver(notification())


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "//x", "http://", "http://a b/", "http://x:99999/"])
def test_only_addresses_of_the_web_are_taken(url: str) -> None:
    with pytest.raises(AlertError, match=r"must begin with http:// or https://"):
        Webhook(url)


def test_user_and_password_of_an_address_become_a_header(sink: WebSink) -> None:
    Webhook(f"http://ann:p%40ss@127.0.0.1:{sink.port}/x").deliver(notification())
    assert sink.posted[0].headers["authorization"] == "Basic YW5uOnBAc3M="
    assert sink.posted[0].path == "/x"


def test_a_proxy_of_the_environment_is_used(sink: WebSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", sink.url)
    Webhook("http://hooks.example.com/x?y=z").deliver(notification())
    assert sink.posted[0].path == "http://hooks.example.com/x?y=z"
    assert sink.posted[0].headers["host"] == "hooks.example.com"


@pytest.mark.parametrize(("delay", "drip"), [(30.0, 0.0), (0.0, 0.3)], ids=["silent", "a byte now and then"])
def test_a_request_ends_at_its_deadline(sink: WebSink, delay: float, drip: float) -> None:
    sink.delay, sink.drip = delay, drip
    began = time.monotonic()
    with pytest.raises(DeliveryError, match="did not answer within 1 s"):
        Webhook(sink.url, timeout=1.0).deliver(notification())
    assert time.monotonic() - began < 8.0


def test_a_server_that_is_no_web_server_is_an_error_like_any_other(mails: MailSink) -> None:
    with pytest.raises(DeliveryError, match="cannot be reached") as caught:
        Webhook(f"http://127.0.0.1:{mails.port}/{SECRET}").deliver(notification())
    assert not caught.value.is_final


def test_a_receiver_that_is_down_loses_nothing_and_learns_what_is() -> None:
    port = closed_port()
    with Bench(hook=Webhook(f"http://127.0.0.1:{port}/", timeout=2.0)) as bench:
        bench.depth(9.0, "mail", "print", "scan")
        eventually(lambda: bench.receiver("hook").failures >= 1)
        bench.depth(1.0, "scan")
        with WebSink().running(port) as sink:
            eventually(lambda: bench.receiver("hook").waiting == 0)
            # The first one was tried again and again; what came and went behind it was never told.
            assert told(sink) == [("mail", "firing"), ("print", "firing")]
            assert bench.receiver("hook").dropped == 0


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_receiver_that_refuses_for_a_while_gets_everything_in_the_end(sink: WebSink, status: int) -> None:
    sink.statuses, sink.headers = [status] * 2, {"Retry-After": "1"}
    with Bench(hook=Webhook(sink.url)) as bench:
        bench.depth(9.0, "mail", "print")
        eventually(lambda: len(sink.posted) >= 4 and bench.receiver("hook").waiting == 0)
        accepted = [(each["labels"]["queue"]) for body in sink.json()[2:] for each in body["alerts"]]
        assert sorted(accepted) == ["mail", "print"]
        assert bench.receiver("hook").failing_since is None


def test_a_slow_receiver_holds_up_no_other_and_not_the_evaluation(sink: WebSink) -> None:
    sink.delay = 60.0
    with WebSink().running() as quick, Bench(slow=Webhook(sink.url, timeout=20.0), quick=Webhook(quick.url)) as bench:
        began = time.monotonic()
        bench.depth(9.0, "mail")
        eventually(lambda: told(quick) == [("mail", "firing")] and len(sink.posted) == 1)
        bench.depth(1.0, "mail")
        eventually(lambda: told(quick) == [("mail", "firing"), ("mail", "resolved")])
        assert time.monotonic() - began < 15.0
        sink.released.set()
        eventually(lambda: told(sink) == [("mail", "firing"), ("mail", "resolved")])


def test_a_refused_message_does_not_hold_up_the_next(sink: WebSink) -> None:
    sink.statuses = [400]
    with Bench(hook=Webhook(sink.url)) as bench:
        bench.depth(9.0, "mail")
        eventually(lambda: bench.receiver("hook").dropped == 1)
        bench.depth(9.0, "print")
        eventually(lambda: ("print", "firing") in told(sink))


def test_what_waits_is_sent_once_more_at_the_end(sink: WebSink) -> None:
    with Bench(hook=Webhook(sink.url)) as bench:
        bench.depth(9.0, "mail")
    assert told(sink) == [("mail", "firing")]


def test_a_mail_says_what_is_wrong_and_cannot_be_made_to_say_more(mails: MailSink) -> None:
    receiver = Email(
        host="127.0.0.1",
        port=mails.port,
        sender="perfkit@example.com",
        to=["ops@example.com", "ann@example.com"],
        encryption="none",
    )
    name = "Slow\r\nBcc: victim@example.com\r\n\r\n."
    receiver.deliver(notification(alert(name, http_route="/reports"), alert("Other")))
    ((sender, to, mail),) = mails.mails
    assert (sender, to) == ("perfkit@example.com", ["ops@example.com", "ann@example.com"])
    parsed = email.message_from_bytes(mail.encode(), policy=email.policy.default)
    assert parsed["Subject"].startswith("[CRITICAL] shop: Slow")
    assert parsed["Bcc"] is None
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert "runbook_url: https://example.com/runbook" in parsed.get_content()
    assert "(http_route=/reports)" in parsed.get_content()


def test_a_long_message_is_cut_with_a_count(mails: MailSink) -> None:
    receiver = Email(host="127.0.0.1", port=mails.port, sender="a@b", to=["c@d"], encryption="none")
    receiver.deliver(notification(*(alert(f"R{number:02}") for number in range(50))))
    text = text_of(mails.mails[0][2])
    assert "…and 30 more." in text
    assert "R19" in text
    assert "R20" not in text


@pytest.mark.parametrize(("answer", "is_final"), [("550 no such user", True), ("451 later", False)])
def test_a_refused_recipient_is_final_or_not(mails: MailSink, answer: str, is_final: bool) -> None:
    mails.refuse = answer
    receiver = Email(host="127.0.0.1", port=mails.port, sender="a@b", to=["c@d"], encryption="none")
    with pytest.raises(DeliveryError, match="refused all recipients") as caught:
        receiver.deliver(notification())
    assert caught.value.is_final is is_final


def test_a_mail_server_without_tls_gets_nothing_unless_that_is_wanted(mails: MailSink) -> None:
    context = ssl.create_default_context()
    receiver = Email(host="127.0.0.1", port=mails.port, sender="a@b", to=["c@d"], password=SECRET, context=context)
    with pytest.raises(DeliveryError) as caught:
        receiver.deliver(notification())
    assert SECRET not in str(caught.value)
    assert mails.mails == []
    with pytest.raises(AlertError, match="in clear"):
        Email(host="x", sender="a@b", to=["c@d"], password=SECRET, encryption="none")


@pytest.mark.parametrize("address", ["nobody", "a@b\r\nBcc: c@d"])
def test_what_is_no_mail_address_is_refused(address: str) -> None:
    with pytest.raises(AlertError, match="no e-mail address"):
        Email(host="x", sender="a@b", to=[address])


def test_an_address_that_apprise_does_not_know_is_refused_without_showing_it() -> None:
    with pytest.raises(DeliveryError, match="address 1 of the receiver") as caught:
        Notify([f"nothing-such://{SECRET}"]).deliver(notification())
    assert caught.value.is_final
    assert SECRET not in str(caught.value)


def test_without_apprise_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "apprise" else real(name, *rest)
    )
    with pytest.raises(MissingDependencyError, match=r"pip install 'perfkit\[notify\]'"):
        build_receiver("chat", {"type": "apprise", "urls": ["ntfy://x"]})


RECEIVERS: list[dict[str, Any]] = [
    {"type": "webhook", "url": f"https://x/{SECRET}", "hmac_key": SECRET, "headers": {"X": SECRET}},
    {"type": "alertmanager", "urls": [f"https://x/{SECRET}"], "headers": {"X": SECRET}},
    {"type": "email", "host": "x", "sender": "a@b", "to": ["c@d"], "username": "u", "password": SECRET},
    {"type": "apprise", "urls": [f"slack://{SECRET}"]},
]


@pytest.mark.parametrize("given", RECEIVERS, ids=lambda given: given["type"])
def test_receivers_of_settings_show_no_secret(given: dict[str, Any]) -> None:
    receiver, route = build_receiver("ops", {**given, "minimum_severity": "critical", "group_wait": 5})
    assert SECRET not in f"{receiver!r} {receiver} {route!r}"
    assert (route.group_wait, str(route.minimum_severity)) == (5.0, "critical")
    settings = AlertsSettings(receivers={"ops": given})
    assert SECRET not in f"{settings!r} {settings}"
    manager = AlertManager(settings=settings)
    manager.evaluate()
    assert SECRET not in str(manager.snapshot())
    manager.stop()


def test_a_secret_is_not_pickled() -> None:
    import pickle

    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(SECRET))


needs_alertmanager = pytest.mark.skipif(
    ALERTMANAGER is None,
    reason="Alertmanager is not installed; install it with: apt-get install prometheus-alertmanager",
)


@needs_alertmanager
def test_a_real_alertmanager_takes_our_alerts_and_gives_them_the_same_fingerprint(
    sink: WebSink, tmp_path: Path
) -> None:
    with alertmanager_server(tmp_path, sink.url) as server:
        receiver, route = build_receiver("am", {"type": "alertmanager", "urls": [server.url]}, instance="web-1")
        assert route.repeat_resolved
        fires = alert(http_route='/über "x"\\\n', odd="")
        receiver.deliver(notification(fires, alert("Other", state=AlertState.RESOLVED)))
        eventually(lambda: len(server.alerts()) == 1)
        (found,) = server.alerts()
        labels = {name: value for name, value in fires.labels.items() if value} | {"instance": "web-1"}
        assert found["labels"] == labels
        assert found["fingerprint"] == fingerprint(labels)
        assert found["annotations"]["summary"] == fires.message
        assert found["startsAt"] == "2023-11-14T22:13:20.000Z"
        over = msgspec.structs.replace(fires, state=AlertState.RESOLVED, at=time.time() - 1.0)
        receiver.deliver(notification(over))
        eventually(lambda: server.alerts() == [])


@needs_alertmanager
def test_our_webhook_says_what_that_of_a_real_alertmanager_says(sink: WebSink, tmp_path: Path) -> None:
    with WebSink().running() as ours, alertmanager_server(tmp_path, sink.url) as server:
        receivers = [Alertmanager([server.url], instance="web-1"), Webhook(ours.url, instance="web-1")]
        for receiver in receivers:
            receiver.deliver(notification(receiver="hook"))
        eventually(lambda: len(sink.posted) >= 1)
        theirs, mine = sink.json()[0], ours.json()[0]
        assert set(mine) == set(theirs)
        assert set(mine["alerts"][0]) == set(theirs["alerts"][0])
        same = ("version", "status", "receiver", "groupKey", "groupLabels", "commonLabels", "truncatedAlerts")
        assert {name: mine[name] for name in same} == {name: theirs[name] for name in same}
        for name in ("status", "labels", "annotations", "fingerprint", "startsAt"):
            assert mine["alerts"][0][name] == theirs["alerts"][0][name]


@needs_alertmanager
def test_a_manager_keeps_a_real_alertmanager_up_to_date(sink: WebSink, tmp_path: Path) -> None:
    with alertmanager_server(tmp_path, sink.url) as server:
        receiver, route = build_receiver("am", {"type": "alertmanager", "urls": [server.url]})
        with Bench() as bench:
            bench.manager.add_receiver("am", receiver, route=route)
            bench.depth(9.0, "mail", "print")
            eventually(lambda: {each["labels"]["queue"] for each in server.alerts()} == {"mail", "print"})
            bench.depth(1.0, "mail")
            eventually(lambda: {each["labels"]["queue"] for each in server.alerts()} == {"print"})
            ends = {each["endsAt"] for each in server.alerts()}
            assert all(each > time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 60)) for each in ends)


@needs_alertmanager
def test_one_member_of_a_cluster_is_enough(sink: WebSink, tmp_path: Path) -> None:
    with alertmanager_server(tmp_path, sink.url) as server:
        Alertmanager([f"http://127.0.0.1:{closed_port()}", server.url]).deliver(notification())
        eventually(lambda: len(server.alerts()) == 1)
