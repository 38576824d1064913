"""The overview says what to do first and where the points of the score went."""

from __future__ import annotations

import msgspec
import pytest

from perfkit.advice import Loss, Part, Score
from perfkit.advice.ledger import Figures, Fixed, Release, Snoozed
from perfkit.advice.ledger.record import proof
from perfkit.core.findings import Priority
from perfkit.core.status import Status
from perfkit.dashboard import overview, page_entry, render
from perfkit.dashboard.html import h
from perfkit.dashboard.sections.routes import linked
from tests.unit.dashboard.advice_samples import HOSTILE, N_PLUS_ONE, SCORE, SHORT, a_cache, a_database, findings
from tests.unit.dashboard.samples import AT, CHECKS, STATES_BY_NAME, data, health, performance, route, young
from tests.unit.dashboard.test_overview import Page, page


def items(seen: Page) -> list[str]:
    return [str(attributes.get("class")) for attributes in seen.all("li") if attributes.get("class") == "finding"]


def test_a_finding_has_its_numbers_line_action_gain_and_code() -> None:
    seen = page("advised")
    for said in (
        "▲high214 queries in one request load Product.reviews one by one (452 ms, 78 % of its database time).",
        "Load them with the products.",
        "shop/views/products.py:48 · review · saves about 21 % of all request time · wins 11 points · PK101 database",
    ):
        assert said in seen.text


def test_a_fix_is_there_to_copy_in_each_language() -> None:
    seen = page("advised")
    for language, text in N_PLUS_ONE.fix.items():
        assert {"sql": "SQL", "django": "Django", "sqlalchemy": "SQLAlchemy"}[language] + text in seen.text


def test_the_first_finding_is_open_and_the_others_wait() -> None:
    opened = ["open" in attributes for attributes in page("degraded").all("details")]
    assert opened[:3] == [True, False, False]


def test_the_evidence_of_an_open_finding_waits_behind_its_fix() -> None:
    first, second = page("degraded").text.partition("Await an async call")[::2]
    assert "Fix of 214 queries" in first
    assert "Evidence of 214 queries" in first
    assert "Fix and evidence of 61 %" in second


def test_a_sentence_leads_to_the_routes_that_it_names_and_sets_lines_of_code() -> None:
    routes = (route("GET", "/products/{id}", 1.0, 0.02, 0.0, 0.5), route("GET", "", 1.0, 0.02, 0.0, 0.5))
    said = "GET /products/{id}: 29 of 30 failed, as POST /none at shop/views.py:48. SELECT /products/{id} <b>GET /x"
    told = Page(h("main", None, linked(said, routes)))
    assert told.text == said
    assert [link["href"] for link in told.all("a")] == ["./route?r=GET+%2Fproducts%2F%7Bid%7D"]
    assert [tag for tag, _ in told.elements if tag in ("code", "b")] == ["code", "code"]


def test_evidence_is_said_in_its_unit() -> None:
    text = page("advised").text
    for said in ("seconds452 ms", "count214", "hit ratio64 %", "load seconds41.2 s", "requests9,360"):
        assert said in text
    told = msgspec.structs.replace(
        SHORT,
        evidence={"bytes": 3 * 2**20, "is_new": True, "nothing": None, "ratio": {"a": 0.5}, "many": list("abcdefg")},
    )
    text = Page(overview(data(performance(), health(), recommendations=(told,)))).text
    assert "bytes3.00 MiB" in text
    assert "is newyes" in text
    assert "nothing" not in text
    assert "ratioa: 50 %" in text
    assert "manya, b, c, d, e, …" in text


def a_fix(**changes: object) -> Fixed:
    before, after = Figures(requests=400, p95=0.488, queries=216.0), Figures(requests=120, p95=0.066, queries=3.0)
    made = Fixed(
        fingerprint="n1",
        code="PK101",
        kind="n_plus_one",
        component="database",
        message="214 queries in one request load Product.reviews one by one.",
        site="shop/views.py:48",
        route="GET /products",
        object="review",
        first_seen=performance().at - 7_200.0,
        since=performance().at - 3_600.0,
        fixed_at=performance().at - 3_500.0,
        release="2.8.1",
        before=before,
        after=after,
        proof=proof(before, after),
    )
    return msgspec.structs.replace(made, **changes)


def test_what_was_fixed_is_told_with_its_proof_and_release() -> None:
    seen = Page(overview(data(performance(), health(), fixed=(a_fix(),))))
    assert "PK101 216 → 3 queries, p95 488 ms → 66.0 ms since " in seen.text
    assert ", release 2.8.1" in seen.text
    assert "GET /products · shop/views.py:48 · 120 requests measured since" in seen.text
    assert "Fixed" not in Page(overview(data(performance(), health()))).text


def test_many_fixes_are_counted_and_hostile_ones_are_text() -> None:
    loud = a_fix(message=HOSTILE * 50, site=HOSTILE, route=HOSTILE, release=HOSTILE, proof=HOSTILE)
    seen = Page(overview(data(performance(), health(), fixed=(loud, *[a_fix()] * 10))))
    assert "and 6 problems more, in the JSON" in seen.text
    assert HOSTILE in seen.text
    assert not seen.all("img")


def test_ten_findings_are_shown_five_in_sight_and_the_rest_is_counted() -> None:
    seen = page("advised")
    assert len(STATES_BY_NAME["advised"].recommendations) == 15
    assert len(items(seen)) == 10
    assert "Show the next 5 findings" in seen.text
    assert "and 5 findings more, in the JSON" in seen.text
    assert "Advice15 findings" in seen.text


def test_five_findings_need_no_button() -> None:
    few = findings(*(msgspec.structs.replace(SHORT, fingerprint=each) for each in "ab"))
    text = Page(overview(data(performance(), health(), recommendations=few))).text
    assert "Show the next" not in text
    assert "more, in the" not in text


def test_each_priority_has_a_shape_and_a_word() -> None:
    each = tuple(msgspec.structs.replace(SHORT, priority=one, fingerprint=one) for one in Priority)
    text = Page(overview(data(performance(), health(), recommendations=each))).text
    assert all(said in text for said in ("■critical", "▲high", "●medium", "○low"))


def test_with_enough_requests_and_nothing_found_the_page_says_so() -> None:
    assert "Nothing: no problem was found." in page("healthy").text


def test_with_few_requests_the_page_promises_nothing() -> None:
    seen = page("collecting")
    assert "What to do first" not in seen.text
    assert "No score yet: 50 requests are needed, 12 so far." in seen.text


def test_findings_are_shown_before_the_first_request() -> None:
    seen = Page(overview(data(young(0), health(*CHECKS), recommendations=findings())))
    assert "What to do first" in seen.text
    assert "First steps" in seen.text


def test_where_what_is_to_be_done_first_is_no_finding_the_list_says_what_comes_next() -> None:
    sick = health(msgspec.structs.replace(CHECKS[-1], status=Status.CRITICAL))
    acute = Page(overview(data(performance(), sick, recommendations=findings()))).text
    assert "Do this first: Mend what check" in acute
    assert "What to do next" in acute
    assert "What to do first" not in acute
    urgent = (msgspec.structs.replace(SHORT, priority=Priority.HIGH),)
    known = Page(overview(data(performance(), health(), recommendations=urgent))).text
    assert f"Do this first: {SHORT.action}" in known
    assert "What to do first" in known


def test_the_score_is_a_number_for_all_who_see_and_hear() -> None:
    seen = page("degraded")
    labels = [attributes.get("aria-label") for attributes in seen.all("svg")]
    assert "Score 66 of 100" in labels
    assert "66of 100" in seen.text
    assert not any(str(label).startswith("Score") for label in (a.get("aria-label") for a in page("idle").all("svg")))


def test_the_ledger_accounts_for_each_point() -> None:
    text = page("degraded").text
    assert "Score 66: where 34 points went" in text
    for part in SCORE.parts:
        assert f"{part.name.capitalize()}{part.points} of {part.maximum}" in text
        assert all(f"−{loss.points}{loss.reason}" in text for loss in part.losses)
    assert "Formula: score v1." in text


def test_what_is_snoozed_says_so_beside_the_points_that_it_costs() -> None:
    two = tuple(msgspec.structs.replace(SHORT, fingerprint=each) for each in ("n1", "free"))
    hidden = tuple(Snoozed(finding=each, until=AT + 60.0) for each in two)
    text = Page(overview(data(performance(), health(), score=SCORE, snoozed=hidden))).text
    assert text.count("PK101 snoozed") == text.count(" snoozed") - 1 == 1
    assert "2 findings snoozed: what they cost still counts." in text
    assert "snoozed" not in Page(overview(data(performance(), health(), score=SCORE))).text


def test_parts_that_are_left_out_say_why() -> None:
    text = page("healthy").text
    assert "Database is left out: no statement was seen. Cache is left out: fewer than 100 look-ups." in text
    assert "The other parts are scaled to 100." in text


def test_many_causes_of_one_part_are_summed_up() -> None:
    losses = tuple(Loss(points=2, reason=f"cause {number}") for number in range(9))
    made = Score(value=82, status=Status.WARNING, parts=(Part(name="speed", points=82, maximum=100, losses=losses),))
    text = Page(overview(data(performance(), health(), score=made))).text
    assert "−2cause 5" in text
    assert "−63 other causes" in text


def test_an_idle_service_has_no_score_and_says_why() -> None:
    assert "No score: no request in the last 5 min." in page("idle").text


@pytest.mark.parametrize("word", ["Database", "Cache", "Load balancer"])
def test_a_component_has_a_card_and_a_link_only_where_it_is_in_use(word: str) -> None:
    anchor = f"#{word.lower().replace(' ', '_')}"
    for name, is_there in (("advised", True), ("healthy", False)):
        assert (anchor in [attributes.get("href") for attributes in page(name).all("a")]) is is_there


def test_the_database_shows_its_dearest_statements_with_their_lines() -> None:
    row = page("advised").row("SELECT product.id")
    assert row[1:] == ["1,830", "148 s", "81.0 ms", "202 ms", "212", "shop/views/products.py:30"]


def test_the_cache_shows_ratio_and_size() -> None:
    seen = page("advised")
    assert "hit ratio 64 % · 812 entries · 38.0 MiB of 64.0 MiB a worker · adaptive" in seen.text
    assert seen.row("home")[1:] == ["10,000", "64 %", "3,600", "73.9 ms", "471 s", "0"]


def test_an_unused_cache_has_no_card() -> None:
    unused = msgspec.structs.replace(a_cache(), hits=0, misses=0)
    assert not any(
        a.get("id") == "cache" for _, a in Page(overview(data(performance(), health(), cache=unused))).elements
    )


def test_servers_that_want_a_look_come_first() -> None:
    seen = page("advised")
    names = [cells[:2] for cells in seen.cells if cells[0].startswith("stock-")]
    assert names == [
        ["stock-1 10.0.0.1:80", "■ejected"],
        ["stock-0 10.0.0.0:80", "●healthy"],
        ["stock-2 10.0.0.2:80", "◌draining"],
    ]


def test_hostile_findings_are_cut_and_stay_text() -> None:
    source = overview(STATES_BY_NAME["hostile"])
    assert HOSTILE not in source
    assert "m" * 700 not in source
    assert len(source) < 400_000
    assert Page(source).text.count(HOSTILE) > 150


def test_a_finding_says_when_and_in_which_release_it_was_seen_first() -> None:
    new = msgspec.structs.replace(N_PLUS_ONE, first_seen=AT - 100.0)
    old = msgspec.structs.replace(SHORT, first_seen=AT - 9_000.0)
    releases = (Release(name="2.8.0", at=AT - 10_000.0), Release(name="2.8.1", at=AT - 140.0))
    shown = data(performance(), health(), recommendations=(new, old), releases=releases)
    text = Page(overview(shown)).text
    assert "first seen 15:50:30 CET in release 2.8.1" in text
    assert "first seen 13:22:10 CET in release 2.8.0" in text
    one = msgspec.structs.replace(shown, releases=releases[:1])
    assert "in release" not in Page(overview(one)).text


def test_the_points_that_a_finding_wins_stand_on_every_page_that_tells_it() -> None:
    shown = data(performance(), health(), recommendations=findings(), score=SCORE, database=a_database())
    for name in ("", "advice", "database"):
        assert "wins 11 points" in Page(render(page_entry(name), shown)).text
