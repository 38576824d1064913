"""The builder escapes all it is given and refuses what the content security policy blocks."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis.strategies import text

from perfkit.dashboard.html import Markup, document, h, script

HOSTILE = '"><img src=x onerror=alert(1)>'


class Seen(HTMLParser):
    """Collects what a parser makes of a document."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_text_and_attributes_are_escaped() -> None:
    made = h("td", {"title": HOSTILE}, HOSTILE, ["<b>", 1, 2.5, None])
    seen = Seen(made)
    assert seen.tags == ["td"]
    assert seen.attributes == {"title": HOSTILE}
    assert "".join(seen.texts) == f"{HOSTILE}<b>12.5"


@given(said=text(), titled=text())
def test_whatever_goes_in_comes_out_as_the_same_text(said: str, titled: str) -> None:
    controls = {*range(32), *range(127, 160)} - {ord(each) for each in "\t\n\r"}
    plain = dict.fromkeys(controls, "?")
    seen = Seen(h("p", {"title": titled}, said))
    assert seen.tags == ["p"]
    # Between a figure and its unit it is another space.
    plain_space = {ord("\N{NO-BREAK SPACE}"): " "}
    assert "".join(seen.texts).translate(plain_space) == said.translate(plain).translate(plain_space)
    assert seen.attributes == {"title": titled.translate(plain)}


def test_half_characters_do_not_break_the_encoding() -> None:
    assert h("p", {"title": "\udc80"}, "a\ud800b").encode() == b'<p title="?">a?b</p>'


def test_markup_nests_and_loses_its_standing_when_joined_with_text() -> None:
    inner = h("b", None, "x")
    assert h("p", None, inner) == "<p><b>x</b></p>"
    assert h("p", None, inner + HOSTILE) == "<p>&lt;b&gt;x&lt;/b&gt;&quot;&gt;&lt;img src=x onerror=alert(1)&gt;</p>"
    assert isinstance(inner, Markup)
    assert not isinstance(inner + "", Markup)


def test_attributes_may_be_absent_bare_or_numbers() -> None:
    assert h("input", {"disabled": True, "hidden": False, "value": None, "size": 3}) == '<input disabled size="3">'


@pytest.mark.parametrize("url", ["./static/a.css", "../health", "?live=5", "#routes", "http://a/b", "https://a/?c=d&e"])
def test_relative_and_http_urls_are_kept(url: str) -> None:
    assert Seen(h("a", {"href": url}, "x")).attributes == {"href": url}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "//evil.example/",
        "/absolute",
        "\\\\evil.example",
        "./a\\b",
        "../a b",
        "https:evil",
        "",
    ],
)
def test_other_urls_are_left_out(url: str) -> None:
    assert h("a", {"href": url}, "x") == "<a>x</a>"
    assert h("img", {"src": url}) == "<img>"


@pytest.mark.parametrize("name", ["style", "onclick", "OnLoad", "srcdoc", "a b", "a=", "", 'x"', "a\n"])
def test_blocked_or_malformed_attributes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be an attribute"):
        h("p", {name: "x"})


@pytest.mark.parametrize("tag", ["script", "STYLE", "a b", "", "p>", "p\n"])
def test_blocked_or_malformed_elements_are_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="cannot be an element"):
        h(tag)


def test_a_document_has_a_doctype_and_a_language() -> None:
    made = document("en", [h("title", None, "<")], ["&"])
    assert made == '<!doctype html>\n<html lang="en"><head><title>&lt;</title></head><body>&amp;</body></html>'


@pytest.mark.parametrize(
    "url", ["", "./app.js", "https://evil.com/app.js", "./static/../x-0123456789abcdef.js", "data:,x"]
)
def test_nothing_but_an_asset_can_be_a_script(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be a script"):
        script(url)


def test_a_script_is_loaded_by_its_address() -> None:
    assert script("./static/app-0123456789abcdef.js") == (
        '<script type="module" src="./static/app-0123456789abcdef.js"></script>'
    )


def test_no_line_is_broken_between_a_figure_and_its_unit() -> None:
    told = h("p", None, "p95 is 1.21 s, 4 times the 300 ms", [" of 12 % in 5 min"], h("b", None, "3 GiB"))
    assert told == (
        "<p>p95 is 1.21\N{NO-BREAK SPACE}s, 4 times the 300\N{NO-BREAK SPACE}ms of 12\N{NO-BREAK SPACE}% in "
        "5\N{NO-BREAK SPACE}min<b>3\N{NO-BREAK SPACE}GiB</b></p>"
    )


def test_what_is_copied_or_read_by_programs_keeps_its_spaces() -> None:
    for tag in ("code", "pre", "title"):
        assert (
            h(tag, None, "sleep 5 s", h("code", None, "a % 3 % 2")) == f"<{tag}>sleep 5 s<code>a % 3 % 2</code></{tag}>"
        )
    assert h("p", {"aria-label": "5 s"}, "2 seats, 3 hours, 4 msg") == '<p aria-label="5 s">2 seats, 3 hours, 4 msg</p>'
