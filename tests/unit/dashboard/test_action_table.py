"""Each action does to a real system what its button says, is kept in a list that all workers show, and never raises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import until

from perfkit.dashboard import ACTIONS, Done, act, given_of, page_entry, render
from perfkit.dashboard.actions.audit import MOST, audited
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.pages.service.actions import ActionsFound
from perfkit.dashboard.parameters import read
from perfkit.store.texts import RING_BYTES
from perfkit.system import PerformanceSystem
from tests.unit.dashboard.samples import AT, HOSTILE, STATES_BY_NAME


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem({"service": "shop"}, environment="testing") as system:
        yield system


def do(system: PerformanceSystem, what: str, **said: str) -> Done:
    fields = ACTIONS[what].fields
    values = {name: parameter.read(said.get(name, "")) for name, parameter in fields.items()}
    return act(system, what, read("act", fields).with_values(values), "127.0.0.1 (cookie)")


def test_the_service_is_drained_and_takes_traffic_again(system: PerformanceSystem) -> None:
    assert do(system, "service-drain").is_done
    assert system.health.snapshot().is_draining
    do(system, "service-resume")
    assert not system.health.snapshot().is_draining


def test_a_recording_begins_and_is_taken_back(system: PerformanceSystem) -> None:
    assert do(system, "recording-begin").is_done
    assert len(system.store.past.recordings) == 1
    assert do(system, "recording-end").result == "What was before counts again."
    assert do(system, "recording-end").result == "There is no recording to take back."
    assert [each.what for each in audited(system)] == ["recording-end", "recording-end", "recording-begin"]


def test_the_cache_forgets_all_or_a_part(system: PerformanceSystem) -> None:
    cache, other = system.cache, system.cache.namespace("other")

    def fill() -> None:
        cache.set("product:1", "a", tags=["shop"])
        cache.set("cart:1", "b")
        other.set("product:1", "c")

    fill()
    do(system, "cache-invalidate-tag", tag="shop")
    assert (cache.get("product:1"), cache.get("cart:1")) == (None, "b")
    fill()
    do(system, "cache-invalidate-pattern", pattern="product:*")
    assert (cache.get("product:1"), cache.get("cart:1"), other.get("product:1")) == (None, "b", "c")
    do(system, "cache-clear", namespace="other")
    assert (cache.get("cart:1"), other.get("product:1")) == ("b", None)
    do(system, "cache-clear")
    assert cache.get("cart:1") is None


@pytest.mark.parametrize("what", ["cache-clear", "cache-invalidate-pattern"])
def test_no_namespace_is_made_by_asking_for_one(what: str, system: PerformanceSystem) -> None:
    before = len(system.cache._namespaces)
    done = do(system, what, namespace="made-up", pattern="*")
    assert (done.is_done, "has no namespace 'made-up'" in done.result) == (False, True)
    assert len(system.cache._namespaces) == before


def test_a_server_is_drained_and_restored(system: PerformanceSystem) -> None:
    system.load_balancer.add_server("app-1", host="10.0.0.1", port=8000)
    assert do(system, "server-drain", server="app-1").is_done
    assert system.load_balancer.snapshot().servers["app-1"].state == "draining"
    assert do(system, "server-restore", server="app-1").is_done
    assert system.load_balancer.snapshot().servers["app-1"].state != "draining"


def test_alerts_are_silenced_and_that_is_ended(system: PerformanceSystem) -> None:
    done = do(system, "alert-silence", rule="slow_responses", seconds="600")
    (silence,) = system.alerts.get_silences()
    assert silence.id in done.result
    assert do(system, "alert-unsilence", silence=silence.id).is_done


@pytest.mark.parametrize("what", [word for word, action in ACTIONS.items() if action.fields and word != "cache-clear"])
def test_what_is_not_known_or_not_said_is_not_done_and_says_why(what: str, system: PerformanceSystem) -> None:
    for said in ("", "no-such-thing", HOSTILE, "\ud800\0"):
        done = do(system, what, **dict.fromkeys(ACTIONS[what].fields, said))
        assert done.result
        done.result.encode()
    assert len(audited(system)) == 4


def test_no_statement_is_ever_run_that_a_visitor_sends(system: PerformanceSystem) -> None:
    done = do(system, "database-explain", shape="SELECT 1; DROP TABLE users")
    assert done.result == "No plan: there is no such shape, or its text is gone."


def test_the_list_is_bounded_and_the_last_comes_first(system: PerformanceSystem) -> None:
    for number in range(MOST + 5):
        do(system, "cache-clear", namespace=f"space-{number}")
    told = audited(system)
    assert len(told) == MOST
    assert told[0].said == {"namespace": f"space-{MOST + 4}"}
    assert (told[0].who, told[0].what) == ("127.0.0.1 (cookie)", "cache-clear")


def test_all_workers_show_what_one_did(tmp_path: Path) -> None:
    settings = {"service": "shop", "store": {"directory": str(tmp_path)}}
    first, second = (PerformanceSystem(settings, environment="production", origin="shop.py") for _ in range(2))
    with first, second:
        done = do(first, "service-drain")
        assert [each.id for each in audited(second)] == [done.id]
        until(lambda: second.health.snapshot().is_draining)


def test_nothing_that_the_traffic_causes_pushes_out_what_was_done(tmp_path: Path) -> None:
    settings = {"service": "shop", "store": {"directory": str(tmp_path)}}
    with PerformanceSystem(settings, environment="production", origin="shop.py") as system:
        done = do(system, "service-resume")
        for number in range(RING_BYTES // 1000 + 100):
            system.store.texts.append("database.finding", {"id": number, "text": "x" * 1000})
        assert [each.id for each in audited(system)] == [done.id]


def test_a_record_of_another_version_is_passed_over(system: PerformanceSystem) -> None:
    system.store.audit.append("action", {"id": 3})
    do(system, "service-resume")
    assert [each.what for each in audited(system)] == ["service-resume"]


def test_the_page_shows_forms_to_who_may_act_and_hostile_words_as_text() -> None:
    entry = page_entry("actions")
    shown, given = STATES_BY_NAME["advised"], given_of(entry)
    done = Done(
        id="0" * 12, at=AT, who=HOSTILE, what=HOSTILE, said={HOSTILE: HOSTILE}, is_done=False, result=HOSTILE * 40
    )
    page = render(entry, shown, ActionsFound((done,)), given)
    assert HOSTILE not in page
    assert '<form class="act"' not in page
    assert action_form(shown, given, "service-drain", "Drain") is None
