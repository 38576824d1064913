"""The settings in force are shown with their sources, and no secret is."""

from __future__ import annotations

import json
from typing import Any

from perfkit.dashboard import encode, gather, given_of, page_entry, render
from perfkit.dashboard.pages.service.settings import SettingsFound
from perfkit.http.front import Front
from perfkit.system import PerformanceSystem
from tests.unit.dashboard.test_overview import Page

SECRETS = {
    "access": {"token": "a-secret-of-the-service", "metrics_token": "another-secret-for-scrapers"},
    "cache": {"redis_url": "redis://user:hunter2-secret@cache.internal/0"},
}
SAID = ("a-secret-of-the-service", "another-secret-for-scrapers", "hunter2-secret")


def shown(settings: dict[str, Any], query: str = "show=all", environment: str = "testing") -> tuple[str, Any]:
    """The page and the JSON of a system with *settings*."""
    system = PerformanceSystem(settings, environment=environment)
    entry = page_entry("settings")
    given, data = given_of(entry, query), Front(system).overview_data()
    found = gather(entry, system, data, given)
    assert isinstance(found, SettingsFound)
    return render(entry, data, found, given), json.loads(encode(entry, data, found, given))


def test_no_secret_is_shown_anywhere() -> None:
    page, document = shown(SECRETS)
    for secret in SAID:
        assert secret not in page
        assert secret not in json.dumps(document)
    told = {row["name"]: row["value"] for row in document["settings"]}
    assert told["access.token"] == told["access.metrics_token"] == "hidden"


def test_each_setting_tells_its_source_and_only_what_was_changed_is_in_sight() -> None:
    page, document = shown({"cache": {"max_size": 1234}}, "")
    rows = {row["name"]: row for row in document["settings"]}
    assert (rows["cache.max_size"]["value"], rows["cache.max_size"]["source"]) == ("1234", "settings")
    assert "cache.strategy" not in rows
    assert Page(page).row("cache.max_size")[1] == "1234"
    every = shown({}, "show=all")[1]["settings"]
    assert len(every) > 60
    assert all(row["meaning"] for row in every)


def test_a_setting_is_found_by_a_part_of_its_name() -> None:
    assert {row["name"].partition(".")[0] for row in shown({}, "q=CACHE.")[1]["settings"]} == {"cache"}
