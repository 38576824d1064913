"""Nobody gets what is another's, and nobody can have something bad kept for others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from http_cache_site import HttpSite
from hypothesis import given
from hypothesis import strategies as st

from perfkit.cache.http import Passage
from perfkit.cache.http.request import PERSONAL, CacheRequest, Identity, path_tag, same_origin_path, variant_key
from perfkit.cache.http.rules import Rule, Rules
from perfkit.core.context import Context
from perfkit.store import Store
from perfkit.testing import FakeClock

IDENTITIES = st.sampled_from(
    [
        {},
        {"authorization": "Bearer a"},
        {"authorization": "Bearer b"},
        {"cookie": "session=a"},
        {"cookie": "session=b"},
        {"x-api-key": "a"},
        {"x-api-key": "b"},
        {"x-forwarded-user": "a"},
        {"remote-user": "a"},
    ]
)
RESPONSES = st.sampled_from(
    [{}, {"cache-control": "max-age=60"}, {"vary": "Cookie"}, {"vary": "Authorization, X-Api-Key"}, {"etag": '"a"'}]
)
WISHES = st.sampled_from([{}, {"cache-control": "max-stale"}, {"if-none-match": '"a"'}, {"pragma": "no-cache"}])


@given(requests=st.lists(st.tuples(IDENTITIES, RESPONSES, WISHES), min_size=2, max_size=12))
def test_what_one_user_got_is_never_another_s_unless_it_is_called_public(
    requests: list[tuple[dict[str, str], dict[str, str], dict[str, str]]],
) -> None:
    site = HttpSite(stale_while_revalidate=60, stale_if_error=60)
    for number, (who, headers, wish) in enumerate(requests):
        body = f"{sorted(who.items())} {number}".encode()
        site.response = (200, headers, body)
        got = site.get(**who, **wish)
        if got.status == 200:
            assert got.body.startswith(str(sorted(who.items())).encode())
        site.clock.advance(7)


@pytest.mark.parametrize(
    "header",
    [
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-scheme",
        "x-scheme",
        "x-url-scheme",
        "x-original-proto",
        "cloudfront-forwarded-proto",
        "x-forwarded-ssl",
        "x-host",
        "x-original-host",
        "x-script-name",
        "origin",
    ],
)
def test_a_header_of_which_urls_are_made_cannot_poison_the_page_of_others(header: str) -> None:
    site = HttpSite()
    site.response = (200, {}, b"<a href=//evil.example>")
    site.get(**{header: "evil.example"})
    site.response = (200, {}, b"<a href=//shop.example>")
    assert b"evil" not in site.get().body
    assert b"evil" not in site.get(**{header: "shop.example"}).body


def test_another_host_has_pages_of_its_own() -> None:
    site = HttpSite()
    site.response = (200, {}, b"evil")
    site.get(host="evil.example")
    site.response = (200, {}, b"good")
    assert site.get(host="shop.example").body == b"good"
    assert site.get(host="shop.example:8080").is_asked
    assert site.asked == 3


def test_a_host_in_capitals_has_pages_of_its_own_as_apps_may_not_know_it() -> None:
    site = HttpSite()
    site.response = (404, {}, b"no such host")
    site.get(host="SHOP.example")
    site.response = (200, {}, b"good")
    assert site.get(host="shop.example").body == b"good"


@pytest.mark.parametrize(
    "path",
    ["/files/../account", "/files/..", "/files/./a", "/files/%2e%2E/account", "/files/..%2faccount", "/files/a%5Cb"],
)
def test_a_path_that_may_be_read_as_another_passes_by(path: str) -> None:
    site = HttpSite({"GET /files/{name:path}": 30.0})
    assert site.get(path).told == "perfkit; fwd=bypass; detail=path"
    assert site.get(path).is_asked


@pytest.mark.parametrize("path", ["/files/a.css", "/files/..a", "/files/a..", "/files/.well-known", "/files/%C3%A4"])
def test_dots_in_a_name_are_no_other_path(path: str) -> None:
    site = HttpSite({"GET /files/{name:path}": 30.0})
    site.get(path)
    assert not site.get(path).is_asked


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a?b", "a#b", "a@b", "a, b", "a" * 300, "[::1", "a:b"])
def test_what_is_no_host_passes_by(host: str) -> None:
    site = HttpSite()
    assert site.get(host=host).told == "perfkit; fwd=bypass; detail=host"
    assert site.get(host=host).is_asked


@pytest.mark.parametrize("host", ["[::1]:8000", "127.0.0.1", "shop.example:80", "localhost", "a_b.example"])
def test_each_form_of_a_host_is_taken(host: str) -> None:
    site = HttpSite()
    site.get(host=host)
    assert not site.get(host=host).is_asked


def test_the_query_counts_as_it_was_sent() -> None:
    site = HttpSite()
    for query in ("", "?", "?a=1&b=2", "?b=2&a=1", "?a=1;b=2", "?a=%31&b=2", "?a=1&b=2&utm_source=x"):
        assert site.get(f"/products{query}").is_asked, query
        assert not site.get(f"/products{query}").is_asked, query


def test_the_path_counts_as_it_was_sent() -> None:
    site = HttpSite({"GET /files/{name}": 30.0})
    for path in ("/files/a", "/files/%61", "/files/a%2Fb", "/files/A"):
        assert site.get(path).is_asked


def test_whom_a_request_is_forwarded_for_does_not_count_but_the_host_does() -> None:
    site = HttpSite()
    site.get(forwarded="for=192.0.2.1;host=shop.example")
    assert not site.get(forwarded="for=192.0.2.9; host=shop.example").is_asked
    assert site.get(forwarded="for=192.0.2.9;host=evil.example").is_asked
    site.get(x_forwarded_for="192.0.2.1")
    assert not site.get(x_forwarded_for="192.0.2.9").is_asked


def test_the_response_of_another_route_for_the_same_path_is_not_kept() -> None:
    site = HttpSite({"GET /products/{id}": 30.0})
    assert site.get("/products/new", route="/products/new").told == "perfkit; fwd=miss; detail=other-route"
    assert site.get("/products/new", route="/products/new").is_asked
    site.get("/products/7", route="/products/<int:product_id>")
    assert not site.get("/products/7").is_asked


def test_a_server_s_mistake_is_not_kept_for_others() -> None:
    site = HttpSite()
    for status in (400, 405, 413, 414, 431, 501):
        site.response = (status, {}, b"no")
        site.get(x_oversized="x" * 5000)
    site.response = (200, {}, b"good")
    assert site.get().body == b"good"


@pytest.mark.parametrize("name", [b"cookie", b"authorization"])
def test_a_public_page_stays_one_page_for_those_who_say_who_they_are(name: bytes) -> None:
    site = HttpSite()
    site.response = (200, {"cache-control": "public"}, b"page")
    for who in "abc":
        site.get(**{name.decode(): who})
    assert site.asked == 1


class TestChanges:
    def test_a_change_makes_what_is_kept_invalid(self) -> None:
        site = HttpSite()
        for target in ("/products", "/products?page=2"):
            site.get(target)
        site.get(host="other.example")
        site.change("POST", "/products", 201)
        assert all(site.get(target).is_asked for target in ("/products", "/products?page=2"))
        assert site.get(host="other.example").is_asked

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST", "MKCOL", "post"])
    def test_any_unsafe_method_does(self, method: str) -> None:
        site = HttpSite()
        site.get()
        site.change(method, "/products", 204)
        assert site.get().is_asked

    @pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "GET", "HEAD"])
    def test_a_safe_one_does_not(self, method: str) -> None:
        site = HttpSite()
        site.get()
        site.change(method, "/products", 200)
        assert not site.get().is_asked

    @pytest.mark.parametrize("status", [400, 403, 404, 405, 500])
    def test_one_that_failed_does_not(self, status: int) -> None:
        site = HttpSite()
        site.get()
        site.change("POST", "/products", status)
        assert not site.get().is_asked

    @pytest.mark.parametrize("status", [200, 201, 204, 302, 303])
    def test_one_that_succeeded_or_redirects_does(self, status: int) -> None:
        site = HttpSite()
        site.get()
        site.change("POST", "/products", status)
        assert site.get().is_asked

    @pytest.mark.parametrize("header", ["location", "content_location"])
    def test_what_the_response_names_is_invalid_too(self, header: str) -> None:
        site = HttpSite({"GET /products/{id}": 30.0})
        for there in ("/products/7", "http://shop.example/products/7", "products/7", "/products/%37"):
            site.get("/products/7")
            site.change("POST", "/products", 201, **{header: there})
            assert site.get("/products/7").is_asked, there

    @pytest.mark.parametrize(
        "there", ["http://evil.example/products/7", "//evil.example/products/7", "https://shop.example/products/7"]
    )
    def test_what_it_names_elsewhere_is_not(self, there: str) -> None:
        site = HttpSite({"GET /products/{id}": 30.0})
        site.get("/products/7")
        site.change("POST", "/products", 201, location=there)
        assert not site.get("/products/7").is_asked

    def test_a_response_under_way_while_something_changes_is_not_kept(self) -> None:
        site = HttpSite()
        passage = site.enter()
        passage.start(200, [("content-length", "3")])
        site.change("POST", "/products", 200)
        passage.take(b"old", True)
        passage.close()
        assert site.get().is_asked

    def test_a_stale_response_that_is_made_invalid_is_no_refuge_from_errors(self) -> None:
        site = HttpSite(stale_if_error=60)
        site.get()
        site.clock.advance(31)
        site.change("DELETE", "/products", 200)
        site.response = (503, {}, b"down")
        assert site.get().status == 503

    def test_a_renewal_under_way_while_something_changes_is_not_kept(self) -> None:
        site = HttpSite(stale_while_revalidate=60)
        site.get()
        site.clock.advance(31)
        renewal = site.enter().renewal
        assert renewal is not None
        site.change("DELETE", "/products", 200)
        renewal.start(200, [("content-length", "3")])
        renewal.take(b"old", True)
        renewal.close()
        assert site.get().is_asked

    def test_all_of_a_route_can_be_made_invalid_by_its_name(self) -> None:
        site = HttpSite({"GET /products/{id}": 30.0, "GET /products": 30.0})
        for target in ("/products/1", "/products/2", "/products"):
            site.get(target)
        site.manager.invalidate_tags(["GET /products/{id}"])
        assert site.get("/products/1").is_asked
        assert site.get("/products/2").is_asked
        assert not site.get("/products").is_asked

    @pytest.mark.parametrize("way", ["namespace", "pattern", "all"])
    def test_clearing_the_cache_clears_the_responses(self, way: str) -> None:
        site = HttpSite()
        passage = site.enter()
        passage.start(200, [("content-length", "3")])
        if way == "namespace":
            site.manager.namespace("http").clear()
        elif way == "pattern":
            site.manager.namespace("http").invalidate_pattern("http://shop.example/prod*")
        else:
            site.manager.clear()
        passage.take(b"old", True)
        passage.close()
        assert site.get().is_asked

    def test_a_change_in_one_worker_is_one_in_all(self) -> None:
        clock = FakeClock()
        context = Context(store=Store(clock=clock), clock=clock)
        here, there = HttpSite(context=context, clock=clock), HttpSite(context=context, clock=clock)
        there.get()
        assert not there.get().is_asked
        here.change("POST", "/products", 200)
        assert there.get().is_asked


class TestTogether:
    def test_of_many_threads_that_ask_at_once_one_asks_the_app(self) -> None:
        site, gate, asked = HttpSite(wait=30), threading.Event(), []

        def ask(_: int) -> str:
            passage = site.enter()
            site.cache.wait_for(passage)
            if passage.answer is None:
                asked.append(1)
                gate.wait(30)
                passage.start(200, [("content-length", "3")])
                passage.take(b"one", True)
                passage.close()
                return "asked"
            return dict(passage.answer.headers)["cache-status"]

        with ThreadPoolExecutor(40) as pool:
            futures = [pool.submit(ask, number) for number in range(40)]
            gate.set()
            told = [future.result(60) for future in futures]
        assert len(asked) == 1
        assert all(each in ("asked", "perfkit; fwd=miss; ttl=30; collapsed", "perfkit; hit; ttl=30") for each in told)
        assert not site.cache._flights

    @pytest.mark.anyio
    async def test_of_many_tasks_that_ask_at_once_one_asks_the_app(self) -> None:
        site, asked, bodies = HttpSite(wait=30), [], []

        async def ask() -> None:
            passage = site.enter()
            await site.cache.await_for(passage)
            if passage.answer is None:
                asked.append(1)
                await anyio.sleep(0.05)
                passage.start(200, [("content-length", "3")])
                passage.take(b"one", True)
                passage.close()
            else:
                bodies.append(passage.answer.body)

        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(ask)
        assert len(asked) == 1
        assert bodies == [b"one"] * 199

    def leader(self, **options: float) -> HttpSite:
        self.site = HttpSite(**options)
        self.first, self.second = self.site.enter(), self.site.enter()
        assert self.second.ahead is not None
        return self.site

    def test_nobody_waits_for_what_will_not_be_kept(self) -> None:
        site = self.leader()
        self.first.start(200, [("cache-control", "private"), ("content-length", "3")])
        site.cache.wait_for(self.second)
        assert self.second.answer is None
        assert site.enter().ahead is None

    def test_nobody_waits_for_a_stream(self) -> None:
        site = self.leader()
        self.first.start(200, [])
        site.cache.wait_for(self.second)
        assert self.second.answer is None

    def test_nobody_waits_for_a_body_that_takes_its_time(self) -> None:
        site = self.leader()
        self.first.start(200, [("content-length", "6")])
        self.first.take(b"one", False)
        site.cache.wait_for(self.second)
        assert self.second.answer is None

    def test_nobody_waits_for_one_that_gave_up(self) -> None:
        site = self.leader()
        self.first.close()
        site.cache.wait_for(self.second)
        assert self.second.answer is None
        assert not site.cache._flights

    def test_nobody_waits_for_ever(self) -> None:
        site = self.leader(wait=0.01)
        site.cache.wait_for(self.second)
        assert self.second.answer is None
        assert self.second.generation

    def test_who_wants_another_variant_asks_himself(self) -> None:
        site = HttpSite()
        first, second, third = (site.enter(accept=kind) for kind in ("a/a", "b/b", "b/b"))
        first.start(200, [("content-length", "3"), ("vary", "accept")])
        first.take(b"one", True)
        site.cache._arrived(second, _landed())
        site.cache._arrived(third, _landed())
        assert second.answer is None
        assert second.flight is not None
        assert third.ahead is not None

    def test_who_says_who_he_is_waits_for_nobody_unless_the_last_was_public(self) -> None:
        site = HttpSite()
        site.enter()
        assert site.enter(cookie="session=a").ahead is None
        site = HttpSite()
        site.response = (200, {"cache-control": "public, max-age=5"}, b"one")
        site.get()
        site.clock.advance(6)
        site.enter()
        assert site.enter(cookie="session=a").ahead is not None

    def overtaken(self, monkeypatch: pytest.MonkeyPatch, site: HttpSite, **headers: str) -> Passage:
        """Return the passage of a request which, having found nothing, is overtaken by a whole one before it boards."""
        join, is_over = site.cache._flights.join, []

        def late(*given: Any, **more: Any) -> Any:
            if not is_over:
                is_over.append(True)
                site.get(accept="a/a")
            return join(*given, **more)

        monkeypatch.setattr(site.cache._flights, "join", late)
        passage = site.enter(accept="a/a", **headers)
        assert is_over
        return passage

    def test_who_looked_before_another_landed_and_boards_after_it_takes_what_that_kept(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = HttpSite()
        passage = self.overtaken(monkeypatch, site)
        assert passage.answer is not None
        assert passage.answer.body == b"one"
        assert not site.cache._flights
        passage.close()
        assert not site.get(accept="a/a").is_asked

    def test_so_does_who_finds_a_variant_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        site = HttpSite()
        site.response = (200, {"vary": "accept"}, b"one")
        passage = self.overtaken(monkeypatch, site)
        assert passage.answer is not None
        assert not site.cache._flights

    def test_so_does_who_was_about_to_open_the_url_when_another_opened_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = HttpSite()
        get, looks = site.cache._urls.get, []

        def late(*given: Any) -> Any:
            found = get(*given)
            looks.append(found)
            if len(looks) == 2:  # to look was the first
                site.get()
            return found

        monkeypatch.setattr(site.cache._urls, "get", late)
        passage = site.enter()
        assert looks[:2] == [None, None]
        assert passage.answer is not None
        assert passage.answer.body == b"one"
        assert (site.asked, len(site.cache._flights)) == (1, 0)
        assert not site.get().is_asked

    def test_a_reload_that_is_overtaken_asks_himself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        site = HttpSite()
        passage = self.overtaken(monkeypatch, site, cache_control="no-cache")
        assert passage.answer is None
        passage.close()
        assert not site.cache._flights

    @pytest.mark.parametrize("value_format", ["raw", "msgpack"])
    @pytest.mark.parametrize("headers", [{}, {"etag": '"a"'}, {"vary": "accept"}], ids=["plain", "tagged", "varying"])
    def test_who_found_a_stale_response_that_is_renewed_before_it_boards_renews_it_no_more(
        self, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], value_format: str
    ) -> None:
        site = HttpSite(stale_while_revalidate=60, value_format=value_format)
        site.response = (200, headers, b"one")
        site.get(accept="a/a")
        site.clock.advance(31)
        passage = self.overtaken(monkeypatch, site)
        assert (site.asked, site.refreshed) == (2, 1)
        assert passage.answer is not None
        assert passage.renewal is None
        assert not site.cache._flights
        site.clock.advance(31)
        site.get(accept="a/a")
        assert site.refreshed == 2

    def test_a_reload_waits_for_nobody(self) -> None:
        site = HttpSite()
        site.enter()
        assert site.enter(**{"cache-control": "no-cache"}).ahead is None


def _landed() -> object:
    from perfkit.cache.http.cache import LANDED

    return LANDED


@given(
    st.dictionaries(st.sampled_from(["accept", "accept-language", "x-a"]), st.sampled_from(["", "a", "b", "a, b"])),
    st.dictionaries(st.sampled_from(["accept", "accept-language", "x-a"]), st.sampled_from(["", "a", "b", "a, b"])),
    st.sets(st.sampled_from(["accept", "accept-language", "x-a"])),
)
def test_two_requests_share_a_variant_only_if_all_named_fields_are_alike(
    one: dict[str, str], other: dict[str, str], names: set[str]
) -> None:
    given_names, identity = tuple(sorted(names)), Identity()
    same = variant_key("g", one, given_names, identity) == variant_key("g", other, given_names, identity)
    assert same == all(one.get(name) == other.get(name) for name in names)


def test_keys_are_short_enough_to_be_told_to_other_workers() -> None:
    def key(target: str) -> str:
        return CacheRequest(method="GET", scheme="http", target=target, headers={"host": "shop.example"}).key()

    assert key("/products") == "http://shop.example/products"
    assert len(key("/" + "a" * 4000)) <= 100
    assert key("/" + "a" * 4000) != key("/" + "a" * 4001)


def test_a_location_that_is_none_is_nowhere() -> None:
    request = CacheRequest(method="POST", scheme="http", target="/a", headers={"host": "shop.example"})
    assert same_origin_path("http://[", request) is None
    assert same_origin_path("/b?c#d", request) == "/b"
    assert path_tag("/%61") == path_tag("/a")


class TestRules:
    @pytest.mark.parametrize(
        ("template", "path", "is_matched"),
        [
            ("/products", "/products", True),
            ("/products", "/products/", False),
            ("/products/{id}", "/products/7", True),
            ("/products/{id}", "/products/", False),
            ("/products/{id}", "/products/7/x", False),
            ("/products/{id:int}", "/products/7", True),
            ("/products/<int:id>", "/products/7", True),
            ("/products/<id>/", "/products/7/", True),
            ("/files/{rest:path}", "/files/a/b", True),
            ("/files/<path:rest>", "/files/a/b", True),
            ("/v{version}/x", "/v1/x", True),
            ("/{a}/x.json", "/7/x.json", True),
            ("/{a}/x.json", "/7/xajson", False),
            ("/<language>/about/", "/de/about/", True),
            ("/<language>/about/", "/about/", True),
        ],
    )
    def test_a_template_stands_for_its_paths(self, template: str, path: str, is_matched: bool) -> None:
        assert (Rules({f"GET {template}": 1.0}).find(path) is not None) == is_matched

    def test_a_fixed_path_goes_before_a_parameter_and_others_in_order(self) -> None:
        rules = Rules({"GET /a/{x}": 1.0, "GET /a/b": 2.0, "GET /{y}/c": 3.0, "GET /a/{x}/d": 4.0})
        found = [rules.find(path) for path in ("/a/b", "/a/c", "/z/c", "/a/1/d", "/q")]
        assert [each.seconds if each else None for each in found] == [2.0, 1.0, 3.0, 4.0, None]

    def test_the_names_of_parameters_do_not_matter(self) -> None:
        rule = Rule("GET /a/{x}", 1.0)
        assert rule.is_route("/a/<int:y>")
        assert rule.is_route("")
        assert not rule.is_route("/a/b")


@pytest.mark.parametrize("name", PERSONAL)
def test_each_field_that_says_who_asks_keeps_the_response_private(name: str) -> None:
    site = HttpSite()
    site.response = (200, {}, b"of ann")
    site.get(**{name.replace("-", "_"): "ann"})
    site.response = (200, {}, b"for all")
    assert site.get().body == b"for all"
    assert site.get(**{name.replace("-", "_"): "ann"}).is_asked
