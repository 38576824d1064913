"""The rules of RFC 9111 for a shared cache, one case each: asked twice, is the second answer the cache's?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from http_cache_site import Got, HttpSite


@dataclass
class Case:
    """One response, and two requests for it.

    Attributes:
        is_kept: The second request is answered by the cache.
        after: Seconds between the two.
        dates: Headers of the response whose value is a date so many seconds from now.
    """

    sentence: str
    is_kept: bool
    response: dict[str, str] = field(default_factory=dict)
    status: int = 200
    after: float = 1.0
    dates: dict[str, float] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    second: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seconds: float = 30.0
    body: bytes = b"one"


CC, AUTH, COOKIE = "cache-control", {"authorization": "Bearer a"}, {"cookie": "session=a"}

CASES = [
    # Section 3: what may be stored.
    Case("a response that says nothing is kept for the seconds of the settings", True, after=29.9),
    Case("and no longer", False, after=30.0),
    Case("no-store is never kept", False, {CC: "no-store"}),
    Case("no-store is never kept beside a max-age", False, {CC: "max-age=60, no-store"}),
    Case("private is never kept", False, {CC: "private, max-age=60"}),
    Case("private with fields is never kept either", False, {CC: 'private="x-user", max-age=60'}),
    Case("no-cache is never kept", False, {CC: "no-cache, max-age=60"}),
    Case("no-cache with fields is never kept either", False, {CC: 'max-age=60, no-cache="set-cookie"'}),
    Case("directives have no case", False, {CC: "No-Store"}),
    Case("must-understand overrules no-store where the status is known", True, {CC: "must-understand, no-store"}),
    Case("must-understand does not help with an unknown status", False, {CC: "must-understand, max-age=9"}, 299),
    Case("an unknown directive does no harm", True, {CC: 'community="UCI", max-age=60'}),
    Case("a quoted comma is no separator", True, {CC: 'x="a, no-store", max-age=60'}),
    Case("a response with Set-Cookie is never kept", False, {CC: "public, max-age=60", "set-cookie": "a=b"}),
    Case("a 204 is kept", True, status=204, body=b""),
    Case("a 203 is kept", True, status=203),
    Case("a 301 is kept", True, {"location": "/elsewhere"}, 301),
    Case("a 308 is kept", True, {"location": "/elsewhere"}, 308),
    Case("a 302 is not kept unasked", False, {"location": "/elsewhere"}, 302),
    Case("a 302 is kept where it says for how long", True, {CC: "max-age=60"}, 302),
    Case("a 302 is kept where it expires", True, status=302, dates={"expires": 60}),
    Case("a 404 is kept for a short time", True, status=404, after=9),
    Case("a 404 is not kept as long as what is there", False, status=404, after=11),
    Case("a 404 that says so is kept longer", True, {CC: "max-age=60"}, 404, after=50),
    Case("a 410 is kept for a short time", True, status=410, after=9),
    Case("a 400 is never kept", False, {CC: "max-age=60"}, 400),
    Case("a 403 is never kept", False, {CC: "public, max-age=60"}, 403),
    Case("a 405 is not kept unasked", False, status=405),
    Case("a 206 is never kept", False, {CC: "max-age=60", "content-range": "bytes 0-2/9"}, 206),
    Case("a 500 is never kept", False, {CC: "public, max-age=60"}, 500),
    Case("a 503 is never kept", False, {"retry-after": "1"}, 503),
    Case("a stream of events is never kept", False, {"content-type": "text/event-stream"}),
    Case("what announces a trailer is not kept", False, {"trailer": "digest"}),
    Case("an empty body is kept", True, body=b""),
    # Section 3.5: Authorization.
    Case("what a request with Authorization got is not kept", False, first=AUTH, second={}),
    Case("nor is it with a max-age", False, {CC: "max-age=60"}, first=AUTH, second={}),
    Case("with public it is", True, {CC: "public"}, first=AUTH, second={}),
    Case("with s-maxage it is", True, {CC: "s-maxage=60"}, first=AUTH, second={}),
    Case("with must-revalidate it is", True, {CC: "max-age=60, must-revalidate"}, first=AUTH, second={}),
    Case("not where only the settings say how long", False, {CC: "must-revalidate"}, first=AUTH, second={}),
    Case("a stranger's response does not serve one with Authorization", False, second=AUTH),
    Case("a public one does", True, {CC: "public"}, second=AUTH),
    Case("Authorization is no help for private", False, {CC: "private, s-maxage=60"}, first=AUTH),
    # Cookies and other identities: stricter than the RFC.
    Case("what a request with a cookie got is not kept", False, first=COOKIE),
    Case("nor is it with a max-age", False, {CC: "max-age=60"}, first=COOKIE),
    Case("nor with must-revalidate", False, {CC: "max-age=60, must-revalidate"}, first=COOKIE),
    Case("nor with Vary: Cookie", False, {"vary": "Cookie"}, first=COOKIE),
    Case("with public it is", True, {CC: "public"}, first=COOKIE),
    Case("a stranger's response does not serve one with a cookie", False, second=COOKIE),
    Case("Vary: Cookie keeps it for strangers", True, {"vary": "Cookie"}),
    Case("and for them only", False, {"vary": "Cookie"}, second=COOKIE),
    Case(
        "a cookie that does not count makes nobody known",
        True,
        second={"cookie": "_ga_X=1; theme=a"},
        options={"ignored_cookies": ["_ga*", "theme"]},
    ),
    Case("another cookie does", False, second={"cookie": "_ga=1; sid=2"}, options={"ignored_cookies": ["_ga*"]}),
    Case("an API key says who asks", False, first={"x-api-key": "1"}, second={"x-api-key": "1"}),
    Case(
        "so does a header of the settings", False, first={"x-tenant": "1"}, options={"personal_headers": ["X-Tenant"]}
    ),
    # Section 4.1: Vary.
    Case("Vary: * is never kept", False, {"vary": "*"}),
    Case("Vary: * in a list is never kept", False, {"vary": "accept, *"}),
    Case("the same value of a varying field is the same response", True, {"vary": "Accept"}, first={"accept": "a/b"}),
    Case(
        "another value is another response",
        False,
        {"vary": "Accept"},
        first={"accept": "a/b"},
        second={"accept": "c/d"},
    ),
    Case("a missing field is another value", False, {"vary": "Accept"}, first={"accept": "a/b"}, second={}),
    Case("an empty field is not a missing one", False, {"vary": "Accept"}, first={"accept": ""}, second={}),
    Case(
        "space in a list does not matter",
        True,
        {"vary": "Accept"},
        first={"accept": "a/b, c/d"},
        second={"accept": "a/b ,c/d"},
    ),
    Case(
        "codings match in any order and case",
        True,
        {"vary": "Accept-Encoding"},
        first={"accept-encoding": "gzip, br;q=0.5"},
        second={"accept-encoding": "br; q=0.5,GZIP"},
    ),
    Case(
        "what is encoded varies by coding also where it does not say so",
        False,
        {"content-encoding": "gzip"},
        first={"accept-encoding": "gzip"},
        second={},
    ),
    Case("Vary with too many names is not kept", False, {"vary": ", ".join(f"x-{n}" for n in range(11))}),
    # Section 4.2.1: lifetimes.
    Case("max-age goes before the settings", True, {CC: "max-age=60"}, after=59),
    Case("max-age ends", False, {CC: "max-age=60"}, after=60),
    Case("max-age=0 is not kept", False, {CC: "max-age=0"}, after=0),
    Case("s-maxage goes before max-age", True, {CC: "max-age=1, s-maxage=60"}, after=59),
    Case("s-maxage may be the shorter", False, {CC: "max-age=60, s-maxage=1"}, after=2),
    Case("s-maxage=0 is not kept", False, {CC: "max-age=60, s-maxage=0"}, after=0),
    Case("Expires goes before the settings", True, dates={"expires": 60}, after=59),
    Case("Expires ends", False, dates={"expires": 60}, after=60),
    Case("Expires counts from Date", True, dates={"expires": 50, "date": -40}, after=49),
    Case("Expires in the past is stale", False, dates={"expires": -1}),
    Case("Expires: 0 is stale", False, {"expires": "0"}, after=0),
    Case("max-age goes before Expires", True, {CC: "max-age=60"}, dates={"expires": -1}),
    Case("a max-age that is no number is stale", False, {CC: "max-age=soon"}, after=0),
    Case("a negative max-age is stale", False, {CC: "max-age=-1"}, after=0),
    Case("a fraction is stale", False, {CC: "max-age=1.5"}, after=0),
    Case("a quoted max-age is read", True, {CC: 'max-age="60"'}, after=59),
    Case("of two max-ages the shorter counts", False, {CC: "max-age=60, max-age=5"}, after=6),
    Case("a huge max-age is a long time", True, {CC: f"max-age={10**30}"}, after=10**6),
    Case("a route of 0 seconds keeps nothing unasked", False, seconds=0.0, after=0),
    Case("a route of 0 seconds keeps what says for how long", True, {CC: "max-age=60"}, seconds=0.0, after=59),
    # Section 4.2.3: age.
    Case("the age that came along counts", False, {CC: "max-age=60", "age": "50"}, after=11),
    Case("up to its end it serves", True, {CC: "max-age=60", "age": "50"}, after=9),
    Case("a response older than its lifetime is not kept", False, {CC: "max-age=60", "age": "61"}, after=0),
    Case("an old Date counts as age", False, {CC: "max-age=60"}, dates={"date": -50}, after=11),
    Case("a Date in the future does not", True, {CC: "max-age=60"}, dates={"date": 50}, after=59),
    Case("an Age that is no number counts as 0", True, {CC: "max-age=60", "age": "old"}, after=59),
    # Section 5.2.1: what a request asks.
    Case("no-cache goes to the app", False, second={CC: "no-cache"}),
    Case("Pragma: no-cache goes to the app", False, second={"pragma": "no-cache"}),
    Case("Pragma does not count beside Cache-Control", True, second={"pragma": "no-cache", CC: "max-age=60"}),
    Case("no-store is not kept", False, first={CC: "no-store"}, second={}),
    Case("max-age is the oldest that is wanted", False, second={CC: "max-age=5"}, after=6),
    Case("a younger one serves", True, second={CC: "max-age=5"}, after=4),
    Case("max-age=0 goes to the app", False, second={CC: "max-age=0"}),
    Case("min-fresh wants some rest", False, second={CC: "min-fresh=20"}, after=15),
    Case("enough of it serves", True, second={CC: "min-fresh=20"}, after=5),
    Case("clients may be refused a say", True, second={CC: "no-cache"}, options={"client_directives": False}),
    Case("a directive without sense does no harm", True, second={CC: "max-age=,,=;"}),
    # Requests that pass by.
    Case("a range passes by", False, second={"range": "bytes=0-1"}),
    Case("and is not kept", False, first={"range": "bytes=0-1"}, second={}),
    Case("a precondition passes by", False, second={"if-match": '"a"'}),
    Case("If-Unmodified-Since passes by", False, second={"if-unmodified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    Case("a GET with a body passes by", False, first={"content-length": "5"}, second={}),
    Case("a GET with chunks passes by", False, first={"transfer-encoding": "chunked"}, second={}),
    Case("a request for another method passes by", False, first={"x-http-method-override": "DELETE"}, second={}),
    Case("a request for another URL passes by", False, first={"x-original-url": "/admin"}, second={}),
    Case("a URL without end passes by", False, first={"target": "/products?" + "a" * 5000}),
    # Methods.
    Case("HEAD is answered from GET", True, second={"method": "HEAD"}),
    Case("GET is not answered from HEAD", False, first={"method": "HEAD"}, second={"method": "GET"}),
]


def play(case: Case) -> tuple[Got, Got]:
    site = HttpSite({"GET /products": case.seconds}, **case.options)
    dates = {name: site.date(offset) for name, offset in case.dates.items()}
    site.response = (case.status, case.response | dates, case.body)
    first = site.get(**case.first)
    site.response = (case.status, case.response | dates, b"two" if case.body else b"")
    site.clock.advance(case.after)
    return first, site.get(**(case.first if case.second is None else case.second))


@pytest.mark.parametrize("case", CASES, ids=[f"{n} {case.sentence}" for n, case in enumerate(CASES)])
def test_a_second_request_gets_what_rfc_9111_says(case: Case) -> None:
    first, second = play(case)
    assert first.is_asked
    assert first.status == case.status
    assert second.is_asked is not case.is_kept
    assert second.status == case.status
    if case.is_kept:
        assert second.told.startswith("perfkit; hit; ttl=")
        assert second.body == (b"" if (case.second or {}).get("method") == "HEAD" else case.body)
        assert "age" in second.headers
    else:
        assert second.told.startswith("perfkit; fwd=")


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 60
