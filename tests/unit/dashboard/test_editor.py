"""A line of one's own code opens in one's own editor: in development only, and nothing else opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfkit.config import DashboardSettings, get_performance_config
from perfkit.config.sections import EDITORS
from perfkit.core.errors import ConfigurationError
from perfkit.dashboard.editor import Editor, editor_of
from perfkit.dashboard.html import editor_link, h
from perfkit.dashboard.parts import site_code
from perfkit.http.front import Front
from perfkit.system import PerformanceSystem
from tests.unit.dashboard.test_overview import Page


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path.resolve() / "my shop"
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "views.py").write_text("a = 1\n")
    monkeypatch.chdir(root)
    return root


def of(name: str, **more: object) -> Editor:
    made = editor_of(DashboardSettings(editor=name, **more), "development", {})  # type: ignore[arg-type]  # path_map
    assert made is not None
    return made


@pytest.mark.parametrize("name", EDITORS)
def test_each_known_editor_gets_path_and_line(name: str, shop: Path) -> None:
    url = of(name).url("shop/views.py:48")
    path = str(shop / "shop" / "views.py").replace(" ", "%20")
    assert path in url
    assert url.endswith("48")
    (link,) = Page(str(editor_link(url, "open"))).all("a")
    assert (link["href"].replace("&amp;", "&"), link["class"]) == (url, "editor")


def test_a_path_of_a_container_is_one_of_this_machine(shop: Path) -> None:
    editor = of("vscode", path_map={str(shop.parent): "/wrong", f"{shop}/": "/home/me/shop"})
    assert editor.url("shop/views.py:7") == "vscode://file/home/me/shop/shop/views.py:7"


@pytest.mark.parametrize(
    "site",
    ["", "shop/views.py", "shop/views.py:x", "shop/gone.py:1", "/etc/passwd:1", "../../etc/hosts.py:1", "\0.py:1"],
)
def test_what_is_no_file_of_the_app_has_no_link(site: str, shop: Path) -> None:
    assert of("vscode").url(site) == ""
    assert "<a" not in str(h("p", None, site_code(site, of("vscode"))))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TERM_PROGRAM": "vscode"}, "vscode"),
        ({"TERM_PROGRAM": "vscode", "CURSOR_TRACE_ID": "1"}, "cursor"),
        ({"PYCHARM_HOSTED": "1"}, "pycharm"),
        ({"TERMINAL_EMULATOR": "JetBrains-JediTerm"}, "pycharm"),
        ({"ZED_TERM": "true"}, "zed"),
        ({"TERM_PROGRAM": "tmux"}, None),
    ],
)
def test_the_editor_whose_terminal_it_is_is_found(variables: dict[str, str], expected: str | None) -> None:
    made = editor_of(DashboardSettings(), "development", variables)
    assert (made.template if made else None) == (EDITORS[expected] if expected else None)


@pytest.mark.parametrize("environment", ["production", "testing"])
def test_outside_of_development_there_is_none(environment: str) -> None:
    settings = {"environment": environment, "dashboard": {"editor": "vscode"}}
    assert Front(PerformanceSystem(settings)).overview_data().editor is None
    assert Front(PerformanceSystem({**settings, "environment": "development"})).overview_data().editor is not None
    assert editor_of(DashboardSettings(editor="off"), "development", {"TERM_PROGRAM": "vscode"}) is None


def test_a_template_of_ones_own_is_used() -> None:
    assert of("idea://open?file={path}&line={line}&project=shop").template.endswith("project=shop")


@pytest.mark.parametrize(
    "editor",
    [
        "emacs",
        "javascript://{path}",
        "file://{path}",
        "https://evil.example/{path}",
        "vscode://file",
        "vscode://{path} x",
    ],
)
def test_no_setting_makes_a_link_that_does_something_else(editor: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        get_performance_config("development", settings={"dashboard": {"editor": editor}})
    assert "dashboard.editor" in str(raised.value)
    assert editor_link(editor.replace("{path}", "/a b"), "open") is None or editor == "vscode://file"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "vscode:", "vscode://a\nb", "data:text/html,x", "//x"])
def test_no_other_scheme_is_a_link_of_an_editor(url: str) -> None:
    assert editor_link(url, "open") is None


def test_a_file_that_leads_round_in_a_circle_has_no_link(shop: Path) -> None:
    (shop / "shop" / "loop.py").symlink_to(shop / "shop" / "loop.py")
    assert of("vscode").url("shop/loop.py:1") == ""
