"""The parts of the second tier that need no server: names, envelopes, the breaker, the journal, messages."""

from __future__ import annotations

import enum
from collections import namedtuple
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from perfkit.cache import CacheManager, CacheSettings
from perfkit.cache.memory.glob import Glob
from perfkit.cache.remote.envelope import Envelope, Sealing, open_envelope, seal, token_of, tombstone
from perfkit.cache.remote.keys import NAMED, Names, ObjectNumber, packed, unpacked
from perfkit.cache.remote.messages import published, understood
from perfkit.cache.remote.tier import SharedTier
from perfkit.cache.remote.transport.breaker import Breaker
from perfkit.cache.remote.transport.connections import server_of
from perfkit.cache.remote.transport.journal import MOST, Journal
from perfkit.core.errors import CacheError, ErrorLog
from perfkit.store import Store

NAMES = Names("shop")
keys = st.recursive(
    st.text() | st.integers(-(2**70), 2**70) | st.binary() | st.none(), lambda inner: st.tuples(inner, inner)
)


class Text(str):
    """A text that is more than one, such as one marked as safe."""


class Colour(enum.Enum):
    RED = 1


Pair = namedtuple("Pair", "a b")


def test_different_keys_of_different_namespaces_have_different_names() -> None:
    places = [("a", "b:s:c"), ("a:b", "s:c"), ("a", "c"), ("a:s", "c"), ("a", ("c",)), ("a", b"c"), ("a", 1), ("b", 1)]
    places += [("a", None), ("a", (1, 2)), ("a", ((1,), 2)), ("a%3As", "c"), ("a", "")]
    assert len({NAMES.value(space, key) for space, key in places}) == len(places)
    assert len({NAMES.tag("a"), NAMES.space("a"), NAMES.fence("a"), NAMES.value("a", "a"), NAMES.everything}) == 5


@given(first=keys, second=keys)
def test_names_are_equal_just_where_keys_are(first: Any, second: Any) -> None:
    assert (NAMES.value("s", first) == NAMES.value("s", second)) == (first == second)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0, False), ("a", Text("a")), ((1, "a"), (True, Text("a")))]
)
def test_keys_that_python_takes_for_equal_have_one_name(one: Any, other: Any) -> None:
    assert one == other
    assert NAMES.value("s", one) == NAMES.value("s", other)


@pytest.mark.parametrize(
    "key", [object(), Colour.RED, (1, object()), ObjectNumber(1), (ObjectNumber(1), 2), Pair(1, 2)]
)
def test_what_means_nothing_elsewhere_has_no_name(key: Any) -> None:
    assert NAMES.value("s", key) is None


def test_types_are_told_apart() -> None:
    assert NAMES.value("s", (1, int)) != NAMES.value("s", (1.0, float))


@given(key=keys)
def test_a_key_that_travels_arrives(key: Any) -> None:
    assert unpacked(packed(key)) == key


def test_named_arguments_travel() -> None:
    assert unpacked(packed((1, NAMED, ("a", 2)))) == (1, NAMED, ("a", 2))
    with pytest.raises(CacheError):
        unpacked(packed((1, int)))


@given(
    key=st.text(alphabet="ab*?[]\\-!^ü", max_size=6), pattern=st.text(alphabet="ab*?[]\\-!^ü", min_size=1, max_size=6)
)
def test_the_pattern_of_the_server_finds_all_that_ours_matches(key: str, pattern: str) -> None:
    glob = Glob(pattern)
    if glob.matches(key):
        name = NAMES.value("s", key)
        assert name is not None
        assert redis_matches(NAMES.matching("s", glob), name)
        assert NAMES.key_of("s", name) == key


def redis_matches(pattern: bytes, text: bytes) -> bool:
    """Match as the server does, for patterns of stars, escapes and literals, which are all that are sent."""
    import re

    parts, at = [], 0
    while at < len(pattern):
        letter = pattern[at : at + 1]
        assert letter not in b"?[]"
        if letter == b"\\":
            at += 1
            parts.append(re.escape(pattern[at : at + 1]))
        else:
            parts.append(b".*" if letter == b"*" else re.escape(letter))
        at += 1
    return re.fullmatch(b"".join(parts), text, re.DOTALL) is not None


def envelope(data: bytes, *, is_pickled: bool = False) -> Envelope:
    return Envelope("run", b"e", b"s", [("t", b"v")], 1.5, 0.0, 0.25, is_pickled, data)


@given(junk=st.binary(max_size=60))
def test_what_we_did_not_write_is_no_value(junk: bytes) -> None:
    found = open_envelope(junk)
    assert found is None or isinstance(found, Envelope)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -1.0, 1e300])
@pytest.mark.parametrize("name", ["keep_stale", "sliding", "cost"])
def test_an_envelope_with_a_time_that_is_none_is_as_good_as_not_there(name: str, figure: float) -> None:
    assert open_envelope(seal(msgspec.structs.replace(envelope(b"x"), **{name: figure}))) is None


def test_an_envelope_comes_back_and_each_write_is_another_one() -> None:
    first, second = seal(envelope(b"x")), seal(envelope(b"x"))
    assert open_envelope(first) == open_envelope(second) == envelope(b"x")
    assert token_of(first) != token_of(second)
    assert open_envelope(tombstone()) is None
    assert token_of(tombstone()) != token_of(tombstone())
    assert open_envelope(None) is None
    assert token_of(None) == b""


def test_large_values_are_compressed() -> None:
    sealing = Sealing(None)
    text = "again and " * 1000
    is_pickled, data = sealing.pack(b"name", text)
    assert not is_pickled
    assert len(data) < len(text) / 10
    assert sealing.unpack(b"name", envelope(data)) == text


def test_objects_need_a_secret_and_belong_to_their_name() -> None:
    with pytest.raises(CacheError):
        Sealing(None).pack(b"name", Path("/"))
    sealing = Sealing("a secret")
    is_pickled, data = sealing.pack(b"name", Path("/"))
    assert is_pickled
    assert sealing.unpack(b"name", envelope(data, is_pickled=True)) == Path("/")
    for other, name in ((sealing, b"other"), (Sealing("another"), b"name"), (Sealing(None), b"name")):
        with pytest.raises(CacheError):
            other.unpack(name, envelope(data, is_pickled=True))


def test_the_breaker_opens_after_some_failures_and_lets_one_try() -> None:
    breaker = Breaker(threshold=3, shortest=1.0, longest=4.0)
    for now in (0.0, 0.1):
        breaker.fail(now)
        assert breaker.allows(now)
    breaker.succeed()
    for now in (1.0, 1.1, 1.2):
        breaker.fail(now)
    assert breaker.is_open
    assert [breaker.allows(now) for now in (1.3, 2.1, 2.2, 2.3)] == [False, False, True, False]
    breaker.fail(2.4)
    assert [breaker.allows(now) for now in (3.5, 4.3, 4.5)] == [False, False, True]
    breaker.close()
    assert breaker.allows(4.6)


def test_a_watched_breaker_lets_nobody_try() -> None:
    breaker = Breaker(threshold=1)
    breaker.is_watched = True
    breaker.fail(0.0)
    assert not breaker.allows(1000.0)
    breaker.close()
    assert breaker.allows(1000.0)


PAYLOADS: list[dict[str, Any]] = [
    {"tags": ["a", "b"]},
    {"space": "s", "keys": [1, "x", (1, 2)]},
    {"space": "s", "pattern": "a*"},
    {"space": "r"},
]


def test_the_journal_gives_back_what_it_took() -> None:
    journal = Journal()
    assert journal.is_empty
    for payload in PAYLOADS * 2:
        journal.add(payload)
    assert not journal.is_empty
    taken = journal.take()
    assert sorted(map(repr, taken)) == sorted(map(repr, PAYLOADS))
    assert not journal.is_empty
    journal.add({"tags": ["later"]})
    journal.put_back(taken[:1])
    journal.done()
    assert not journal.is_empty
    assert len(journal.take()) == (2 if "tags" not in taken[0] else 1)
    journal.done()
    assert journal.is_empty


def test_a_journal_that_grows_too_large_says_everything() -> None:
    journal = Journal()
    for number in range(MOST + 1):
        journal.add({"space": "s", "keys": [number]})
    assert journal.take() == [{"all": True}]


@pytest.fixture
def tiers() -> list[SharedTier]:
    settings = CacheSettings(redis_url="redis://127.0.0.1:1/0")
    return [SharedTier(settings, service="shop", store=Store(), errors=ErrorLog()) for _ in range(2)]


@pytest.mark.parametrize("payload", [*PAYLOADS, {"all": True}], ids=str)
def test_what_is_told_is_understood_by_others_and_not_by_oneself(
    tiers: list[SharedTier], payload: dict[str, Any]
) -> None:
    first, second = tiers
    _, channel, data = published(first, payload)
    assert channel == second.names.channel
    assert understood(second, data) == payload
    assert understood(first, data) is None


def test_keys_that_cannot_be_restored_tell_of_their_whole_namespace(tiers: list[SharedTier]) -> None:
    first, second = tiers
    _, _, data = published(first, {"space": "s", "keys": [(1, int)]})
    assert understood(second, data) == {"space": "s"}


@pytest.mark.parametrize("junk", [b"", b"x", b"\x80", b"\x81\xa4keys\x91\xc0"])
def test_junk_on_the_channel_is_nothing(tiers: list[SharedTier], junk: bytes) -> None:
    assert understood(tiers[0], junk) is None


def test_the_run_of_a_server_is_read_from_what_it_says_of_itself() -> None:
    assert server_of(b"# Server\r\nredis_version:7.0\r\nrun_id:0123456789abcdef0123\r\n") == "0123456789abcdef"
    assert server_of(b"# nothing") == ""


def test_a_valkey_url_is_one_too() -> None:
    cache = CacheManager(redis_url="valkey://127.0.0.1:1/0")
    assert cache._server is not None
    assert cache._server.tier.link.connections.shown == "127.0.0.1:1"
    cache.close()
