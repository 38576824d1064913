"""`perfkit top` without a terminal: what keys mean, what is chosen, and that each frame fits its screen."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace
from overviews import Canned, canned, encoded, finding, made, route

from perfkit.cli.main import main
from perfkit.cli.reading.overview import Overview, decoded
from perfkit.cli.reading.past import RANGES as SERVED
from perfkit.cli.reading.past import Past, past
from perfkit.cli.reading.service import Service, ServiceError
from perfkit.cli.top.frame import Line, Moment, Screen, drawn
from perfkit.cli.top.glyphs import ASCII, UNICODE
from perfkit.cli.top.keys import Keys
from perfkit.cli.top.painting import Painter
from perfkit.cli.top.view import RANGES, SORTS, VIEWS, View
from perfkit.cli.top.waterfall import waterfall
from perfkit.performance.snapshot import Trend
from perfkit.recorder.kept import KeptError, KeptExchange, KeptFrame, KeptSpan

ROUTES = tuple(route(f"/items/{n}", requests=100 + n, p95=0.001 * (n + 1), errors=n) for n in range(30))


def text(lines: list[Line]) -> list[str]:
    return ["".join(word.text for word in line) for line in lines]


def frame(
    overview: Overview | None, view: View | None = None, width: int = 80, height: int = 24, **more: Any
) -> list[str]:
    moment = Moment(place="127.0.0.1:8000", overview=overview, clock="14:52:10", **more)
    return text(drawn(moment, view or View(), Screen(width, height, UNICODE)))


# keys


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"q", ["q"]),
        (b"jk", ["j", "k"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA", ["up"]),
        (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b"\r\n\x7f", ["enter", "enter", "backspace"]),
        (b"\x1b[200~x", ["x"]),
        (b"\x1b[1;5A", []),
        (b"\x1b\x1b[A", ["escape", "up"]),
        ("é".encode(), ["é"]),
        (b"\x00\x01", []),
        (b"\xff\xfe", []),
    ],
)
def test_bytes_are_keys(typed: bytes, keys: list[str]) -> None:
    assert Keys().feed(typed) == keys


@given(cuts=st.lists(st.integers(0, 30), max_size=6))
def test_a_sequence_may_come_in_pieces(cuts: list[int]) -> None:
    typed = "aé\x1b[A\x1bOB€\x1b[5~q".encode()
    keys, read, before = Keys(), [], 0
    for cut in [*sorted(min(cut, len(typed)) for cut in cuts), len(typed)]:
        read += keys.feed(typed[before:cut])
        before = cut
    assert read == ["a", "é", "up", "down", "€", "page up", "q"]


def test_escape_alone_is_a_key_once_nothing_follows() -> None:
    keys = Keys()
    assert keys.feed(b"\x1b") == []
    assert keys.rest() == ["escape"]
    assert keys.rest() == []


@given(typed=st.binary(max_size=200))
def test_whatever_is_typed_is_bounded(typed: bytes) -> None:
    keys = Keys()
    for byte in typed:
        keys.feed(bytes([byte]))
    assert len(keys.feed(b"q" * 20)) >= 3


# what is chosen


def pressed(view: View, *keys: str) -> View:
    for key in keys:
        view.press(key)
    return view


def test_keys_move_within_the_rows() -> None:
    view = View(rows=3)
    assert pressed(view, "down", "down", "down", "j").row == 2
    assert pressed(view, "up", "k", "k").row == 0
    assert pressed(view, "end").row == 2
    assert pressed(view, "home", "page down").row == 2
    assert pressed(View(rows=0), "down", "end", "enter").page == "routes"


def test_enter_opens_and_escape_comes_back() -> None:
    view = pressed(View(rows=2), "enter")
    assert view.page == "route"
    assert pressed(view, "escape").page == "routes"


@pytest.mark.parametrize("key", VIEWS)
def test_a_page_has_a_key_that_opens_and_closes_it(key: str) -> None:
    view = pressed(View(rows=1), key)
    assert view.page == VIEWS[key]
    assert pressed(view, key).page == "routes"


def test_sorting_goes_round() -> None:
    view = View()
    assert [pressed(view, "s").sort for _ in SORTS] == [*SORTS[1:], SORTS[0]]


def test_a_filter_is_typed_and_kept_or_dropped() -> None:
    view = pressed(View(rows=5), "/", "q", "x", "backspace", "enter")
    assert (view.filter, view.is_typing, view.is_over) == ("q", False, False)
    assert pressed(view, "/", "z", "escape").filter == ""
    assert len(pressed(View(), "/", *"x" * 500).filter) == 60


def test_q_ends_and_p_pauses() -> None:
    assert pressed(View(), "q").is_over
    assert pressed(View(), "p").is_paused
    assert not pressed(View(), "p", "p").is_paused


# the frame


def test_the_first_screen_says_what_is_slow_and_why() -> None:
    overview = made(routes=ROUTES, findings=(finding(route="GET /items/3"),))
    lines = frame(overview, width=120)
    assert lines[0].startswith(" perfkit top  shop/testing  0 workers")
    assert "90/100 ● Healthy  14:52:10" in lines[0]
    assert "within its target of 300 ms" in lines[1]
    assert "p95 100 ms" in lines[2]
    assert "SHARE▼" in lines[3]
    assert any("/items/3" in line and "PK101" in line for line in lines)
    assert lines[-1].strip().startswith("↑↓ move")
    assert len(lines) == 24


KEPT = KeptExchange(
    id="a1",
    at=1.0,
    seconds=0.612,
    reason="slow",
    method="GET",
    route="/items/0",
    status=200,
    span_count=300,
    spans=(
        KeptSpan(kind="sql", name="SELECT product", total=0.038, intervals=((0.0, 0.038),)),
        KeptSpan(
            kind="sql",
            name="SELECT review",
            site="shop/views.py:48",
            count=214,
            total=0.306,
            intervals=tuple((0.1 + n * 0.002, 0.0015) for n in range(214)),
        ),
        KeptSpan(kind="outbound", name="GET stock.internal", total=0.1, intervals=((9.0, 0.1), (-1.0, 0.1))),
        KeptSpan(kind="python", name="nothing"),
    ),
    exception=KeptError(type="ValueError", message="no", frames=(KeptFrame("shop/views.py", 50, "total"),)),
)


def test_a_kept_request_is_a_waterfall() -> None:
    lines = list(waterfall(KEPT, 100, UNICODE))
    assert lines[0] == " GET /items/0   200   612 ms   kept as slow   a1"
    whole, product = lines[1], lines[2]
    assert whole.count("█") == whole.index("612 ms") - whole.index("█") - whole[whole.rindex("█") :].index("6") + 1
    assert product.index("█") == whole.index("█")
    assert 0 < product.count("█") < 0.1 * whole.count("█")
    review = next(line for line in lines if "x214 SELECT review" in line)
    assert review.index("█") > product.index("█")
    assert "306 ms" in review
    assert "   shop/views.py:48" in lines
    assert lines[-1] == " and 83 spans more, which were not kept"
    assert "   shop/views.py:50 in total" in lines


@pytest.mark.parametrize("interval", [(1e308, 1e308), (-1e308, 1e308), (0.0, -1e308), (1e308, -1e308)])
def test_times_that_no_chart_holds_cost_no_frame(interval: tuple[float, float]) -> None:
    span = KeptSpan(kind="sql", name="SELECT x", total=1.0, intervals=(interval,))
    kept = replace(KEPT, seconds=1e-300, spans=(span,))
    assert all(len(line) <= 80 for line in waterfall(kept, 80, UNICODE) if "SELECT" in line)


def test_enter_on_a_route_leads_to_its_slowest_request_and_escape_back() -> None:
    view, overview = View(), made(routes=ROUTES[:1])
    frame(overview, view)
    pressed(view, "enter")
    frame(overview, view)
    assert view.opened == "GET /items/0"
    pressed(view, "enter")
    assert any("Asking for it" in line for line in frame(overview, view))
    told = Moment(place="x", overview=overview, kept_route="GET /items/0", kept=KEPT)
    assert any("SELECT review" in line for line in text(drawn(told, view, Screen(80, 24, UNICODE))))
    missing = Moment(place="x", overview=overview, kept_route="GET /items/0")
    assert any("None of it is kept" in line for line in text(drawn(missing, view, Screen(80, 24, UNICODE))))
    assert pressed(view, "escape").page == "route"
    assert pressed(view, "escape").page == "routes"


@pytest.mark.parametrize("page", ["routes", "route", "request", *VIEWS.values()])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("size", [(80, 24), (20, 5), (200, 60), (1, 1), (40, 2), (60, 3)])
def test_every_page_fits_every_screen(page: str, glyphs: object, size: tuple[int, int]) -> None:
    overview = made(
        routes=ROUTES,
        findings=tuple(finding(f"PK1{n:02}", message="m" * 500, route="GET /items/1") for n in range(60)),
        database={
            "statements": 5,
            "seconds": 1.5,
            "top": [{"sql": "SELECT " + "x" * 900, "calls": 5, "callers": [{"site": "a.py:1"}]}],
        },
        cache={"hits": 5, "hit_ratio": 0.5, "bytes": 5, "strategy": "lru", "namespaces": {"home": {"hits": 1}}},
    )
    screen = Screen(*size, glyphs)  # type: ignore[arg-type]  # of parametrize
    for moment in (
        Moment(place="x", overview=overview, clock="now"),
        Moment(place="x", overview=overview, error="e" * 900),
        Moment(place="x", overview=overview, kept_route="GET /items/0", kept=KEPT),
        Moment(place="x", overview=overview, kept_route="GET /items/0", kept_error="e" * 900),
        Moment(place="x", overview=None, error="e" * 900),
        Moment(place="x" * 300, overview=None),
    ):
        for row in (0, 15, 29):
            view = View(page=page, row=row, rows=30, scroll=row, opened="GET /items/0")
            lines = text(drawn(moment, view, screen))
            assert len(lines) <= size[1]
            assert max(map(len, lines)) <= size[0]
            assert glyphs is UNICODE or "".join(lines).isascii()


def test_the_statements_a_request_stand_in_a_column_and_sort() -> None:
    routes = (replace(route("/many"), queries=216.4), replace(route("/few"), queries=2.5), route("/unknown"))
    lines = frame(made(routes=routes), View(sort="queries"), width=110)
    titles = lines[3].split()
    assert titles[titles.index("ERR") + 1] == f"Q{UNICODE.down}"
    at = lines[3].index(f"Q{UNICODE.down}")
    assert [line[at - 4 : at + 2].strip() for line in lines[4:7]] == ["216", "2.5", "—"]


def test_a_longer_range_has_its_own_routes_and_charts() -> None:
    trend = Trend(step=60.0, rate=(1.0, 2.0), p95=(0.1, 0.9))
    longer = Past(range="6h", window=21_600.0, routes=(route("/of/the/past"),), trend=trend)
    lines = frame(made(routes=ROUTES), past=longer)
    assert "ROUTE 6h" in lines[3]
    assert "/of/the/past" in lines[4]
    assert not any("/items/" in line for line in lines)
    assert any(sign in lines[2] for sign in "▁▂▃▄▅▆▇█")
    assert "ROUTE 5m" in frame(made(routes=ROUTES))[3]


def test_keys_choose_the_range() -> None:
    view = View()
    assert [(view.press(key), view.range)[1] for key in "2341"] == ["1h", "6h", "24h", "5m"]
    assert tuple(RANGES.values()) == SERVED


def test_a_range_is_asked_for_with_its_routes(service: Canned) -> None:
    known = made(routes=(replace(route("/a"), queries=7.0),))
    service.answers["/perfkit/api/overview?range=1h"] = (200, encoded(replace(known, trend=Trend(step=60.0))))
    told = {"version": 1, "window": 3600.0, "total": 2, "from": 0, "routes": to_builtins([route("/a"), route("/b")])}
    service.answers["/perfkit/api/routes?range=1h"] = (200, json.dumps(told).encode())
    asked = Service(urlsplit(service.url))
    overview, longer = past(asked, "1h")
    assert longer is not None
    assert [(each.route, each.queries) for each in longer.routes] == [("/a", 7.0), ("/b", None)]
    assert (longer.window, longer.trend) == (3600.0, Trend(step=60.0))
    assert past(asked, "5m") == (decoded(service.answers["/perfkit/api/overview"][1], "x"), None)
    for code, body in ((404, b""), (200, b"[]"), (200, b"<html>"), (200, b'{"window": "x", "routes": []}')):
        service.answers["/perfkit/api/routes?range=1h"] = (code, body)
        with pytest.raises(ServiceError, match="did not tell its routes of 1h"):
            past(asked, "1h")
    assert overview.service == "shop"


def test_what_is_chosen_stays_in_sight() -> None:
    view = View()
    overview = made(routes=ROUTES)
    frame(overview, view)
    for key in ["down"] * 40 + ["up"] * 40:
        view.press(key)
        marked = [line for line in frame(overview, view) if line.startswith("▸")]
        assert len(marked) == 1
    assert view.rows == 30


def test_the_order_and_the_filter_are_kept_to() -> None:
    names = [line.split()[1] for line in frame(made(routes=ROUTES), View(sort="p95"))[4:8]]
    assert names == ["/items/29", "/items/28", "/items/27", "/items/26"]
    lines = frame(made(routes=ROUTES), View(filter="ITEMS/7"))
    assert sum("/items/" in line for line in lines) == 1
    assert any("No route has 'nothing'" in line for line in frame(made(routes=ROUTES), View(filter="nothing")))


def test_a_route_that_was_opened_shows_what_was_found_on_it() -> None:
    overview = made(routes=ROUTES[:1], findings=(finding(route="GET /items/0"), finding("PK999", route="GET /other")))
    said = "\n".join(frame(overview, View(page="route", rows=1)))
    assert "GET /items/0" in said
    assert "Do: Load all of them" in said
    assert "PK999" not in said


def test_a_service_that_went_away_keeps_its_last_numbers() -> None:
    lines = frame(made(routes=ROUTES), error="it did not answer")
    assert "No newer answer: it did not answer" in lines[1]
    assert any("/items/" in line for line in lines)


def test_components_that_are_off_are_said_to_be() -> None:
    bare = made()
    overview = Overview(
        version=1, at=bare.at, service="s", environment="e", verdict=bare.verdict, performance=None, health=None
    )
    assert any("performance component is switched off" in line for line in frame(overview))
    for page in ("database", "cache", "runtime"):
        assert any("switched off" in line for line in frame(overview, View(page=page)))


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\n\r"


@pytest.mark.parametrize("page", ["routes", "route", *VIEWS.values()])
@pytest.mark.parametrize("by_rich", [True, False], ids=["rich", "plain"])
def test_nothing_that_a_service_says_is_obeyed(page: str, by_rich: bool) -> None:
    import msgspec

    told = msgspec.json.encode(
        made(
            routes=(route(f"/{HOSTILE}[red]x[/red]"),),
            findings=(finding(message=HOSTILE, action=HOSTILE, site=HOSTILE, route=f"GET /{HOSTILE}[red]x[/red]"),),
            service=HOSTILE,
            database={"top": [{"sql": HOSTILE, "callers": [{"site": HOSTILE}]}]},
            cache={"strategy": HOSTILE, "namespaces": {HOSTILE: {}}},
        )
    )
    lines = drawn(
        Moment(place="x", overview=decoded(told, "x"), clock=""), View(page=page, rows=1), Screen(120, 40, UNICODE)
    )
    painted = Painter(is_coloured=False, by_rich=by_rich).text(lines, 120)
    assert not set(painted) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}
    coloured = Painter(is_coloured=True, by_rich=by_rich).text(lines, 120)
    assert "]0;" not in coloured.replace("\ufffd]0;", "")
    assert "\x1b[2J" not in coloured


@pytest.mark.parametrize("by_rich", [True, False], ids=["rich", "plain"])
def test_a_painted_screen_erases_what_was_there(by_rich: bool) -> None:
    painted = Painter(is_coloured=True, by_rich=by_rich).screen(
        drawn(Moment(place="x", overview=made()), View(), Screen(80, 24, UNICODE)), 80
    )
    assert painted.startswith("\x1b[H")
    assert painted.endswith("\x1b[K\x1b[J")
    assert painted.count("\r\n") == 23


# the command, where there is no terminal


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "12")
    with canned() as server:
        server.tells(made(routes=ROUTES))
        yield server


def test_one_frame_is_printed_where_there_is_no_terminal(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", service.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 3 < len(lines) <= 12
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in "".join(lines)


def test_without_rich_the_frame_is_ascii(
    service: Canned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["top", service.url, "--once"]) == 0
    assert capsys.readouterr().out.isascii()


def test_programs_get_an_object_a_line(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", service.url, "--once", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["version"], told["command"], len(told["routes"])) == (1, "top", 30)


def test_a_service_that_cannot_be_asked_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "http://127.0.0.1:1"]) == 3
    assert "did not answer" in capsys.readouterr().err
