"""The commands that read a service: what they make of its answers, and what they print for whom."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import random
import re
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from overviews import Canned, canned, encoded, finding, made, route

from perfkit.advice import Outlook, Verdict
from perfkit.advice.ledger import Figures, Fixed, Snoozed
from perfkit.cli.comparing.differences import compared
from perfkit.cli.comparing.noise import interval, noise
from perfkit.cli.main import main
from perfkit.cli.reading.overview import Overview
from perfkit.cli.reporting.contained import self_contained
from perfkit.core.findings import State
from perfkit.core.status import Status
from perfkit.performance.snapshot import Latency

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e%\n::error::fake"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PERFKIT_URL", "PERFKIT_TOKEN", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service() -> Iterator[Canned]:
    with canned() as server:
        server.tells(made())
        yield server


def printed(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    assert main(arguments) == code
    return capsys.readouterr().out


def saved(folder: Path, name: str, **numbers: Any) -> str:
    path = folder / name
    path.write_bytes(encoded(made(**numbers)))
    return str(path)


# How a service is asked


def test_the_url_may_be_that_of_the_service_or_of_its_dashboard(
    service: Canned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answers["/app/perfkit/api/overview"] = service.answers["/perfkit/api/overview"]
    for url in (service.url, f"{service.url}/", f"{service.url}/perfkit/", f"{service.url}/app"):
        assert main(["check", url]) == 0
    monkeypatch.setenv("PERFKIT_URL", service.url)
    assert main(["check"]) == 0


def test_the_token_comes_from_the_environment_or_a_file_and_the_file_is_stronger(
    service: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERFKIT_TOKEN", "of-the-environment")
    assert main(["check", service.url]) == 0
    path = tmp_path / "token"
    path.write_text("of-the-file\n")
    path.chmod(0o600)
    assert main(["check", service.url, "--token-file", str(path)]) == 0
    assert [token for _, token in service.asked] == ["Bearer of-the-environment", "Bearer of-the-file"]
    assert "can be read by others" not in capsys.readouterr().err
    path.chmod(0o644)
    main(["check", service.url, "--token-file", str(path)])
    assert "can be read by others" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"two\nlines", b"x" * 5000])
def test_a_file_that_holds_no_token_is_a_wrong_use(
    content: bytes, service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    assert main(["check", service.url, "--token-file", str(path)]) == 2
    assert service.asked == []


@pytest.mark.parametrize(
    ("code", "body", "exit_code", "said"),
    [
        (404, b"", 4, "Give the token"),
        (401, b"", 4, "Give the token"),
        (403, b"", 4, "Give the token"),
        (302, b"", 3, "sends on to http://elsewhere.example/"),
        (500, b"", 3, "with 500"),
        (200, b"<html>", 3, "is no overview of perfkit"),
        (200, b"[]", 3, "is no overview of perfkit"),
        (200, b"\xff", 3, "is no overview of perfkit"),
        (200, b"[" * 100_000, 3, "is no overview of perfkit"),
        (200, b'{"version": 2}', 3, "speaks version 2"),
        (200, b'{"version": 1}', 3, "is no overview of perfkit"),
    ],
)
def test_what_a_service_says_instead_has_its_exit_code(
    service: Canned, code: int, body: bytes, exit_code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    service.answers["/perfkit/api/overview"] = (code, body)
    service.headers = {"location": "http://elsewhere.example/"}
    assert main(["check", service.url]) == exit_code
    shown, messages = capsys.readouterr()
    assert shown == ""
    assert said in messages
    assert "Traceback" not in messages


def test_where_nothing_answers_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "http://127.0.0.1:1"]) == 3
    assert "127.0.0.1:1 did not answer" in capsys.readouterr().err


def test_a_url_in_the_environment_that_is_none_is_a_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERFKIT_URL", "ftp://x")
    assert main(["check"]) == 2
    assert "PERFKIT_URL" in capsys.readouterr().err


# check


@pytest.mark.parametrize(
    ("limits", "numbers", "code"),
    [
        (["--max-p95", "100ms"], {"p95": 0.1}, 0),
        (["--max-p95", "99ms"], {"p95": 0.1}, 1),
        (["--max-p95", "1s"], {"p95": None}, 1),
        (["--max-errors", "1%"], {"errors": 10}, 0),
        (["--max-errors", "1%"], {"errors": 11}, 1),
        (["--max-errors", "1%"], {"requests": 19}, 1),
        (["--min-score", "90"], {"score": 90}, 0),
        (["--min-score", "91"], {"score": 90}, 1),
        (["--min-score", "1"], {"score": None}, 1),
        ([], {}, 0),
        ([], {"status": Status.CRITICAL}, 1),
        ([], {"status": Status.UNKNOWN}, 1),
        ([], {"p95": 0.31}, 1),
        ([], {"errors": 500}, 1),
        (["--min-score", "1"], {"p95": 9.0, "errors": 900}, 0),
    ],
)
def test_limits_hold_or_are_broken(
    service: Canned, limits: list[str], numbers: dict[str, Any], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    service.tells(made(**numbers))
    assert main(["check", service.url, *limits]) == code
    assert ("FAIL" in capsys.readouterr().out) is bool(code)


def test_a_finding_is_new_where_the_base_has_it_not(
    service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = saved(tmp_path, "base.json", findings=(finding("PK101"), finding("PK201", "shop/models.py:3")))
    service.tells(made(findings=(finding("PK101"),)))
    assert main(["check", service.url, "--no-new-findings", base]) == 0
    service.tells(made(findings=(finding("PK101"), finding("PK401", "shop/tasks.py:9"))))
    out = capsys.readouterr() and printed(capsys, 1, "check", service.url, "--no-new-findings", base)
    assert "PK401" in out
    assert "PK101" not in out


def test_check_tells_programs_one_object(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(printed(capsys, 1, "check", service.url, "--max-p95", "1ms", "--json"))
    assert (told["version"], told["command"], told["passed"]) == (1, "check", False)
    assert told["limits"] == [{"name": "p95", "passed": False, "value": "100 ms", "limit": "1.00 ms"}]


def test_check_is_quiet_where_it_is_told_so(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, 1, "check", service.url, "--max-p95", "1ms", "--quiet") == ""


def test_github_gets_annotations_that_nobody_can_forge(
    service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = (
        finding("PK101", "shop/views.py:48"),
        finding("PK201", "a,b:c.py:3", message=HOSTILE),
        finding("PK401", "/usr/lib/python3/x.py:1"),
    )
    service.tells(made(findings=findings))
    base = saved(tmp_path, "base.json", findings=findings[1:])
    lines = printed(
        capsys, 1, "check", service.url, "--no-new-findings", base, "--max-p95", "1ms", "--format", "github"
    ).splitlines()
    assert lines[0] == "::error title=perfkit p95::p95 is 100 ms, the limit is 1.00 ms"
    assert lines[2].startswith("::error file=shop/views.py,line=48,title=perfkit PK101::PK101 214 queries")
    assert lines[3].startswith("::warning file=a%2Cb%3Ac.py,line=3,title=perfkit PK201::PK201 ")
    assert lines[4].startswith("::warning title=perfkit PK401::")
    assert len(lines) == 5
    assert "\x1b" not in "".join(lines)


def test_github_gets_nothing_where_there_is_nothing(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, 0, "check", service.url, "--format", "github") == ""


def test_junit_is_xml_whatever_a_service_says(
    service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.tells(made(findings=(finding(message=f'<&"{HOSTILE}\uffff'),), service='shop"<\ufffe'))
    base = saved(tmp_path, "base.json")
    out = printed(capsys, 1, "check", service.url, "--format", "junit", "--no-new-findings", base, "--max-p95", "1s")
    suite = ElementTree.fromstring(out).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert len(suite.findall("testcase/failure")) == 2


# advise


def test_advise_prints_the_most_urgent_first_and_says_how_many_more(
    service: Canned, capsys: pytest.CaptureFixture[str]
) -> None:
    service.tells(made(findings=tuple(finding(f"PK10{n}", f"shop/views.py:{n}") for n in range(1, 8))))
    out = printed(capsys, 1, "advise", service.url, "--top", "2")
    assert "PK101  shop/views.py:1  saves about 42 % of all request time  wins 4 points" in out
    assert "PK102" in out
    assert "PK103" not in out
    assert "and 5 findings more" in out
    assert "SELECT *" not in out


def test_advise_chooses_by_code_and_explains(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    service.tells(made(findings=(finding("PK101"), finding("PK201"))))
    out = printed(capsys, 1, "advise", service.url, "--code", "pk2", "--explain")
    assert "PK101" not in out
    assert "      SQL:\n        SELECT *\n        FROM review" in out
    assert "seconds: 457 ms" in out


def test_advise_says_what_is_mended_what_came_back_and_what_the_score_would_be(
    service: Canned, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = Fixed(
        fingerprint="x",
        code="PK102",
        kind="duplicate_query",
        component="database",
        message="cart total was asked 3 times",
        site=None,
        route=None,
        object=None,
        before=Figures(requests=100, p95=0.488),
        after=Figures(requests=100, p95=0.066),
        first_seen=1.0,
        since=2.0,
        fixed_at=3.0,
        release="2.8.1",
        proof="216 → 3 queries, p95 488 ms → 66 ms",
    )
    service.tells(
        made(
            findings=(finding(state=State.RETURNED),),
            fixed=(fixed,),
            snoozed=(Snoozed(finding=finding("PK201"), until=9e9),),
            outlook=Outlook(score=97, fingerprints=("a", "b")),
        )
    )
    out = printed(capsys, 1, "advise", service.url)
    assert "PK101  came back  shop/views.py:48" in out
    assert "216 → 3 queries, p95 488 ms → 66 ms  since release 2.8.1" in out
    assert "Without the first two that cost points the score would be about 97." in out
    assert "1 finding snoozed." in out
    score = made(findings=(finding("PK201"),)).score
    service.tells(made(findings=(finding(),), score=None, snoozed=(Snoozed(finding=finding("PK201"), until=9e9),)))
    assert "1 finding snoozed." in printed(capsys, 1, "advise", service.url)
    service.tells(replace(made(snoozed=(Snoozed(finding=finding("PK201"), until=9e9),)), score=score))
    assert "1 finding snoozed, still 4 points of the score." in printed(capsys, 0, "advise", service.url)
    service.tells(made(fixed=(fixed,)))
    assert "216 → 3 queries" in printed(capsys, 0, "advise", service.url)


def test_advise_begins_with_what_the_page_says_to_do_first(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    told = made(findings=(finding(),))
    acute = Verdict(status=Status.CRITICAL, headline="Check db fails", action="Mend what check db watches.")
    service.tells(replace(told, verdict=acute))
    out = printed(capsys, 1, "advise", service.url)
    assert out.index("Do this first: Mend what check db watches.") < out.index(" 1  high  PK101")
    first = replace(acute, action=finding().action, finding=finding().fingerprint)
    service.tells(replace(told, verdict=first))
    assert "Do this first" not in printed(capsys, 1, "advise", service.url)


def test_advise_finds_nothing_with_code_0(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nothing to do" in printed(capsys, 0, "advise", service.url)
    told = json.loads(printed(capsys, 0, "advise", service.url, "--json"))
    assert (told["version"], told["total"], told["findings"]) == (1, 0, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--workload", "x.sql"],
        ["--schema", "s"],
        ["http://127.0.0.1:1", "--database", "sqlite:///x"],
        ["--database", "sqlite:///x", "--explain"],
    ],
)
def test_a_service_and_a_database_are_not_mixed_up(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", *arguments]) == 2
    assert "--database" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["check"], ["advise"], ["advise", "--explain"], ["check", "--no-new-findings"]])
def test_nothing_that_a_service_says_reaches_the_terminal_as_a_command(
    command: list[str], service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = finding(
        message=HOSTILE,
        action=HOSTILE,
        site=f"{HOSTILE}:1",
        object=HOSTILE,
        evidence={HOSTILE: HOSTILE, "list": [HOSTILE], "deep": {HOSTILE: HOSTILE}},
        fix={HOSTILE: HOSTILE},
    )
    service.tells(made(findings=(hostile,), service=HOSTILE, environment=HOSTILE))
    arguments = [*command, saved(tmp_path, "base.json")] if command[-1].startswith("--no") else command
    assert main([*arguments, service.url]) in (0, 1)
    out = capsys.readouterr().out
    assert not set(out) & {chr(code) for code in range(32) if chr(code) != "\n"}
    assert "\u202e" not in out


# export


def test_export_gives_what_came(service: Canned, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["export", service.url]) == 0
    assert capfdbinary.readouterr().out.rstrip(b"\n") == service.answers["/perfkit/api/overview"][1]


def test_ndjson_has_an_object_a_line_with_its_kind(service: Canned, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    service.tells(made(findings=(finding(),), routes=(route("/a"), route("/b"))))
    assert main(["export", service.url, "--format", "ndjson"]) == 0
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["service", "route", "route", "finding"]
    assert {(line["version"], line["service"]) for line in lines} == {(1, "shop")}


@pytest.mark.parametrize("url", ["", "/perfkit/"])
def test_metrics_come_in_their_own_formats(
    url: str, service: Canned, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    service.answers["/metrics?format=csv"] = (200, b"name,value\na,1\n")
    assert main(["export", f"{service.url}{url}", "--format", "csv"]) == 0
    assert capfdbinary.readouterr().out == b"name,value\na,1\n"


def test_otlp_has_each_kind_of_metric_as_the_protocol_wants_it(
    service: Canned, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def family(name: str, kind: str, *samples: tuple[str, dict[str, str], Any], unit: str = "") -> dict[str, Any]:
        told = [{"name": name + suffix, "labels": labels, "value": value} for suffix, labels, value in samples]
        return {"name": name, "type": kind, "help": f"{name} helps", "unit": unit, "samples": told}

    families = [
        family("seen_total", "counter", ("", {"a": "b"}, 3)),
        family("level", "gauge", ("", {}, "NaN"), ("", {"x": "y"}, "+Inf"), unit="bytes"),
        family(
            "took_seconds",
            "histogram",
            ("_bucket", {"le": "0.1"}, 1),
            ("_bucket", {"le": "1"}, 4),
            ("_bucket", {"le": "+Inf"}, 5),
            ("_count", {}, 5),
            ("_sum", {}, 2.5),
            ("_created", {}, 1.0),
            unit="seconds",
        ),
        family("quick", "summary", ("", {"quantile": "0.5"}, 2.0), ("_count", {}, 7), ("_sum", {}, 9.0)),
        family("empty", "gauge"),
    ]
    service.answers["/metrics?format=json"] = (200, json.dumps(families).encode())
    assert main(["export", service.url, "--format", "otlp"]) == 0
    out = capfdbinary.readouterr().out
    assert out.count(b"\n") == 1
    (resource,) = json.loads(out)["resourceMetrics"]
    assert {"key": "service.name", "value": {"stringValue": "shop"}} in resource["resource"]["attributes"]
    counter, gauge, histogram, summary = resource["scopeMetrics"][0]["metrics"]
    assert counter["sum"]["isMonotonic"] is True
    assert counter["sum"]["aggregationTemporality"] == 2
    (point,) = counter["sum"]["dataPoints"]
    assert point["asDouble"] == 3
    assert point["startTimeUnixNano"] == str(int((1_800_000_000 - 400) * 1e9))
    assert (gauge["unit"], [each["asDouble"] for each in gauge["gauge"]["dataPoints"]]) == ("By", ["NaN", "Infinity"])
    (point,) = histogram["histogram"]["dataPoints"]
    assert (point["count"], point["bucketCounts"], point["explicitBounds"]) == ("5", ["1", "3", "1"], [0.1, 1.0])
    assert (point["sum"], histogram["unit"]) == (2.5, "s")
    (point,) = summary["summary"]["dataPoints"]
    assert (point["count"], point["quantileValues"]) == ("7", [{"quantile": 0.5, "value": 2.0}])


def test_an_export_replaces_a_file_whole_and_keeps_its_rights(service: Canned, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text("before")
    path.chmod(0o640)
    assert main(["export", service.url, "--output", str(path)]) == 0
    assert json.loads(path.read_bytes())["service"] == "shop"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["export.json"]


def test_a_file_that_cannot_be_written_is_said_so(
    service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", service.url, "--output", str(tmp_path / "no" / "such.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_only_streams_go_on(service: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", service.url, "--format", "json", "--every", "1s"]) == 2
    assert "--every goes with a stream" in capsys.readouterr().err


# compare


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ({"p95": 0.1}, {"p95": 0.1}, 0),
        ({"p95": 0.1}, {"p95": 0.13}, 1),
        ({"p95": 0.1}, {"p95": 0.115}, 0),
        ({"p95": 0.001}, {"p95": 0.004}, 0),
        ({"p95": 0.5}, {"p95": 0.1}, 0),
        ({"p95": 0.1, "requests": 49}, {"p95": 9.0, "requests": 49}, 0),
        ({"errors": 0}, {"errors": 20}, 1),
        ({"errors": 10}, {"errors": 12}, 0),
        ({"errors": 10, "requests": 60}, {"errors": 12, "requests": 60}, 0),
        ({"score": 90}, {"score": 86}, 1),
        ({"score": 90}, {"score": 88}, 0),
        ({"score": None}, {"score": 10}, 0),
        ({"findings": ()}, {"findings": (finding(),)}, 1),
        ({"findings": (finding(),)}, {"findings": ()}, 0),
        ({"routes": (route("/a", p95=0.1),)}, {"routes": (route("/a", p95=0.4),)}, 1),
        ({"routes": (route("/a", p95=0.1),)}, {"routes": (route("/b", p95=0.4),)}, 0),
    ],
)
def test_worse_is_what_chance_alone_does_not_make(
    tmp_path: Path,
    before: dict[str, Any],
    after: dict[str, Any],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [saved(tmp_path, "before.json", **before), saved(tmp_path, "after.json", **after)]
    out = printed(capsys, code, "compare", *files)
    last = out.splitlines()[-1]
    assert last in ("Worse: 1 number.", "Worse: 2 numbers.", "Worse: 1 new finding.") if code else last == "Not worse."
    told = json.loads(printed(capsys, code, "compare", *files, "--json"))
    assert told["is_worse"] is bool(code)


def test_what_is_worse_one_way_is_better_the_other_way() -> None:
    slow, fast = made(p95=0.5, errors=50, score=50), made(p95=0.1, errors=0, score=90)
    turned = {"worse": "better", "better": "worse"}
    there = [change.verdict for change in compared(fast, slow, tolerance=0.2).changes]
    back = [change.verdict for change in compared(slow, fast, tolerance=0.2).changes]
    assert there == ["worse"] * 4
    assert [turned[verdict] for verdict in back] == there


def test_a_percentile_is_worse_only_where_chance_does_not_explain_it() -> None:
    """Draws from one distribution are called worse next to never, and a real slowdown is found."""
    draw = random.Random(7)

    def sample(count: int, factor: float = 1.0) -> Overview:
        took = sorted(factor * 0.05 * math.exp(draw.gauss(0.0, 1.0)) for _ in range(count))
        at = {f"p{q}": took[min(count - 1, math.ceil(q / 100.0 * count) - 1)] for q in (50, 90, 95, 99)}
        latency = Latency(**at, max=took[-1])
        told = made(requests=count)
        assert told.performance is not None
        return replace(told, performance=replace(told.performance, latency=latency))

    def worse(count: int, factor: float) -> float:
        pairs = [compared(sample(count), sample(count, factor), tolerance=0.05) for _ in range(150)]
        return sum(pair.is_worse for pair in pairs) / len(pairs)

    for count in (50, 200, 1000):
        assert worse(count, 1.0) <= 0.03, count
    assert worse(1000, 1.6) >= 0.95
    assert worse(200, 2.5) >= 0.95


def test_what_chance_explains_is_told_and_shrinks_with_the_requests() -> None:
    latency = Latency(p50=0.05, p90=0.18, p95=0.26, p99=0.5, max=1.0)
    told = [
        noise((latency, count), (latency, count), quantile) for quantile in (0.5, 0.95) for count in (50, 500, 5000)
    ]
    assert told[0] > 2.0 * told[1] > 4.0 * told[2] > 0.0
    assert told[3] > 2.0 * told[4] > 4.0 * told[5] > 0.0
    low, middle, high = interval(latency, 500, 0.95)
    assert 0.18 < low < middle == 0.26 < high < 0.5


def test_a_pull_request_gets_markdown_in_which_nothing_is_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "@octocat see #1 or GH-2 <img src=x> [a](http://b) _WWW.evil.example | `x` ``y``"
    before = saved(tmp_path, "before.json", routes=(route(hostile, p95=0.1),), release="1|2", findings=(finding(),))
    new = finding("PK201", "a|b.py:3", message=f"{hostile}\n# title")
    after = saved(tmp_path, "after.json", routes=(route(hostile, p95=0.9),), release="<b>", findings=(new,))
    lines = printed(capsys, 1, "compare", before, after, "--format", "markdown").splitlines()
    assert lines[0] == "### perfkit: worse"
    rows = [line for line in lines if line.startswith("|")]
    assert rows[:2] == ["| | | before | after | chance | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 7 for row in rows)
    assert any("🔺 worse" in row for row in rows)
    outside = re.sub(r"(`+).+?\1", "", "\n".join(lines))
    for obeyed in ("@octocat", r"(?<!\\)<[a-z/!]", r"(?<!\\)\]\(", "://", r"(?<!\\)#\d", r"(?i)www\.", r"(?i)gh\\?-\d"):
        assert re.search(obeyed, outside) is None, obeyed
    assert sum(line.startswith("#") for line in lines) == 1
    assert "**New**" in lines
    assert "**Gone**" in lines


@pytest.mark.parametrize("content", [b"", b"{}", b"no json"])
def test_a_file_that_is_no_export_is_a_wrong_use(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert main(["compare", str(path), saved(tmp_path, "y.json")]) == 2
    assert main(["compare", str(tmp_path / "missing"), str(path)]) == 2
    assert main(["compare", str(path), str(path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


# report


class Asks(HTMLParser):
    """Notes what a document would ask for or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "iframe", "object", "embed", "base", "form"):
            self.found.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("src", "action", "style") or (name == "href" and value[:1] != "#"):  # type: ignore[index]
                self.found.append(f"{tag} {name}={value}")


def test_the_report_is_one_file_that_asks_for_nothing(
    service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.tells(made(findings=(finding(message="<script>alert(1)</script>"),), routes=(route("/items/{id}"),)))
    path = tmp_path / "report.html"
    assert main(["report", service.url, "-o", str(path)]) == 0
    document = path.read_text()
    asks = Asks()
    asks.feed(document)
    assert asks.found == []
    assert "&lt;script&gt;alert(1)" in document
    assert "{id}" in document
    assert "default-src 'none'" in document
    assert "<style>" in document
    assert "holds shop as of" in capsys.readouterr().err


def test_a_report_carries_what_compare_and_check_need(
    service: Canned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow, fast = made(p95=0.5, findings=(finding(message=HOSTILE),), routes=(route("/a", p95=0.5),)), made(p95=0.1)
    pages = [str(tmp_path / name) for name in ("before.html", "after.html")]
    for path, overview in zip(pages, (fast, slow), strict=True):
        service.tells(overview)
        assert main(["report", service.url, "-o", path]) == 0
    exports = [saved(tmp_path, "before.json", p95=0.1), saved(tmp_path, "after.json", p95=0.5)]
    of_pages = printed(capsys, 1, "compare", *pages)
    assert "p95" in of_pages
    assert of_pages.splitlines()[:4] == printed(capsys, 1, "compare", *exports).splitlines()[:4]
    assert main(["check", service.url, "--no-new-findings", pages[1]]) == 0
    again = tmp_path / "again.html"
    assert main(["report", "--from", pages[1], "-o", str(again)]) == 0
    assert again.read_text() == Path(pages[1]).read_text()


@pytest.mark.parametrize("content", ["", "!", "AAAA", base64.b64encode(zlib.compress(b" " * 70_000_000)).decode()])
def test_a_page_that_carries_no_export_is_a_wrong_use(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.html"
    path.write_text(f'<!DOCTYPE html><meta name="perfkit-export" content="{content}">')
    assert main(["compare", str(path), saved(tmp_path, "y.json")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_report_is_made_of_an_export_too(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["report", "--from", saved(tmp_path, "x.json")]) == 0
    assert b"within its target" in capfdbinary.readouterr().out


def test_what_runs_or_asks_is_taken_out_of_a_page() -> None:
    page = (
        "<!doctype html><html><head><title>T</title><link rel=stylesheet href=x.css><script>bad()</script></head>"
        '<body onload="bad()"><a href="./x">l</a><a href="#y">m</a><a class="live on" href="?live">Live<b>!</b></a>'
        '<nav><a href="./other">Other</a><a href="#here">Here</a><a href="./" aria-current="page">This</a></nav>'
        '<img src="http://x/"><iframe src=x>in</iframe><meta http-equiv=refresh content=1><p style="x">&lt;b&gt;</p>'
    )
    made_of_it = self_contained(page, "p{}</style>")
    asks = Asks()
    asks.feed(made_of_it)
    assert asks.found == []
    assert '<nav><a href="#here">Here</a><a aria-current="page">This</a></nav>' in made_of_it
    for gone in ("bad()", "Live", "x.css", "http://x/", "refresh", "in</"):
        assert gone not in made_of_it
    assert '<a>l</a><a href="#y">m</a>' in made_of_it
    assert "<p>&lt;b&gt;</p>" in made_of_it
    assert "<style>p{}<\\/style>nav li:empty { display: none; }" in made_of_it
    assert made_of_it.count("</style>") == 1
    assert self_contained("<head></head><main><p>x", "", head="<meta>", note="<b>").endswith(
        '</style><meta></head><main><p class="report">&lt;b&gt;</p><p>x'
    )


# whatever comes


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a document."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield from places(each, (*path, key))


WHOLE = json.loads(encoded(made(findings=(finding(),), routes=(route("/a"), route("/b", p95=None)))))
ODD = (None, True, -1, 0, 1e308, -1e308, 10**30, 5e-324, "", HOSTILE, "x" * 5000, "NaN", [], {}, [None], {"a": 1})


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(list(places(WHOLE))), st.sampled_from(ODD)), min_size=1, max_size=4))
def test_no_document_breaks_a_command(tmp_path_factory: pytest.TempPathFactory, changes: list[Any]) -> None:
    document = json.loads(json.dumps(WHOLE))
    for path, value in changes:
        inside = document
        for key in path[:-1]:
            inside = inside[key] if isinstance(inside, dict) and key in inside else {}
        if isinstance(inside, dict):
            inside[path[-1]] = value
    folder = tmp_path_factory.mktemp("odd")
    odd, before = folder / "odd.json", folder / "before.json"
    odd.write_text(json.dumps(document))
    before.write_text(json.dumps(WHOLE))
    for command in (
        ["compare", str(before), str(odd)],
        ["report", "--from", str(odd), "-o", str(folder / "r.html")],
    ):
        messages = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(messages):
            assert main(command) in (0, 1, 2, 3)
        assert "internal error" not in messages.getvalue()
        assert "\x1b" not in messages.getvalue()
