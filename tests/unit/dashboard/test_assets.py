"""Assets are named by their content, and every answer carries the same guards."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import perfkit.dashboard
from perfkit.dashboard import ASSET_HEADERS, SECURITY_HEADERS, asset, asset_names, asset_url


@pytest.mark.parametrize(
    ("plain", "content_type"),
    [
        ("style.css", "text/css; charset=utf-8"),
        ("favicon.svg", "image/svg+xml"),
        ("app.js", "text/javascript; charset=utf-8"),
    ],
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
    [
        "",
        "style.css",
        "style-.css",
        "style-0000000000000000.css",
        "../html.py",
        "style",
        "-",
        ".",
        "html-x.py",
        "a/b",
        "app.js",
    ],
)
def test_any_other_name_is_none(name: str) -> None:
    assert asset(name) is None


def test_all_assets_together_stay_small() -> None:
    found = [asset(name) for name in asset_names()]
    assert sum(len(each.body) for each in found if each) < 60_000


def test_every_file_of_the_folder_is_an_asset_and_every_import_one_of_them() -> None:
    folder = Path(str(perfkit.dashboard.__file__)).with_name("static")
    names = asset_names()
    assert sorted(re.sub("-[0-9a-f]{16}", "", name) for name in names) == sorted(each.name for each in folder.iterdir())
    for name in names:
        found = asset(name)
        assert found is not None
        if name.endswith(".js"):
            imported = re.findall(rb'(?:from |import )"\./([^"]+)"', found.body)
            assert all(each.decode() in names for each in imported)


def test_no_script_writes_markup_or_asks_another_origin() -> None:
    for name in asset_names():
        if name.endswith(".js"):
            found = asset(name)
            assert found is not None
            source = found.body.decode()
            for sink in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "import(",
            ):
                assert sink not in source
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", source)


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
