"""Assets are named by their content, and every answer carries the same guards."""

from __future__ import annotations

import hashlib
import re

import pytest

from perfkit.dashboard import ASSET_HEADERS, SECURITY_HEADERS, asset, asset_url


@pytest.mark.parametrize(
    ("plain", "content_type"), [("style.css", "text/css; charset=utf-8"), ("favicon.svg", "image/svg+xml")]
)
def test_an_asset_is_found_by_its_public_name(plain: str, content_type: str) -> None:
    url = asset_url(plain)
    assert re.fullmatch(r"\./static/[a-z]+-[0-9a-f]{16}\.[a-z]+", url)
    found = asset(url.removeprefix("./static/"))
    assert found is not None
    assert found.content_type == content_type
    assert found.hash in url
    assert hashlib.sha256(found.body).hexdigest().startswith(found.hash)


@pytest.mark.parametrize(
    "name",
    ["", "style.css", "style-.css", "style-0000000000000000.css", "../html.py", "style", "-", ".", "html-x.py", "a/b"],
)
def test_any_other_name_is_none(name: str) -> None:
    assert asset(name) is None


def test_assets_stay_small() -> None:
    found = [asset(asset_url(plain).removeprefix("./static/")) for plain in ("style.css", "favicon.svg")]
    assert sum(len(each.body) for each in found if each) < 20_000


def test_the_stylesheet_loads_nothing() -> None:
    found = asset(asset_url("style.css").removeprefix("./static/"))
    assert found is not None
    assert not re.search(rb"url\(|@import|@font-face", found.body)


@pytest.mark.parametrize("headers", [SECURITY_HEADERS, ASSET_HEADERS])
def test_all_answers_carry_the_guards(headers: tuple[tuple[str, str], ...]) -> None:
    named = dict(headers)
    assert len(named) == len(headers)
    policy = named["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for part in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "trusted-types 'none'"):
        assert part in policy
    assert named["x-content-type-options"] == "nosniff"
    assert named["x-frame-options"] == "DENY"
    assert named["referrer-policy"] == "same-origin"


def test_pages_are_never_stored_and_assets_never_asked_for_again() -> None:
    assert dict(SECURITY_HEADERS)["cache-control"] == "no-store"
    assert "immutable" in dict(ASSET_HEADERS)["cache-control"]
