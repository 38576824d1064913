"""Measured blocks: what is counted, what is too much, and what is said of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import StaticPool

from perfkit.system import PerformanceSystem
from perfkit.testing import LimitExceededError, Measurement, assert_scales, best_of, measure
from perfkit.testing.measuring.limits import Excess, Limits
from perfkit.testing.measuring.report import FORMATS, written
from perfkit.testing.measuring.session import Collector, Session, told


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE review (id INTEGER PRIMARY KEY, product INTEGER)"))
    yield made
    made.dispose()


def send(engine: Engine, times: int = 1) -> None:
    with engine.connect() as connection:
        for number in range(times):
            connection.execute(text("SELECT id FROM review WHERE product = :product"), {"product": number})


def test_statements_are_counted_by_shape_and_line(engine: Engine) -> None:
    with measure() as measured:
        send(engine, 4)
    assert measured.queries == 4
    (statement,) = measured.statements
    assert (statement.count, statement.summary) == (4, "SELECT review")
    assert re.fullmatch(r".*test_measuring\.py:\d+", statement.site)
    assert measured.seconds > 0.0


def test_values_are_not_kept(engine: Engine) -> None:
    with measure() as measured, engine.connect() as connection:
        connection.execute(text("SELECT id FROM review WHERE product = 8154711"))
    assert "8154711" not in repr(measured.statements) + repr(measured.findings)


def test_transaction_control_is_not_counted(engine: Engine) -> None:
    with measure() as measured, engine.begin() as connection:
        connection.execute(text("SAVEPOINT here"))
        connection.execute(text("INSERT INTO review (product) VALUES (1)"))
        connection.execute(text("RELEASE here"))
    assert measured.queries == 1


def test_what_is_sent_before_and_after_a_block_is_not_counted(engine: Engine) -> None:
    send(engine)
    with measure() as measured:
        send(engine)
    send(engine)
    assert measured.queries == 1


def test_blocks_within_blocks_count_each_for_themselves(engine: Engine) -> None:
    with measure() as outer:
        send(engine)
        with measure() as inner:
            send(engine, 2)
    assert (outer.queries, inner.queries) == (3, 2)


def test_statements_of_other_threads_are_counted(engine: Engine) -> None:
    with measure() as measured:
        thread = threading.Thread(target=send, args=(engine, 3))
        thread.start()
        thread.join()
    assert measured.queries == 3


FIRST = """
from sqlalchemy import create_engine, text
from perfkit.testing import measure

with create_engine("sqlite://").connect() as connection:
    connection.execute(text("SELECT 1"))
    with measure() as measured:
        connection.execute(text("SELECT 2"))
assert measured.queries == 1, measured.queries
"""


WITHIN_AN_APP = """
from sqlalchemy import create_engine, text
from perfkit.database import DatabaseOptimizer
from perfkit.testing import measure

DatabaseOptimizer().start()
with create_engine("sqlite://").connect() as connection:
    connection.execute(text("SELECT 1"))
    assert "do_execute" in vars(connection.dialect)
    with measure() as measured:
        connection.execute(text("SELECT 2"))
assert measured.queries == 1, measured.queries
"""

OF_OTHER_KINDS = """
from sqlalchemy import create_engine, text
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from perfkit.testing import measure

calls = []

class Own(SQLiteDialect_pysqlite):
    def do_execute(self, cursor, statement, parameters, context=None):
        calls.append(statement)
        super().do_execute(cursor, statement, parameters, context)

def swapped():
    engine = create_engine("sqlite://")
    engine.dialect.__class__ = Own
    return engine.connect()

with create_engine("sqlite://").connect() as plain, swapped() as own:
    with measure() as measured:
        for connection in (plain, own, plain, own):
            connection.execute(text("SELECT 2"))

assert measured.queries == 4, measured.queries
assert calls == ["SELECT 2", "SELECT 2"], calls
"""


@pytest.mark.parametrize("program", [FIRST, WITHIN_AN_APP, OF_OTHER_KINDS])
def test_a_connection_that_was_out_before_anything_was_measured_is_seen(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_statement_that_fails_was_sent_too(engine: Engine) -> None:
    with measure() as measured, engine.connect() as connection, pytest.raises(Exception, match="no such table"):
        connection.execute(text("SELECT id FROM no_such_thing"))
    assert measured.queries == 1


def test_an_app_that_starts_and_stops_its_own_perfkit_takes_nothing_away(engine: Engine) -> None:
    with measure() as measured:
        send(engine)
        system = PerformanceSystem({"store": {"mode": "memory"}, "environment": "testing"})
        system.start()
        send(engine)
        system.stop()
        send(engine)
    assert measured.queries == 3


def test_too_many_queries_say_which_and_what_to_do(engine: Engine) -> None:
    with pytest.raises(LimitExceededError) as raised, measure(max_queries=3):
        send(engine, 5)
    lines = str(raised.value).splitlines()
    assert lines[0] == "perfkit: 5 queries, limit 3  (PK101 n_plus_one)"
    assert lines[1] == "  5 × SELECT id FROM review WHERE product = ?"
    assert "connection.execute(text(" in lines[2]
    assert any(line.startswith("  Do: ") for line in lines)
    (excess,) = raised.value.excesses
    assert (excess.code, excess.site.rpartition(":")[0]) == ("PK101", lines[2].strip().partition(":")[0])


def test_an_n_plus_one_fails_where_none_is_allowed(engine: Engine) -> None:
    with pytest.raises(LimitExceededError, match="SELECT"), measure(no_n_plus_one=True):
        send(engine, 5)
    with measure(no_n_plus_one=True):
        send(engine)


@pytest.mark.parametrize(("codes", "is_failing"), [("PK1", True), ("PK101", True), (("PK2", "PK3"), False)])
def test_findings_fail_by_their_code(engine: Engine, codes: Any, is_failing: bool) -> None:
    measured = Measurement(Limits.of({"fail_on": codes}))
    measured.start()
    send(engine, 5)
    measured.stop()
    assert bool(list(measured.excesses())) is is_failing


def test_the_error_of_a_block_comes_before_its_limits(engine: Engine) -> None:
    def break_off() -> None:
        send(engine)
        raise KeyError("its own")

    with pytest.raises(KeyError), measure(max_queries=0):
        break_off()


def test_memory_is_measured_where_a_limit_asks_for_it() -> None:
    with measure() as plain:
        pass
    assert plain.memory is None
    with (
        pytest.raises(LimitExceededError, match=r"perfkit: \d+\.\d MiB of memory, limit 1\.0 MiB"),
        measure(max_memory="1MiB"),
    ):
        bytearray(4 * 2**20)
    with measure(max_memory="8MiB") as kept:
        bytearray(4 * 2**20)
    assert kept.memory is not None
    assert 4 * 2**20 <= kept.memory < 5 * 2**20


def test_a_measurement_within_another_does_not_make_it_forget_its_peak() -> None:
    with measure(max_memory="64MiB") as outer:
        bytearray(8 * 2**20)
        with measure(max_memory="64MiB") as inner:
            bytearray(2 * 2**20)
        with measure(max_memory="64MiB"):
            pass
    assert outer.memory is not None
    assert inner.memory is not None
    assert 8 * 2**20 <= outer.memory < 9 * 2**20
    assert 2 * 2**20 <= inner.memory < 3 * 2**20


def test_time_is_limited_by_the_best_of_several_runs() -> None:
    with pytest.raises(LimitExceededError, match="limit 1e-06 ms"):
        best_of(lambda: sum(range(1000)), max_seconds=1e-9)
    assert 0.0 < best_of(lambda: None, repeat=3, max_seconds="30s") < 30.0
    with pytest.raises(ValueError, match="repeat is 0"):
        best_of(lambda: None, repeat=0)


def test_queries_that_grow_with_the_data_are_found(engine: Engine) -> None:
    with pytest.raises(LimitExceededError) as raised:
        assert_scales(lambda size: send(engine, size), sizes=(1, 4, 10))
    lines = str(raised.value).splitlines()
    assert lines[0] == "perfkit: queries grow with the data: 1 for 1, 4 for 4, 10 for 10; allowed is 0"
    assert lines[1].startswith("  1 → 10 × SELECT id FROM review WHERE product = ?")
    assert [each.queries for each in assert_scales(lambda size: send(engine), sizes=(1, 10))] == [1, 1]
    assert_scales(lambda size: send(engine, size), sizes=(1, 10), max_growth=9)
    with pytest.raises(ValueError, match="Two sizes are needed"):
        assert_scales(print, sizes=(1,))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_querys": 3}, "max_querys is no limit. They are max_queries"),
        ({"max_queries": -1}, "max_queries is -1. It is a whole number from 0"),
        ({"max_queries": True}, "max_queries is True"),
        ({"max_queries": "5"}, "max_queries is '5'"),
        ({"max_seconds": "soon"}, "max_seconds is 'soon'. It is a number of seconds"),
        ({"max_seconds": float("nan")}, "max_seconds is nan"),
        ({"max_memory": "20 apples"}, "max_memory is '20 apples'. It is a number of bytes"),
        ({"no_n_plus_one": 1}, "no_n_plus_one is 1. It is True or False"),
        ({"fail_on": "N+1"}, "fail_on has 'N\\+1'. It holds codes"),
    ],
)
def test_what_is_no_limit_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message), measure(**given):
        pass


def test_limits_read_units() -> None:
    limits = Limits.of({"max_seconds": "300ms", "max_memory": "20MB", "fail_on": ["PK1", "PK201"]})
    assert limits == Limits(None, 0.3, 20_000_000, False, ("PK1", "PK201"))
    assert Limits.of({"max_seconds": "1.5s", "max_memory": "2 KiB"})[1:3] == (1.5, 2048)
    assert Limits(max_queries=1).merged(Limits(max_queries=5, max_seconds=2.0)) == Limits(1, 2.0)


HOSTILE = '<img src=x onerror=alert(1)>|`"\n::error::x'


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_reports_hold_hostile_names_as_text(suffix: str) -> None:
    test = {
        "queries": 3,
        "seconds": 0.5,
        "memory": None,
        "findings": [{"code": "PK101", "kind": "n", "message": HOSTILE, "action": HOSTILE, "site": HOSTILE}],
        "excesses": [],
    }
    page = written(suffix, [(HOSTILE, test)])
    if suffix == ".json":
        assert json.loads(page)["tests"][HOSTILE] == test
    else:
        assert "<img" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_annotations_stay_one_line_each() -> None:
    collector = Collector()
    told_of = told(Measurement(), (Excess(HOSTILE, "PK101"),), "a,b:c.py:7")
    collector.add("t", told_of)
    (line,) = collector.annotations()
    assert line.startswith("::error file=a%2Cb%3Ac.py,line=7,title=perfkit PK101::<img")
    assert "\n" not in line


@pytest.mark.parametrize("content", ["", "[]", '{"queries": 3}', '{"queries": {"a": "many"}}'])
def test_a_broken_baseline_is_told(tmp_path: Any, content: str) -> None:
    path = tmp_path / "base.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="is no baseline"):
        Session.of(max_queries=None, fail_on=None, baseline=path, report=None, is_updating=False)
