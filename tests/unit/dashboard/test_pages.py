"""The table of pages: each is whole without script, bounded in what it is asked, and says what is off or asleep."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given as cases
from hypothesis.strategies import dictionaries, sampled_from, text

from perfkit.core.findings import Priority
from perfkit.dashboard import PAGES, Entry, encode, given_of, page_entry, render
from perfkit.dashboard.parameters import Choice, Decimal, Number, Text, read
from perfkit.dashboard.sections.checklist import WAKES
from perfkit.registry import COMPONENTS
from tests.unit.dashboard import samples
from tests.unit.dashboard.samples import HOSTILE, SHORT, STATES_BY_NAME, data, health, performance, route
from tests.unit.dashboard.test_overview import Page

IDS = [entry.name or "overview" for entry in PAGES]


def html(name: str, query: str = "", state: str = "healthy") -> str:
    entry, shown = page_entry(name), STATES_BY_NAME[state]
    given = given_of(entry, query)
    return render(entry, shown, samples.found(entry, shown, given), given)


def told(name: str, query: str = "", state: str = "healthy") -> dict[str, object]:
    entry, shown = page_entry(name), STATES_BY_NAME[state]
    given = given_of(entry, query)
    document: dict[str, object] = json.loads(encode(entry, shown, samples.found(entry, shown, given), given))
    return document


@pytest.mark.parametrize("state", ["healthy", "first-run", "hostile", "performance-off", "health-off", "crowd"])
@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_every_page_is_whole_in_every_state_without_script_or_inline_style(entry: Entry, state: str) -> None:
    source = html(entry.name, "r=GET+%2Fproducts", state)
    source.encode()
    seen = Page(source)
    assert all(re.fullmatch(r"\./static/[a-z]+-[0-9a-f]{16}\.js", each["src"] or "") for each in seen.all("script"))
    assert source.count("<script") == len(seen.all("script")) == 2
    assert all("style" not in attributes for _, attributes in seen.elements)
    assert len(seen.all("h1")) == 1
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all((link.get("href") or "#").startswith(("./", "../", "#")) for link in seen.all("a"))
    assert json.loads(encode(entry, STATES_BY_NAME[state]))["version"] == 1


@pytest.mark.parametrize("entry", PAGES, ids=IDS)
def test_every_page_lies_one_level_below_the_mount_and_is_reached(entry: Entry) -> None:
    assert "/" not in entry.name
    assert entry.title or entry.below in IDS
    marked = [link for link in Page(html(entry.name)).all("a") if link.get("aria-current") in ("page", "true")]
    assert (entry.url if entry.title else f"./{entry.below}") in [link["href"] for link in marked]


def test_letters_of_the_keyboard_are_given_once() -> None:
    keys = [entry.key for entry in PAGES if entry.key]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("word", COMPONENTS)
def test_a_page_whose_component_is_off_names_the_setting(word: str) -> None:
    entry = msgspec.structs.replace(page_entry("routes"), component=word)
    shown = msgspec.structs.replace(STATES_BY_NAME["healthy"], off=(word,))
    assert f"{word}.enabled" in render(entry, shown)
    assert json.loads(encode(entry, shown))["state"] == "off"


@pytest.mark.parametrize("word", WAKES)
def test_a_page_whose_component_sleeps_names_the_line_that_wakes_it(word: str) -> None:
    entry = msgspec.structs.replace(page_entry("routes"), component=word)
    shown = msgspec.structs.replace(STATES_BY_NAME["healthy"], asleep=(word,))
    assert WAKES[word] in Page(render(entry, shown)).text
    assert json.loads(encode(entry, shown))["state"] == "asleep"


def test_routes_are_sorted_by_any_column_both_ways() -> None:
    def names(query: str) -> list[object]:
        routes = told("routes", query)["routes"]
        assert isinstance(routes, list)
        return [f"{each['method']} {each['route']}" for each in routes]

    assert names("")[:2] == ["GET /products", "GET /products/{product_id}"]
    assert names("sort=errors")[0] == "POST /checkout"
    assert names("sort=p95")[0] == "POST /checkout"
    assert names("sort=p95&order=up")[0] == "GET /reports/daily"
    assert names("sort=route") == sorted(names(""), key=lambda name: name.partition(" ")[::-1])
    assert names("sort=route&order=up") == names("sort=route")[::-1]
    assert names("sort=made-up") == names("")
    seen = Page(html("routes", "sort=p95"))
    assert [a for a in seen.all("a") if a.get("href") == "./routes?sort=p95&order=up"]
    assert [cells[0] for cells in seen.cells][1] == "POST /checkout"


def test_routes_are_found_by_a_part_of_their_name() -> None:
    assert told("routes", "q=PRODUCTS")["total"] == 2
    seen = Page(html("routes", "q=nothing-has-this"))
    assert "No route has 'nothing-has-this' in its name." in seen.text


def test_a_list_that_is_too_long_has_parts() -> None:
    first, second = (Page(html("routes", query, "crowd")) for query in ("", "skip=100"))
    assert "1 to 100 of 260" in first.text
    assert "./routes?skip=100" in [a.get("href") for a in first.all("a")]
    assert {"./routes", "./routes?skip=200"} <= {a.get("href") for a in second.all("a")}
    assert "No route here" in Page(html("routes", "skip=99999999", "crowd")).text


def test_a_route_has_its_numbers_its_outcomes_and_what_was_found_about_it() -> None:
    entry = page_entry("route")
    named = msgspec.structs.replace(SHORT, object="GET /products", fingerprint="its own", priority=Priority.HIGH)
    shown = data(performance(), health(), recommendations=(named, SHORT))
    given = given_of(entry, "r=GET+/products")
    seen = Page(render(entry, shown, samples.route_found(), given))
    assert "488 ms" in seen.text
    assert seen.row("▲500")[1] == "190"
    assert seen.text.count(named.message) >= 1
    assert len(seen.all("ol")) == 1
    document = json.loads(encode(entry, shown, samples.route_found(), given))
    assert [each["fingerprint"] for each in document["recommendations"]] == ["its own"]
    assert document["route"]["route"] == "/products"
    assert document["target"] == shown.targets.of_route("GET", "/products")


def test_a_route_that_nobody_asked_for_says_so() -> None:
    entry, shown = page_entry("route"), STATES_BY_NAME["healthy"]
    for query in ("r=GET+/none", "", f"r={HOSTILE}"):
        given = given_of(entry, query)
        source = render(entry, shown, None, given)
        assert "No request of" in Page(source).text
        assert "></h1>" not in source
        assert json.loads(encode(entry, shown, None, given))["route"] is None


def test_the_overview_links_each_route_to_its_page() -> None:
    links = [a.get("href") for a in Page(html("")).all("a")]
    assert "./route?r=GET+%2Fproducts" in links
    odd = data(performance(routes=(route("GET", "/a b&c=d#e/\ud800", 1.0, 0.02, 0.0, 1.0),)), health())
    assert "./route?r=GET+%2Fa+b%26c%3Dd%23e%2F%3F" in [a.get("href") for a in Page(render(PAGES[0], odd)).all("a")]


@pytest.mark.parametrize("entry", PAGES, ids=IDS)
@cases(
    query=dictionaries(
        sampled_from(["r", "range", "sort", "order", "q", "from", "to", "skip", "id", "live", "x"]),
        text(max_size=50),
        max_size=8,
    )
)
def test_no_query_breaks_a_page_or_leaves_its_bounds(entry: Entry, query: dict[str, str]) -> None:
    raw = "&".join(f"{name}={value}" for name, value in query.items())
    given = given_of(entry, raw)
    for name, parameter in entry.load().parameters.items():
        value = given.text(name) if not isinstance(parameter, Number) else given.number(name)
        if isinstance(parameter, Choice):
            assert value in parameter.words
        elif isinstance(parameter, Number):
            assert parameter.least <= int(value) <= parameter.most
        elif isinstance(parameter, Decimal):
            assert parameter.least <= given.decimal(name) <= parameter.most
        else:
            assert len(str(value)) <= parameter.longest
    shown = STATES_BY_NAME["healthy"]
    render(entry, shown, samples.found(entry, shown, given), given)


@pytest.mark.parametrize("text", ["", "-1", "1e9", "٣", "9" * 400, "0x10", " 5", "5\n", "nan"])
def test_a_number_is_a_number_within_its_bounds(text: str) -> None:
    assert 1 <= Number(1, 50, 20).read(text) <= 50


def test_a_query_without_end_is_not_read_to_its_end() -> None:
    parameters = {"a": Text(10), "n": Number(0, 9, 3)}
    for query in ("a=" + "x" * 1_000_000, "&" * 1_000_000 + "a=1", "n=5&" * 100_000, "%" * 1_000_000, "a=%ff%fe"):
        assert len(read("page", parameters, query).text("a")) <= 10
    assert read("page", parameters, "&".join(f"b{n}={n}" for n in range(19)) + "&n=5").number("n") == 5


def test_a_view_s_link_says_only_what_is_not_the_default() -> None:
    given = read("page", {"sort": Choice(("a", "b")), "q": Text(9)}, "sort=b&q=x+y")
    assert given.link() == "./page?sort=b&q=x+y"
    assert given.link(sort="a", q=None) == "./page"
    assert given.key == (("sort", "b"), ("q", "x y"))
