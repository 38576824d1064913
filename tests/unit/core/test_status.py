from __future__ import annotations

import pytest

from perfkit.core.status import Status


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ([], Status.UNKNOWN),
        ([Status.UNKNOWN], Status.UNKNOWN),
        ([Status.UNKNOWN, Status.HEALTHY], Status.HEALTHY),
        ([Status.HEALTHY, Status.WARNING], Status.WARNING),
        ([Status.CRITICAL, Status.WARNING, Status.UNKNOWN], Status.CRITICAL),
    ],
)
def test_the_worst_of_several_counts(statuses: list[Status], worst: Status) -> None:
    assert Status.worst(statuses) is worst


def test_order_runs_from_healthy_to_critical() -> None:
    assert Status.HEALTHY.is_better_than(Status.WARNING)
    assert Status.WARNING.is_better_than(Status.CRITICAL)
    assert not Status.UNKNOWN.is_better_than(Status.HEALTHY)


def test_people_and_health_json_have_their_own_words() -> None:
    assert [status.word for status in Status] == ["Collecting", "Healthy", "Degraded", "Failing"]
    assert [status.health_json for status in Status] == ["pass", "pass", "warn", "fail"]
