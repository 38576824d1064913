"""What waits for one receiver: newest state, order, retries, rate, digests, bounds."""

from __future__ import annotations

import random

import msgspec
import pytest

from perfkit.alerts.alert import Alert, AlertState
from perfkit.alerts.delivery.outbox import DIGEST, Outbox
from perfkit.alerts.delivery.pacing import Bucket, backoff
from perfkit.alerts.routing.grouping import Message
from perfkit.testing.receiver_kit import alert

FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED


def outbox(**changes: float) -> Outbox:
    return Outbox(**{"rate": 100.0, "burst": 100.0, **changes}, rng=random.Random(1))


def message(key: str, *alerts: Alert) -> Message:
    return Message(key=key, labels={}, alerts=alerts, at=0.0)


def taken(box: Outbox, now: float = 0.0) -> list[tuple[str, str]]:
    """Take what is due and return names and states."""
    attempt = box.take(now)
    return [] if attempt is None else [(each.name, str(each.state)) for each in attempt.message.alerts]


def test_what_is_put_is_handed_out_once() -> None:
    box = outbox()
    box.put(message("g", alert("A")), 0.0)
    assert taken(box) == [("A", "firing")]
    box.succeeded()
    assert (taken(box), len(box), box.wait(0.0)) == ([], 0, None)


def test_an_alert_that_came_and_went_untold_is_not_told() -> None:
    box = outbox()
    box.put(message("g", alert("A")), 0.0)
    box.put(message("g", alert("A", state=RESOLVED)), 1.0)
    assert (taken(box, 1.0), len(box)) == ([], 0)


def test_an_end_is_told_if_an_attempt_was_made_to_tell_the_beginning() -> None:
    box = outbox()
    box.put(message("g", alert("A")), 0.0)
    assert taken(box) == [("A", "firing")]
    box.put(message("g", alert("A", state=RESOLVED)), 1.0)
    box.failed(1.0)
    assert taken(box, 100.0) == [("A", "resolved")]


def test_a_second_firing_that_came_and_went_is_told_to_who_knows_of_the_first() -> None:
    box, second = outbox(), msgspec.structs.replace(alert("A"), started_at=1_700_000_050.0)
    over = msgspec.structs.replace(second, state=RESOLVED)
    known = frozenset({second.fingerprint})
    box.put(Message(key="g", labels={}, alerts=(second,), at=0.0, known=known), 0.0)
    box.put(message("g", over), 1.0)
    assert taken(box, 1.0) == [("A", "resolved")]


def test_an_end_alone_is_told() -> None:
    box = outbox()
    box.put(message("g", alert("A", state=RESOLVED)), 0.0)
    assert taken(box) == [("A", "resolved")]


def test_a_newer_message_about_a_group_joins_the_waiting_one() -> None:
    box = outbox()
    box.put(message("g", alert("A")), 0.0)
    box.put(message("g", alert("B")), 1.0)
    assert taken(box, 1.0) == [("A", "firing"), ("B", "firing")]


def test_what_failed_is_tried_again_later_and_what_came_meanwhile_goes_along() -> None:
    box = outbox()
    box.put(message("g", alert("A")), 0.0)
    taken(box)
    box.put(message("g", alert("B")), 0.5)
    box.failed(1.0)
    assert taken(box, 1.0) == []
    wait = box.wait(1.0)
    assert wait is not None
    assert 0.5 <= wait <= 1.5
    assert taken(box, 1.0 + wait) == [("A", "firing"), ("B", "firing")]


def test_the_oldest_group_comes_first_even_after_a_failure() -> None:
    box = outbox(burst=1.0, rate=100.0)
    box.put(message("g", alert("A")), 0.0)
    taken(box)
    box.failed(0.0)
    attempt = box.take(500.0)
    assert attempt is not None
    assert attempt.message.key == "g"


def test_nothing_else_is_handed_out_while_something_is() -> None:
    box = outbox()
    box.put(message("g", alert("A")), 0.0)
    taken(box)
    box.put(message("h", alert("B")), 0.0)
    assert taken(box) == []


def test_waits_grow_and_a_success_ends_them() -> None:
    box, waits, now = outbox(), [], 0.0
    box.put(message("g", alert("A")), 0.0)
    for _ in range(12):
        now += box.wait(now) or 0.0
        assert taken(box, now)
        box.failed(now)
        waits.append(box.wait(now) or 0.0)
    assert all(0.5 * 2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(waits[:8]))
    assert all(wait <= 300.0 for wait in waits)
    now += waits[-1]
    taken(box, now)
    box.succeeded()
    box.put(message("g", alert("B")), now)
    assert box.wait(now) == 0.0


@pytest.mark.parametrize(("asked", "low", "high"), [(30.0, 30.0, 33.0), (0.1, 0.5, 1.5), (1e9, 3_600.0, 3_960.0)])
def test_what_the_receiver_asks_for_is_honoured(asked: float, low: float, high: float) -> None:
    rng = random.Random(2)
    assert all(low <= backoff(1, rng, asked) <= high for _ in range(100))


def test_more_groups_than_the_rate_allows_go_in_one_digest() -> None:
    box = outbox(rate=0.1, burst=2.0)
    for name in "ABCDE":
        box.put(message(name, alert(name)), 0.0)
    attempt = box.take(0.0)
    assert attempt is not None
    assert (attempt.message.key, len(attempt.message.alerts), len(attempt.parts)) == (DIGEST, 5, 5)
    box.succeeded()
    assert len(box) == 0


def test_the_parts_of_a_digest_that_failed_wait_as_before() -> None:
    box = outbox(rate=0.1, burst=1.0)
    for name in "AB":
        box.put(message(name, alert(name)), 0.0)
    box.take(0.0)
    box.failed(0.0)
    box.put(message("A", alert("A", state=RESOLVED)), 1.0)
    attempt = box.take(100.0)
    assert attempt is not None
    assert [(each.name, str(each.state)) for each in attempt.message.alerts] == [("B", "firing"), ("A", "resolved")]


def test_the_rate_is_kept_in_the_long_run() -> None:
    box, sent = outbox(rate=1.0 / 30.0, burst=10.0), 0
    for second in range(3_600):
        box.put(message(f"g{second}", alert(f"A{second}")), float(second))
        if box.take(float(second)) is not None:
            box.succeeded()
            sent += 1
    assert sent <= 10 + 3_600 / 30 + 1
    assert len(box) < 40


def test_too_much_makes_the_oldest_groups_give_way_and_counts_them() -> None:
    box = outbox(most=10)
    for number in range(25):
        box.put(message(f"g{number}", alert(f"A{number}")), float(number))
    assert (len(box), box.dropped) == (10, 15)


def test_one_group_alone_is_bounded_too() -> None:
    box = outbox(most=10)
    box.put(message("g", *(alert(f"A{number}") for number in range(25))), 0.0)
    assert (len(box), box.dropped) == (10, 15)


def test_what_is_too_old_is_given_up() -> None:
    box = outbox(retry_for=60.0)
    box.put(message("g", alert("A")), 0.0)
    taken(box)
    assert box.failed(30.0) == 0
    taken(box, 59.0)
    assert box.failed(61.0) == 1
    assert len(box) == 0


def test_what_is_refused_is_gone_and_does_not_hold_up_the_next() -> None:
    box = outbox()
    box.put(message("g", alert("A")), 0.0)
    taken(box)
    assert box.refused() == 1
    box.put(message("h", alert("B")), 0.0)
    assert taken(box) == [("B", "firing")]


def test_the_worst_come_first_and_what_is_over_last() -> None:
    from perfkit.alerts.alert import Severity

    box = outbox()
    box.put(message("g", alert("W", severity=Severity.WARNING), alert("R", state=RESOLVED), alert("C")), 0.0)
    assert [name for name, _ in taken(box)] == ["C", "W", "R"]


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate=0.5, burst=3.0)
    for _ in range(3):
        bucket.take(10.0)
    assert bucket.wait(10.0) == pytest.approx(2.0)
    assert bucket.wait(11.0) == pytest.approx(1.0)
    assert bucket.available(1_000.0) == 3.0
