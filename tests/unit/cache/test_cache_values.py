"""Values as bytes: what comes back, what is refused, what is compressed."""

from __future__ import annotations

import datetime
import decimal
import pickle
import sys
import uuid
import zoneinfo
from typing import Any

import msgspec
import pytest

from perfkit.cache import JsonCodec, MsgpackCodec, PickleCodec
from perfkit.cache.values import packing
from perfkit.cache.values.packing import compress, decompress
from perfkit.cache.values.sizes import estimate
from perfkit.core.errors import CacheError

UTC = datetime.UTC
EVERYTHING: list[Any] = [
    None,
    True,
    2**70,
    -(2**63) - 1,
    1.5,
    "text",
    b"bytes",
    [1, [2]],
    (1, (2, [3])),
    {1, 2},
    frozenset({"a"}),
    {"a": (1,), "b": {2}},
    {1: "one"},
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    datetime.datetime(2026, 1, 2),
    datetime.date(2026, 1, 2),
    datetime.time(1, 2, 3),
    datetime.timedelta(days=-1, microseconds=7),
    decimal.Decimal("1.10"),
    uuid.UUID(int=7),
    1 + 2j,
    bytearray(b"x"),
]


@pytest.mark.parametrize("value", EVERYTHING, ids=repr)
def test_msgpack_gives_back_what_it_was_given(value: Any) -> None:
    codec = MsgpackCodec()
    back = codec.decode(codec.encode(value))
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)


class Own:
    """A class that plain data does not know."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    __hash__ = None  # type: ignore[assignment]


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    "value",
    [Own(), [Own()], {(1,): 2}, ENDLESS, datetime.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC"))],
    ids=["object", "inside", "key", "endless", "zone"],
)
def test_msgpack_refuses_what_would_not_come_back(value: Any) -> None:
    with pytest.raises(CacheError, match="msgpack"):
        MsgpackCodec().encode(value)


@pytest.mark.parametrize("value", [(1,), {1: 2}, float("nan"), b"x", {"a": {1}}, Own(), ENDLESS])
def test_json_refuses_what_would_not_come_back(value: Any) -> None:
    with pytest.raises(CacheError, match="json"):
        JsonCodec().encode(value)


def test_json_gives_back_what_it_was_given() -> None:
    value = {"a": [1, 2.5, None, True, "x"]}
    assert JsonCodec().decode(JsonCodec().encode(value)) == value


def test_a_signed_pickle_is_read_only_with_its_key() -> None:
    codec = PickleCodec(b"secret")
    data = codec.encode(Own())
    assert codec.decode(data) == Own()
    for wrong in (data[:-1] + b"x", b"x" * 32 + data[32:], data[32:], b"", PickleCodec(b"other").encode(Own())):
        with pytest.raises(CacheError):
            codec.decode(wrong)


def test_nothing_of_an_unsigned_pickle_is_run() -> None:
    ran: list[int] = []

    class Evil:
        def __reduce__(self) -> Any:
            return (exec, ("raise SystemExit",))

    with pytest.raises(CacheError):
        PickleCodec(b"secret").decode(b"\0" * 32 + pickle.dumps(Evil()))
    assert not ran


@pytest.mark.parametrize("codec", [MsgpackCodec(), JsonCodec(), PickleCodec()])
def test_damaged_bytes_are_refused(codec: Any) -> None:
    with pytest.raises(CacheError):
        codec.decode(b"\xc1\xff")


@pytest.mark.parametrize("codec", [MsgpackCodec(), JsonCodec()])
@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 100_000,
        b"[" * 100_000,
        msgspec.msgpack.encode(msgspec.msgpack.Ext(7, msgspec.msgpack.encode([10**18, 0, 0]))),
        msgspec.msgpack.encode(msgspec.msgpack.Ext(8, msgspec.msgpack.encode("no decimal"))),
    ],
    ids=["deep lists", "deep JSON", "days beyond all dates", "no decimal"],
)
def test_bytes_of_others_never_raise_anything_else(codec: Any, data: bytes) -> None:
    with pytest.raises(CacheError, match="Load the value anew"):
        codec.decode(data)


@pytest.fixture(params=["zstd", "zlib"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "zlib":
        monkeypatch.setattr(packing, "_found", [None])
    elif packing._zstd() is None:
        pytest.skip("no zstd here; install it with: pip install backports.zstd")
    return str(request.param)


def test_compression_gives_back_what_it_was_given(way: str) -> None:
    data = b"perfkit " * 10_000
    small = compress(data)
    assert len(small) < len(data) / 10
    assert decompress(small) == data


def test_what_does_not_shrink_stays_as_it_is(way: str) -> None:
    data = bytes(range(256))
    assert compress(data) == b"\0" + data
    assert decompress(compress(data)) == data


def test_a_bomb_is_refused(way: str) -> None:
    small = compress(b"\0" * 1_000_000)
    with pytest.raises(CacheError):
        decompress(small, largest=10_000)
    with pytest.raises(CacheError):
        decompress(small[:1] + (500).to_bytes(4, "big") + small[5:])
    for damaged in (b"", b"\7x", small[:20], small[:1] + b"\xff" * 4 + small[5:]):
        with pytest.raises(CacheError):
            decompress(damaged)


def test_sizes_are_about_right() -> None:
    assert estimate("x" * 1000) == sys.getsizeof("x" * 1000)
    assert 90_000 < estimate(["x" * 100 + str(number) for number in range(1000)]) < 300_000
    assert estimate(Own()) < 1000
    assert estimate(ENDLESS) < 1000
    assert estimate(list(range(1_000_000))) > 8_000_000
