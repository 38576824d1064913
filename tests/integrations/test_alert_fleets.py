"""Several workers, one alert: deaths, restarts and newcomers, over real shared files and a fake clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfkit.alerts import Alert, AlertManager, AlertsSettings, Notification, Route, Rule
from perfkit.core.context import Context
from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock

DEPTH = Definition(name="queue_depth", type=MetricType.GAUGE, mode=GaugeMode.LATEST)
JOBS = Definition(name="jobs_total", type=MetricType.COUNTER)

ROUTE = Route(group_wait=0.0, group_interval=0.0, repeat_interval=3_600.0, rate=100.0, burst=100.0)


class Recorder:
    """A receiver shared by all workers: what people got."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.is_down = False

    def deliver(self, notification: Notification) -> None:
        if self.is_down:
            raise OSError("down")
        self.got += [f"{'F' if alert.is_firing else 'R'}:{alert.name}" for alert in notification.alerts]


class Fleet:
    """Workers of one service: each a store on the same files and a manager; one clock."""

    def __init__(self, directory: Path, *rules: Rule) -> None:
        self.directory, self.rules = directory, rules
        self.clock = FakeClock()
        self.recorder = Recorder()
        self.events: list[Alert] = []
        self.workers: list[AlertManager] = []

    def join(self) -> AlertManager:
        store = Store(StoreSettings(directory=str(self.directory)), clock=self.clock)
        store.open()
        context = Context(store=store, clock=self.clock)
        manager = AlertManager(settings=AlertsSettings(log=False), context=context)
        for rule in self.rules:
            manager.add_rule(rule)
        manager.add_receiver("people", self.recorder, route=ROUTE)
        manager.on_alert(self.events.append)
        self.workers.append(manager)
        self.pass_seconds(0)
        return manager

    @property
    def leader(self) -> AlertManager:
        (found,) = [each for each in self.workers if each.store.is_leader]
        return found

    def kill_leader(self) -> None:
        """The leader is gone without a word: its lease runs out by itself."""
        dead = self.leader
        self.workers.remove(dead)
        self.dead = [*getattr(self, "dead", []), dead]

    def stop(self, manager: AlertManager) -> None:
        """A worker ends in order."""
        self.workers.remove(manager)
        manager.stop()
        manager.store.close()

    def pass_seconds(self, seconds: int, depth: float | None = None) -> None:
        for _ in range(max(1, seconds)):
            if seconds:
                self.clock.advance(1.0)
            for manager in self.workers:
                if depth is not None:
                    manager.store.set(manager.store.row(DEPTH), depth)
                manager.store.tick(self.clock.now)
                manager.tick(self.clock.now)

    def close(self) -> None:
        for manager in [*self.workers, *getattr(self, "dead", [])]:
            manager.stop()
            manager.store.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    rule = Rule(name="Deep", metric=DEPTH.name, above=5.0, hold=20.0, keep_firing_for=20.0)
    fleet = Fleet(tmp_path, rule)
    yield fleet
    fleet.close()


def names(alerts: list[Alert]) -> list[str]:
    return [alert.name for alert in alerts]


def test_four_workers_send_one_alert_and_one_end(fleet: Fleet) -> None:
    for _ in range(4):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    assert fleet.recorder.got == ["F:Deep"]
    fleet.pass_seconds(60, depth=1.0)
    assert fleet.recorder.got == ["F:Deep", "R:Deep"]
    assert [str(alert.state) for alert in fleet.events] == ["firing", "resolved"]


def test_every_worker_answers_for_all(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    assert [names(each.get_active_alerts()) for each in fleet.workers] == [["Deep"]] * 3
    assert [each.snapshot().is_evaluating for each in fleet.workers].count(True) == 1
    assert {each.snapshot().status for each in fleet.workers} == {"warning"}
    assert {tuple(rule.name for rule in each.snapshot().rules) for each in fleet.workers} == {("Deep",)}
    assert [len(each.get_alert_history()) for each in fleet.workers] == [1, 1, 1]


def test_what_fires_is_not_told_anew_when_the_leader_dies(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    before = fleet.leader.get_active_alerts()[0].started_at
    fleet.kill_leader()
    fleet.pass_seconds(60, depth=9.0)
    assert fleet.recorder.got == ["F:Deep"]
    assert fleet.leader.get_active_alerts()[0].started_at == before
    fleet.pass_seconds(60, depth=1.0)
    assert fleet.recorder.got == ["F:Deep", "R:Deep"]


def test_hold_goes_on_over_the_death_of_the_leader(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.join()
    fleet.pass_seconds(12, depth=9.0)
    assert names([*fleet.leader.snapshot().pending]) == ["Deep"]
    fleet.kill_leader()
    fleet.pass_seconds(18, depth=9.0)
    assert fleet.recorder.got == ["F:Deep"]


def test_what_ended_while_nobody_led_is_told(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    fleet.kill_leader()
    fleet.pass_seconds(60, depth=1.0)
    assert fleet.recorder.got == ["F:Deep", "R:Deep"]


def test_what_the_dead_leader_could_not_deliver_is_delivered(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.join()
    fleet.recorder.is_down = True
    fleet.pass_seconds(60, depth=9.0)
    assert fleet.recorder.got == []
    fleet.kill_leader()
    fleet.recorder.is_down = False
    fleet.pass_seconds(20, depth=9.0)
    assert fleet.recorder.got == ["F:Deep"]


def test_a_leader_that_sleeps_and_wakes_tells_nothing_twice(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    sleeper = fleet.leader
    fleet.kill_leader()
    fleet.pass_seconds(30, depth=9.0)
    fleet.workers.append(sleeper)
    fleet.dead.remove(sleeper)
    fleet.pass_seconds(30, depth=9.0)
    assert len([each for each in fleet.workers if each.store.is_leader]) == 1
    assert fleet.recorder.got == ["F:Deep"]


def test_a_leader_stopped_in_order_hands_over_at_once(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    fleet.stop(fleet.leader)
    fleet.pass_seconds(15, depth=9.0)
    assert fleet.leader.snapshot().is_evaluating
    assert fleet.recorder.got == ["F:Deep"]


def test_a_restart_of_all_workers_does_not_tell_anew(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    started_at = fleet.leader.get_active_alerts()[0].started_at
    for manager in list(fleet.workers):
        fleet.stop(manager)
    fleet.clock.advance(30.0)
    for _ in range(2):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    assert fleet.recorder.got == ["F:Deep"]
    assert fleet.leader.get_active_alerts()[0].started_at == started_at
    fleet.pass_seconds(60, depth=1.0)
    assert fleet.recorder.got == ["F:Deep", "R:Deep"]


def test_what_was_over_when_all_came_back_is_told(fleet: Fleet) -> None:
    fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    fleet.stop(fleet.leader)
    fleet.clock.advance(300.0)
    fleet.join()
    fleet.pass_seconds(60, depth=1.0)
    assert fleet.recorder.got == ["F:Deep", "R:Deep"]


def test_a_rule_that_is_gone_after_a_restart_ends_its_alert(fleet: Fleet) -> None:
    fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    fleet.stop(fleet.leader)
    fleet.rules = ()
    fleet.join()
    fleet.pass_seconds(20, depth=9.0)
    assert fleet.recorder.got == ["F:Deep", "R:Deep"]


def test_a_newcomer_knows_what_fires(fleet: Fleet) -> None:
    fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    newcomer = fleet.join()
    newcomer.start()
    assert names(newcomer.get_active_alerts()) == ["Deep"]
    assert not newcomer.snapshot().is_evaluating


def test_a_silence_reaches_all_workers_and_outlives_the_one_that_set_it(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.join()
    follower = next(each for each in fleet.workers if not each.store.is_leader)
    silence = follower.silence("Deep", duration=600.0, author="ann", comment="known")
    fleet.pass_seconds(1)
    assert [[each.id for each in manager.get_silences()] for manager in fleet.workers] == [[silence.id]] * 3
    fleet.stop(follower)
    fleet.kill_leader()
    fleet.pass_seconds(60, depth=9.0)
    assert fleet.recorder.got == []
    assert fleet.leader.get_active_alerts()[0].is_silenced
    newcomer = fleet.join()
    newcomer.start()
    assert [each.author for each in newcomer.get_silences()] == ["ann"]


def test_a_silence_can_be_ended_by_any_worker(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.join()
    silence = fleet.workers[0].silence("Deep", duration=600.0)
    fleet.pass_seconds(60, depth=9.0)
    assert fleet.workers[1].unsilence(silence.id)
    assert not fleet.workers[1].unsilence(silence.id)
    fleet.pass_seconds(15, depth=9.0)
    assert [manager.get_silences() for manager in fleet.workers] == [[], []]
    assert fleet.recorder.got == ["F:Deep"]


def test_an_acknowledgement_by_any_worker_stops_the_repeats(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    follower = next(each for each in fleet.workers if not each.store.is_leader)
    (alert,) = follower.acknowledge("Deep", author="ann")
    assert alert.acknowledged_by == "ann"
    fleet.clock.advance(7_200.0)
    fleet.pass_seconds(30, depth=9.0)
    assert fleet.recorder.got == ["F:Deep"]
    assert fleet.leader.get_active_alerts()[0].acknowledged_by == "ann"


def test_what_nobody_acknowledged_is_repeated(fleet: Fleet) -> None:
    fleet.join()
    fleet.pass_seconds(60, depth=9.0)
    fleet.clock.advance(3_600.0)
    fleet.pass_seconds(30, depth=9.0)
    assert fleet.recorder.got == ["F:Deep", "F:Deep"]


def test_the_next_leader_knows_the_past_of_counters(tmp_path: Path) -> None:
    rule = Rule(name="Busy", metric=JOBS.name, measure="rate", above=4.0, window=60.0, hold=0.0, keep_firing_for=0.0)
    fleet = Fleet(tmp_path, rule)
    for _ in range(2):
        fleet.join()
    worker = fleet.workers[0]
    for _ in range(70):
        worker.store.add(worker.store.row(JOBS), 5.0)
        fleet.pass_seconds(1)
    assert fleet.recorder.got == ["F:Busy"]
    fleet.kill_leader()
    survivor = fleet.workers[0]
    for _ in range(30):
        survivor.store.add(survivor.store.row(JOBS), 5.0)
        fleet.pass_seconds(1)
    assert fleet.recorder.got == ["F:Busy"]
    assert survivor.get_active_alerts()[0].value == pytest.approx(5.0, rel=0.2)
    fleet.close()


def test_samples_of_rules_that_look_far_back_survive_a_restart(tmp_path: Path) -> None:
    rule = Rule(name="Many", metric=JOBS.name, measure="increase", above=99.0, window=7_200.0, hold=0.0)
    fleet = Fleet(tmp_path, rule)
    worker = fleet.join()
    fleet.pass_seconds(20)
    worker.store.add(worker.store.row(JOBS), 60.0)
    fleet.pass_seconds(130)
    fleet.stop(worker)
    fleet.clock.advance(600.0)
    worker = fleet.join()
    fleet.pass_seconds(20)
    assert fleet.recorder.got == []
    worker.store.add(worker.store.row(JOBS), 60.0)
    fleet.pass_seconds(20)
    assert fleet.recorder.got == ["F:Many"]
    fleet.close()


STORIES: list[tuple[str, str, list[str]]] = [
    # One letter every ten seconds: h high, l low, K the leader is killed, S it stops in order, N one more joins; then
    # what people get.
    ("quiet", "NNllllllKlllll", []),
    ("a death before anything happens", "NNlKhhhhllll", ["F:Deep", "R:Deep"]),
    ("two deaths while it fires", "NNNhhhhKhhKhhllll", ["F:Deep", "R:Deep"]),
    ("a death in each phase", "NNNNlhKhhKhhlKlll", ["F:Deep", "R:Deep"]),
    ("stops in each phase", "NNNNlhShhShhlSlll", ["F:Deep", "R:Deep"]),
    ("a spike too short, with a death in it", "NNlhKlllll", []),
    ("a dip too short, with a death in it", "NNhhhhlKhhhh", ["F:Deep"]),
    ("newcomers all the time", "NhNhNhNhNhNlNlNlNlNl", ["F:Deep", "R:Deep"]),
    ("a rolling restart", "NNhhhNShNShNShllll", ["F:Deep", "R:Deep"]),
    ("two firings", "NNhhhhlllllhhhhKlllll", ["F:Deep", "R:Deep", "F:Deep", "R:Deep"]),
]


@pytest.mark.parametrize(("story", "got"), [line[1:] for line in STORIES], ids=[line[0] for line in STORIES])
def test_a_story_of_a_fleet(fleet: Fleet, story: str, got: list[str]) -> None:
    moves: dict[str, Any] = {
        "N": fleet.join,
        "K": fleet.kill_leader,
        "S": lambda: fleet.stop(fleet.leader),
        "h": lambda: fleet.pass_seconds(10, depth=9.0),
        "l": lambda: fleet.pass_seconds(10, depth=1.0),
    }
    for letter in story:
        moves[letter]()
    assert fleet.recorder.got == got


COUNTED: list[tuple[str, str, list[str]]] = [
    # As above; j is a job a second, - is none, X is a restart of all workers, E one that begins with empty files.
    ("a counter that stands still", "NN--------", []),
    ("jobs, and then none", "NN--jjj--------", ["F:Busy", "R:Busy"]),
    ("a death while they come", "NN--jjKjjj-------", ["F:Busy", "R:Busy"]),
    ("a death that takes no count away", "NN--jjj-K--------", ["F:Busy", "R:Busy"]),
    ("a newcomer counts on where a dead one ended", "NN--K----N--------", []),
    ("a restart of all in the middle", "NN--jjXjj---------", ["F:Busy", "R:Busy"]),
    ("a restart counts nothing twice", "NN--jjj------X-------", ["F:Busy", "R:Busy"]),
    ("a restart with empty files is no jump", "NN--jjj-------E-------", ["F:Busy", "R:Busy"]),
    ("after empty files it is news again", "NN--jjj-------E--jjj-------", ["F:Busy", "R:Busy"] * 2),
    ("without any worker for a while nothing is told", "NN--jjj--------SS----N-----", ["F:Busy", "R:Busy"]),
]


def busy(directory: Path) -> Fleet:
    return Fleet(
        directory,
        Rule(name="Busy", metric=JOBS.name, measure="increase", window=60.0, above=15.0, hold=0.0, keep_firing_for=0.0),
    )


@pytest.mark.parametrize(("story", "got"), [line[1:] for line in COUNTED], ids=[line[0] for line in COUNTED])
def test_a_story_of_counters(tmp_path: Path, story: str, got: list[str]) -> None:
    fleet, told = busy(tmp_path / "0"), []
    for number, letter in enumerate(story, 1):
        if letter in "XE":
            told += fleet.recorder.got
            fleet = anew(fleet, fleet.directory if letter == "X" else tmp_path / str(number))
        elif letter in "j-":
            work(fleet, is_busy=letter == "j")
        elif letter == "N":
            fleet.join()
        elif letter == "K":
            fleet.kill_leader()
        else:
            fleet.stop(fleet.workers[-1])
    told += fleet.recorder.got
    fleet.close()
    assert told == got


def anew(fleet: Fleet, directory: Path) -> Fleet:
    """Return as many new workers as there were."""
    fleet.close()
    after = busy(directory)
    after.clock = fleet.clock
    for _ in fleet.workers:
        after.join()
    return after


def work(fleet: Fleet, *, is_busy: bool) -> None:
    for _ in range(10):
        if is_busy:
            store = fleet.workers[-1].store
            store.add(store.row(JOBS), 1.0)
        fleet.pass_seconds(1)


@pytest.mark.parametrize("deaths", [(), (3,), (7, 20)], ids=["no death", "one before", "one in it and one after"])
def test_flapping_is_told_once_whoever_leads(tmp_path: Path, deaths: tuple[int, ...]) -> None:
    fleet = Fleet(tmp_path, Rule(name="Deep", metric=DEPTH.name, above=5.0, hold=0.0, keep_firing_for=0.0))
    for _ in range(3):
        fleet.join()
    for number in range(30):
        if number in deaths:
            fleet.kill_leader()
        fleet.pass_seconds(20, depth=9.0 if number % 2 else 1.0)
    told = list(fleet.recorder.got)
    # Five changes are told, the sixth says that it flaps; then nothing but silence.
    assert told[:5] == ["F:Deep", "R:Deep", "F:Deep", "R:Deep", "F:Deep"]
    assert len(told) == 6
    fleet.pass_seconds(700, depth=1.0)
    assert fleet.recorder.got == [*told, "R:Deep"]
    fleet.close()
