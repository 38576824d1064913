"""Whatever happens to alerts and receivers: nothing that lasts is lost, nothing is told without end, no storm."""

from __future__ import annotations

import functools
import random

from hypothesis import given, settings
from hypothesis.strategies import booleans, floats, integers, lists, sampled_from, tuples

from perfkit.alerts.alert import Alert, AlertState, Severity, fingerprint
from perfkit.alerts.delivery.outbox import Outbox
from perfkit.alerts.numbers.past import Cell, increases
from perfkit.alerts.routing.grouping import Grouping
from perfkit.alerts.routing.route import Route
from perfkit.alerts.states.machine import Policy, Reading, Standing, step

NAMES = ("A", "B", "C")


@functools.cache
def alert(name: str, state: AlertState, started_at: float) -> Alert:
    labels = {"alertname": name, "service": "shop"}
    return Alert(
        fingerprint=fingerprint(labels),
        name=name,
        severity=Severity.WARNING,
        state=state,
        message="",
        source="",
        value=1.0,
        threshold=1.0,
        at=started_at,
        started_at=started_at,
        labels=labels,
    )


class World:
    """Alerts that come and go, one receiver that is up or down, and what it believes."""

    def __init__(self, seed: int) -> None:
        self.firing: dict[str, float] = {}
        self.over: dict[str, float] = {}
        self.grouping = Grouping(Route(group_by=("service",), group_wait=5.0, group_interval=20.0))
        self.outbox = Outbox(rate=1.0 / 10.0, burst=3.0, rng=random.Random(seed))
        self.believed: dict[str, AlertState] = {}
        self.messages: list[float] = []
        self.episodes = 0

    def flip(self, name: str, now: float) -> None:
        if name in self.firing:
            self.over[name] = self.firing.pop(name)
        else:
            self.firing[name] = now
            self.over.pop(name, None)
            self.episodes += 1

    def pass_second(self, now: float, *, is_up: bool, replies: bool) -> None:
        alerts = [alert(name, AlertState.FIRING, at) for name, at in self.firing.items()]
        alerts += [alert(name, AlertState.RESOLVED, at) for name, at in self.over.items()]
        for message in self.grouping.flush(alerts, now):
            self.outbox.put(message, now)
        attempt = self.outbox.take(now)
        if attempt is None:
            return
        if is_up:
            self.messages.append(now)
            for each in attempt.message.alerts:
                self.believed[each.name] = each.state
        if is_up and replies:
            self.outbox.succeeded()
            for part in attempt.parts:
                self.grouping.confirm(part.key, part.alerts, part.at)
        else:
            self.outbox.failed(now)


steps = lists(tuples(sampled_from(NAMES), booleans(), booleans(), integers(1, 40)), max_size=10)


@settings(deadline=None, max_examples=40)
@given(steps=steps, seed=integers(0, 1_000))
def test_when_all_is_calm_the_receiver_knows_what_is(steps: list[tuple[str, bool, bool, int]], seed: int) -> None:
    world, now = World(seed), 0.0
    for name, is_up, replies, seconds in steps:
        world.flip(name, now)
        for _ in range(seconds):
            now += 1.0
            world.pass_second(now, is_up=is_up, replies=replies)
    for _ in range(400):
        now += 1.0
        world.pass_second(now, is_up=True, replies=True)
    assert {name for name, state in world.believed.items() if state is AlertState.FIRING} == set(world.firing)


@settings(deadline=None, max_examples=40)
@given(steps=steps, seed=integers(0, 1_000))
def test_messages_never_exceed_the_rate(steps: list[tuple[str, bool, bool, int]], seed: int) -> None:
    world, now = World(seed), 0.0
    for name, is_up, replies, seconds in steps:
        world.flip(name, now)
        for _ in range(seconds):
            now += 1.0
            world.pass_second(now, is_up=is_up, replies=replies)
    for index, begin in enumerate(world.messages):
        within = [at for at in world.messages[index:] if at - begin <= 60.0]
        assert len(within) <= 3 + 60 / 10 + 1


@given(segments=lists(lists(integers(0, 50), min_size=1, max_size=5), min_size=1, max_size=5))
def test_an_increase_over_restarts_is_the_sum_of_what_was_added(segments: list[list[int]]) -> None:
    readings, wanted, previous = [], 0.0, 0.0
    for number, additions in enumerate(segments):
        total = 0.0
        for addition in additions:
            total += addition
            readings.append(total)
        if number == 0:
            wanted += total - readings[0]
        elif readings[-len(additions)] < previous:
            wanted += total
        else:
            # It rose above its old value between two looks: that it began anew cannot be seen.
            wanted += total - previous
        previous = total
    assert abs(increases([Cell(value) for value in readings]).total - wanted) < 1e-6


@given(
    readings=lists(floats(0.0, 10.0) | sampled_from([None]), max_size=60),
    hold=sampled_from((0.0, 10.0, 30.0)),
    keep=sampled_from((0.0, 20.0)),
    clear=sampled_from((None, 3.0)),
)
def test_what_fires_was_wrong_for_long_enough_and_what_is_over_was_well(
    readings: list[float | None], hold: float, keep: float, clear: float | None
) -> None:
    policy = Policy(threshold=5.0, clear=clear, hold=hold, keep_firing_for=keep)
    standing, history = Standing(), []
    for slot, value in enumerate(readings):
        now = slot * 10.0
        before = standing
        standing = step(policy, standing, Reading(value), now)
        history.append(value)
        if standing.state is AlertState.FIRING and before.state is not AlertState.FIRING:
            recent = history[-int(hold / 10.0) - 1 :]
            assert all(each is not None and each > 5.0 for each in recent)
        if standing.state is AlertState.RESOLVED and before.state is AlertState.FIRING:
            recent = history[-int(keep / 10.0) - 1 :]
            good = 5.0 if clear is None else clear
            assert all(each is None or each <= good for each in recent)
