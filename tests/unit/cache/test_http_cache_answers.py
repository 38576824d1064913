"""What the response cache answers: ages, conditions, stale responses, renewals, and what it tells."""

from __future__ import annotations

from typing import Any

import pytest
from http_cache_site import HttpSite

CC = "cache-control"


def test_a_hit_tells_its_age_and_how_long_it_is_fresh() -> None:
    site = HttpSite()
    first = site.get()
    site.clock.advance(12.5)
    second = site.get()
    assert first.told == "perfkit; fwd=miss; ttl=30; stored"
    assert "age" not in first.headers
    assert (second.told, second.headers["age"]) == ("perfkit; hit; ttl=17", "12")


def test_the_age_that_came_along_and_the_time_that_the_app_took_are_part_of_the_age() -> None:
    site = HttpSite()
    site.response, site.takes = (200, {CC: "max-age=100", "age": "20"}, b"one"), 3.0
    site.get()
    site.clock.advance(10)
    answer = site.enter().answer
    assert answer is not None
    assert [value for name, value in answer.headers if name == "age"] == ["33"]


def test_a_clock_that_is_put_back_makes_nothing_younger() -> None:
    site = HttpSite()
    site.get()
    site.clock.unix -= 3600
    assert site.get().headers["age"] == "0"


def test_the_fields_of_one_connection_are_not_kept() -> None:
    site = HttpSite()
    site.response = (200, {"connection": "close, x-hop", "x-hop": "1", "keep-alive": "5", "x-stays": "1"}, b"one")
    site.get()
    kept = site.get().headers
    assert kept["x-stays"] == "1"
    assert not {"connection", "x-hop", "keep-alive"} & kept.keys()


def test_a_response_of_unknown_length_is_kept_with_its_length() -> None:
    site = HttpSite()
    assert site.get(length=None, parts=[b"on", b"e", b""]).told == "perfkit; fwd=miss"
    got = site.get()
    assert (got.is_asked, got.body, got.headers["content-length"]) == (False, b"one", "3")


def test_what_another_cache_has_told_stays() -> None:
    site = HttpSite()
    site.response = (200, {"cache-status": "origin; hit"}, b"one")
    site.get()
    passage = site.enter()
    assert passage.answer is not None
    told = [value for name, value in passage.answer.headers if name == "cache-status"]
    assert told == ["origin; hit", "perfkit; hit; ttl=30"]


def test_nothing_is_told_where_the_settings_say_so() -> None:
    site = HttpSite(status_header=False)
    assert site.get().told == site.get().told == ""


@pytest.mark.parametrize(
    ("request_headers", "detail"),
    [
        ({"range": "bytes=0-1"}, "range"),
        ({"if-match": '"a"'}, "precondition"),
        ({"x-http-method-override": "PUT"}, "method-override"),
        ({"x-rewrite-url": "/admin"}, "url-override"),
        ({"content-length": "3"}, "request-body"),
        ({CC: "no-store"}, "no-store"),
        ({"host": "a, b"}, "host"),
    ],
)
def test_who_passes_by_is_told_why(request_headers: dict[str, str], detail: str) -> None:
    assert HttpSite().get(**request_headers).told == f"perfkit; fwd=bypass; detail={detail}"


@pytest.mark.parametrize(
    ("headers", "detail"),
    [({CC: "private"}, "private"), ({"set-cookie": "a=b"}, "set-cookie"), ({"vary": "*"}, "vary")],
)
def test_it_is_told_why_a_response_is_not_kept(headers: dict[str, str], detail: str) -> None:
    site = HttpSite()
    site.response = (200, headers, b"one")
    assert site.get().told == f"perfkit; fwd=miss; detail={detail}"


class TestConditions:
    def test_a_response_without_an_etag_gets_one(self) -> None:
        site = HttpSite()
        first = site.get()
        assert first.headers["etag"].startswith('W/"')
        assert site.get().headers["etag"] == first.headers["etag"]

    def test_unless_the_settings_say_no(self) -> None:
        site = HttpSite(etags=False)
        assert "etag" not in site.get().headers
        assert "etag" not in site.get().headers

    def test_the_app_s_own_etag_stays(self) -> None:
        site = HttpSite()
        site.response = (200, {"etag": '"a"'}, b"one")
        assert site.get().headers["etag"] == site.get().headers["etag"] == '"a"'

    @pytest.mark.parametrize("given", ['"a"', 'W/"a"', '"b", "a"', '"b",W/"a" , "c"', "*"])
    def test_who_has_it_already_gets_304(self, given: str) -> None:
        site = HttpSite()
        site.response = (200, {"etag": '"a"', "content-type": "a/b", "vary": "Accept", "x-other": "1"}, b"one")
        site.get()
        got = site.get(**{"if-none-match": given})
        assert (got.status, got.body, got.is_asked) == (304, b"", False)
        assert {"etag", "vary", "age", "cache-status", "x-other"} <= got.headers.keys()
        assert not {"content-type", "content-length"} & got.headers.keys()

    @pytest.mark.parametrize("given", ['"b"', "a", '"a', '""', ""])
    def test_who_has_another_gets_it(self, given: str) -> None:
        site = HttpSite()
        site.response = (200, {"etag": '"a"'}, b"one")
        site.get()
        assert site.get(**{"if-none-match": given}).body == b"one"

    def test_a_date_of_last_modification_is_compared(self) -> None:
        site = HttpSite()
        site.response = (200, {"last-modified": site.date(-100)}, b"one")
        site.get()
        assert site.get(if_modified_since=site.date(-100)).status == 304
        assert site.get(if_modified_since=site.date(-50)).status == 304
        assert site.get(if_modified_since=site.date(-101)).status == 200
        assert site.get(if_modified_since="yesterday").status == 200

    def test_entity_tags_go_before_dates(self) -> None:
        site = HttpSite()
        site.response = (200, {"last-modified": site.date(-100), "etag": '"a"'}, b"one")
        site.get()
        assert site.get(if_modified_since=site.date(), **{"if-none-match": '"b"'}).status == 200

    def test_without_a_date_of_modification_that_of_the_response_counts(self) -> None:
        site = HttpSite()
        site.response = (200, {"date": site.date(-20)}, b"one")
        site.get()
        assert site.get(if_modified_since=site.date(-10)).status == 304
        assert site.get(if_modified_since=site.date(-30)).status == 200

    def test_only_a_200_becomes_a_304(self) -> None:
        site = HttpSite()
        site.response = (404, {"etag": '"a"'}, b"gone")
        site.get()
        assert site.get(**{"if-none-match": '"a"'}).status == 404

    def test_the_first_who_asks_gets_304_although_the_app_answers_whole(self) -> None:
        site = HttpSite()
        site.response = (200, {"etag": '"a"'}, b"one")
        got = site.get(**{"if-none-match": '"a"'})
        assert (got.status, got.body) == (304, b"")
        assert "if-none-match" not in got.asked_with
        assert site.get().body == b"one"

    def test_the_first_who_asks_gets_304_by_an_etag_of_ours(self) -> None:
        site = HttpSite()
        tag = site.get().headers["etag"]
        site.clock.advance(31)
        got = site.get(**{"if-none-match": tag})
        assert (got.status, got.is_asked) == (304, True)

    def test_the_first_who_asks_gets_304_of_what_is_not_kept(self) -> None:
        site = HttpSite()
        site.response = (200, {"etag": '"a"', CC: "private"}, b"one")
        assert site.get(**{"if-none-match": '"a"'}).status == 304

    def test_head_gets_304_too(self) -> None:
        site = HttpSite()
        site.response = (200, {"etag": '"a"'}, b"one")
        site.get()
        assert site.get(method="HEAD", **{"if-none-match": '"a"'}).status == 304

    def test_head_gets_the_length_of_the_body(self) -> None:
        site = HttpSite()
        site.get()
        got = site.get(method="HEAD")
        assert (got.is_asked, got.body, got.headers["content-length"]) == (False, b"", "3")


class TestValidation:
    def site(self, **headers: str) -> HttpSite:
        site = HttpSite()
        site.response = (200, {"etag": '"a"', "x-first": "1", **headers}, b"one")
        site.get()
        site.clock.advance(31)
        return site

    def test_the_app_is_asked_whether_a_stale_response_is_still_the_same(self) -> None:
        site = self.site()
        site.response = (304, {"etag": '"a"', "x-second": "2"}, b"")
        got = site.get()
        assert got.asked_with["if-none-match"] == '"a"'
        assert (got.status, got.body, got.told) == (200, b"one", "perfkit; fwd=stale; fwd-status=304; stored")
        assert (got.headers["x-first"], got.headers["x-second"]) == ("1", "2")
        assert got.headers["age"] == "0"

    def test_what_is_unchanged_is_fresh_again(self) -> None:
        site = self.site()
        site.response = (304, {}, b"")
        site.get()
        site.clock.advance(29)
        got = site.get()
        assert (got.is_asked, got.body) == (False, b"one")

    def test_the_304_may_say_for_how_long(self) -> None:
        site = self.site()
        site.response = (304, {CC: "max-age=100"}, b"")
        site.get()
        site.clock.advance(99)
        assert not site.get().is_asked

    def test_the_304_may_forbid_to_keep_it(self) -> None:
        site = self.site()
        site.response = (304, {CC: "no-store"}, b"")
        got = site.get()
        assert (got.status, got.body, got.told) == (200, b"one", "perfkit; fwd=stale; fwd-status=304; detail=no-store")

    def test_a_changed_response_takes_its_place(self) -> None:
        site = self.site()
        site.response = (200, {"etag": '"b"'}, b"two")
        assert site.get().body == b"two"
        assert site.get().body == b"two"
        assert site.asked == 2

    def test_a_client_that_has_it_gets_304_by_way_of_the_app_s_304(self) -> None:
        site = self.site()
        site.response = (304, {}, b"")
        got = site.get(**{"if-none-match": '"a"'})
        assert (got.status, got.body) == (304, b"")

    def test_last_modified_is_asked_for_too(self) -> None:
        site = HttpSite()
        date = site.date(-500)
        site.response = (200, {"last-modified": date}, b"one")
        site.get()
        site.clock.advance(31)
        assert site.get().asked_with["if-modified-since"] == date

    def test_an_etag_of_ours_is_not_shown_to_the_app(self) -> None:
        site = HttpSite()
        site.get()
        site.clock.advance(31)
        assert "if-none-match" not in site.get().asked_with

    def test_who_is_not_waited_for_keeps_its_own_conditions(self) -> None:
        site = HttpSite()
        site.response = (304, {}, b"")
        got = site.get(cookie="session=a", **{"if-none-match": '"mine"'})
        assert (got.status, got.asked_with["if-none-match"]) == (304, '"mine"')


class TestStale:
    def stale(self, after: float, headers: dict[str, str] | None = None, **options: Any) -> HttpSite:
        site = HttpSite(**options)
        site.response = (200, headers or {}, b"one")
        site.get()
        site.response = (200, headers or {}, b"two")
        site.clock.advance(after)
        return site

    def test_a_stale_response_serves_while_one_request_renews_it(self) -> None:
        site = self.stale(35, stale_while_revalidate=10)
        got = site.get()
        assert (got.body, got.is_asked, got.told) == (b"one", False, "perfkit; hit; ttl=-5")
        assert (site.asked, site.refreshed) == (2, 1)
        assert site.get().body == b"two"

    def test_not_for_longer_than_is_allowed(self) -> None:
        assert self.stale(41, stale_while_revalidate=10).get().body == b"two"

    def test_the_response_may_allow_it_itself(self) -> None:
        site = self.stale(15, {CC: "max-age=10, stale-while-revalidate=10"})
        assert (site.get().body, site.refreshed) == (b"one", 1)

    def test_the_response_may_forbid_it(self) -> None:
        site = self.stale(15, {CC: "max-age=10, stale-while-revalidate=0"}, stale_while_revalidate=60)
        assert site.get().body == b"two"

    @pytest.mark.parametrize("word", ["must-revalidate", "proxy-revalidate", "s-maxage=10"])
    def test_what_must_be_revalidated_never_serves_stale(self, word: str) -> None:
        site = self.stale(15, {CC: f"max-age=10, {word}"}, stale_while_revalidate=60, stale_if_error=60)
        assert site.get(**{CC: "max-stale"}).body == b"two"

    def test_s_maxage_with_a_word_of_its_own_does(self) -> None:
        assert self.stale(15, {CC: "s-maxage=10, stale-while-revalidate=10"}).get().body == b"one"

    def test_only_one_renews(self) -> None:
        site = self.stale(35, stale_while_revalidate=10)
        first, second = site.enter(), site.enter()
        assert first.renewal is not None
        assert first.answer is not None
        assert second.answer is not None
        assert second.renewal is None
        first.renewal.close()

    def test_after_a_renewal_that_failed_the_next_one_waits(self) -> None:
        site = self.stale(35, stale_while_revalidate=100)
        site.response = (500, {}, b"boom")
        assert site.get().body == site.get().body == b"one"
        assert site.refreshed == 1
        site.clock.advance(11)
        site.get()
        assert site.refreshed == 2

    def test_a_stale_response_serves_when_the_app_fails(self) -> None:
        site = self.stale(35, stale_if_error=10)
        site.response = (503, {}, b"down")
        got = site.get()
        assert (got.status, got.body) == (200, b"one")
        assert got.told == "perfkit; fwd=stale; fwd-status=503; detail=stale-if-error"

    def test_not_for_longer_than_that_is_allowed(self) -> None:
        site = self.stale(41, stale_if_error=10)
        site.response = (503, {}, b"down")
        assert site.get().status == 503

    def test_not_when_the_app_says_that_it_is_gone(self) -> None:
        site = self.stale(35, stale_if_error=10)
        site.response = (404, {}, b"gone")
        assert site.get().status == 404

    def test_the_response_may_allow_that_itself(self) -> None:
        site = self.stale(15, {CC: "max-age=10, stale-if-error=10"})
        site.response = (500, {}, b"down")
        assert site.get().body == b"one"

    def test_who_raises_gets_a_stale_response_too(self) -> None:
        site = self.stale(35, stale_if_error=10)
        passage = site.enter()
        answer = passage.replace()
        assert answer is not None
        assert answer.body == b"one"

    def test_not_once_the_client_has_begun_to_get_another(self) -> None:
        site = self.stale(35, stale_if_error=10)
        passage = site.enter()
        assert passage.start(200, []) is not None
        assert passage.replace() is None
        passage.close()

    def test_a_client_may_want_what_is_stale(self) -> None:
        site = self.stale(35, {"etag": '"a"'})
        assert site.get(**{CC: "max-stale=4"}).body == b"two"
        site = self.stale(35, {"etag": '"a"'})
        assert site.get(**{CC: "max-stale=5"}).body == b"one"
        assert site.get(**{CC: "max-stale"}).body == b"one"

    def test_a_stale_response_is_not_fresh_enough_for_who_asks_for_some_rest(self) -> None:
        site = self.stale(35, stale_while_revalidate=10)
        assert site.get(**{CC: "min-fresh=1"}).body == b"two"

    def test_only_if_cached_gets_504_where_nothing_is_kept(self) -> None:
        site = HttpSite()
        got = site.get(**{CC: "only-if-cached"})
        assert (got.status, got.is_asked, got.told) == (504, False, "perfkit; fwd=miss; detail=only-if-cached")
        site.get()
        assert site.get(**{CC: "only-if-cached"}).status == 200


class TestBodies:
    def test_a_large_body_passes_by(self) -> None:
        site = HttpSite(max_body=3)
        site.response = (200, {}, b"four")
        assert site.get().told == "perfkit; fwd=miss; detail=too-large"
        assert site.get().is_asked

    def test_the_largest_body_is_kept(self) -> None:
        site = HttpSite(max_body=3)
        site.get()
        assert not site.get().is_asked

    def test_a_large_body_of_unknown_length_passes_by(self) -> None:
        site = HttpSite(max_body=3)
        assert site.get(length=None, parts=[b"on", b"e", b"!"]).body == b"one!"
        assert site.get().is_asked

    @pytest.mark.parametrize("length", [2, 4])
    def test_a_body_of_another_length_than_announced_is_not_kept(self, length: int) -> None:
        site = HttpSite()
        assert site.get(length=length).body == b"one"
        assert site.get().is_asked

    @pytest.mark.parametrize("length", [2, 5])
    def test_nor_is_it_in_pieces(self, length: int) -> None:
        site = HttpSite()
        assert site.get(length=length, parts=[b"o", b"ne", b""]).body == b"one"
        assert site.get().is_asked

    def test_a_body_without_an_end_is_not_kept(self) -> None:
        site = HttpSite()
        passage = site.enter()
        assert passage.start(200, [("content-length", "6")]) is None
        assert passage.take(b"one", False) is not None
        passage.close()
        assert site.get().is_asked

    def test_pieces_are_handed_on_as_they_come(self) -> None:
        passage = HttpSite().enter()
        head = passage.start(200, ())
        assert head is not None
        assert head.head is not None
        assert [passage.take(piece, False) for piece in (b"a", b"b")] == [(None, b"a", False), (None, b"b", False)]
        passage.close()

    def test_a_head_is_held_back_only_until_the_first_piece(self) -> None:
        passage = HttpSite().enter()
        assert passage.start(200, [("content-length", "2")]) is None
        out = passage.take(b"a", False)
        assert out is not None
        assert out.head is not None
        assert (out.body, out.is_last) == (b"a", False)
        assert "etag" not in dict(out.head[1])
        passage.close()

    def test_what_is_kept_is_bounded_in_bytes(self) -> None:
        site = HttpSite({"GET /products/{id}": 30.0}, max_bytes=20_000, max_body=4000)
        site.response = (200, {}, b"x" * 2000)
        for number in range(50):
            site.get(f"/products/{number}")
        assert site.cache._shelf.bytes <= 20_000
        assert len(site.manager) <= 20
        kept = [number for number in range(50) if site.enter(f"/products/{number}").answer is not None]
        assert kept == [*range(50 - len(kept), 50)]
        assert 1 <= len(kept) <= 10

    def test_one_response_does_not_take_more_than_a_quarter_of_the_room(self) -> None:
        site = HttpSite(max_bytes=8000)
        site.response = (200, {}, b"x" * 3000)
        assert site.get().is_asked
        assert site.get().is_asked

    def test_what_is_kept_is_bounded_in_urls(self) -> None:
        site = HttpSite(max_urls=10)
        for number in range(50):
            site.get(f"/products?page={number}")
        assert len(site.cache._shelf) == 10

    def test_whoever_makes_up_variants_fills_nothing(self) -> None:
        site = HttpSite()
        site.response = (200, {"vary": "Accept"}, b"one")
        for number in range(500):
            site.get(accept=f"a/{number}")
        assert len(site.manager) <= 60
        assert not site.get(accept="a/499").is_asked

    def test_what_is_invalid_takes_no_room(self) -> None:
        site = HttpSite()
        for _ in range(20):
            site.get()
            site.change("POST", "/products", 200)
        site.get()
        assert len(site.manager) <= 3

    def test_whoever_makes_up_urls_does_not_push_out_what_is_asked_for(self) -> None:
        site = HttpSite(max_urls=10)
        site.get()
        site.get()
        for number in range(1000):
            site.get(f"/products?made-up={number}")
        assert not site.get().is_asked


@pytest.mark.parametrize("value_format", ["raw", "msgpack", "pickle"])
def test_a_response_is_kept_in_each_format_that_can_carry_it(value_format: str) -> None:
    site = HttpSite(value_format=value_format)
    site.response = (200, {"vary": "Accept"}, b"\x00\xff")
    site.get()
    assert (site.get().body, site.asked) == (b"\x00\xff", 1)
