"""`perfkit run` before anything is served: which app is meant, what it is called by, what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette

from perfkit.cli.launch.around import interface_of, wrapped
from perfkit.cli.launch.served import VARIABLE, app, described
from perfkit.cli.launch.target import Target, TargetError, found
from perfkit.cli.main import main
from perfkit_asgi import PerfkitMiddleware
from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware as WsgiMiddleware

MODULE = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]

async def application(scope, receive, send): ...

def create_app():
    return app

async def amake(): return app

def broken(): raise ValueError("no database")

def nothing(): return None

def wanting(settings): return app

def ending(): raise SystemExit(3)

number = 5
class Nested:
    inner = staticmethod(app)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "sample_site.py").write_text(MODULE)
    (tmp_path / "only_factory.py").write_text("def create_app():\n    return lambda environ, start_response: []\n")
    (tmp_path / "failing.py").write_text("1 / 0\n")
    (tmp_path / "wanting.py").write_text("import a_module_that_is_not_there\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "ending.py").write_text("raise SystemExit('no configuration')\n")
    (tmp_path / "unreadable.py").write_text("def app(:\n")
    (tmp_path / "my-site.py").write_text("")
    path = list(sys.path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = path
    for name in ("sample_site", "only_factory", "failing", "wanting", "empty", "ending", "unreadable"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sample_site:app", "app"),
        ("sample_site", "app"),
        ("sample_site.py:application", "application"),
        ("sample_site:Nested.inner", "app"),
        ("sample_site:create_app()", "app"),
        ("only_factory", "<lambda>"),
    ],
)
def test_an_app_is_found_as_it_is_named(folder: Path, text: str, name: str) -> None:
    assert found(Target.parsed(text)).__name__ == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample_sight:app", "Did you mean sample_site?"),
        ("sample_site:ap", "Did you mean sample_site:app?"),
        ("sample_site:number", "is of type int, which cannot be called"),
        ("sample_site:amake()", "is a coroutine"),
        ("sample_site:broken()", "ValueError (no database) at "),
        ("failing:app", "ZeroDivisionError (division by zero) at "),
        ("wanting:app", "there is no module 'a_module_that_is_not_there'"),
        ("empty", "has none of app, application"),
        ("nothing.py", "There is no file"),
        ("a b:c", "names no app"),
        ("", "names no app"),
        ("sample_site:a:b", "names no app"),
        ("no.such.package:app", "There is no module 'no'"),
        ("sample_site:number()", "which cannot be called. A factory is a function"),
        ("sample_site:nothing()", "returned an object of type NoneType"),
        ("sample_site:wanting()", "missing 1 required positional argument"),
        ("sample_site:app()", "It looks like the app itself: leave --factory and () out."),
        ("sample_site:ending()", "SystemExit (3) at "),
        ("sample_site:Nested", "is a class. An app is an object that is made of it."),
        ("ending:app", "it ended the program (SystemExit (no configuration)"),
        ("unreadable:app", "SyntaxError (invalid syntax) at "),
        ("my-site.py", "Rename it to my_site.py."),
        ("http://127.0.0.1:8000", "names no app"),
    ],
)
def test_what_is_wrong_is_said_without_a_trace_and_is_exit_code_2(
    folder: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", text]) == 2
    shown, messages = capsys.readouterr()
    assert shown == ""
    assert said in messages
    assert "Traceback" not in messages
    assert messages.count("\n") == 1


def test_the_trace_is_there_for_who_asks_for_it(folder: Path) -> None:
    with pytest.raises(TargetError) as caught:
        main(["run", "--debug", "failing:app"])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_takes_neither_kind_of_arguments_is_said_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty.py").write_text("def app(a, b, c, d): ...\n")
    assert main(["run", "empty:app"]) == 2
    assert "neither the three arguments of ASGI nor the two of WSGI" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_said_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "sample_site:app", "--app-dir", str(folder / "missing")]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_reloading_has_one_worker(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "sample_site:app", "--reload", "--workers", "2"]) == 2
    assert "Leave one out." in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_before_anything_is_served(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["run", "sample_site:app", "--port", str(taken.getsockname()[1])]) == 1
    assert "cannot be listened at" in capsys.readouterr().err


class Asgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Wsgi:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class Second:
    def __init__(self, scope: Any) -> None: ...
    async def __call__(self, receive: Any, send: Any) -> None: ...


class Around:
    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, *arguments: Any) -> Any:
        return self.app(*arguments)


def plain_asgi(scope: Any, receive: Any, send: Any) -> Any: ...


def open_asgi(scope: Any, receive: Any = None, send: Any = None) -> Any: ...


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (Asgi(), "asgi"),
        (Wsgi(), "wsgi"),
        (plain_asgi, "asgi"),
        (open_asgi, "asgi"),
        (Around(Wsgi()), "wsgi"),
        (Around(Asgi()), "asgi"),
        (Starlette(), "asgi"),
        (Flask(__name__), "wsgi"),
        (lambda a, b, c, d: None, None),
        (lambda: None, None),
        (dict, None),
        (Second, "asgi"),
        (Around, None),
    ],
)
def test_the_arguments_tell_what_an_app_is(app: Any, interface: str | None) -> None:
    assert interface_of(app) == interface


def test_each_framework_gets_its_own_adapter_once(folder: Path) -> None:
    (folder / "empty.py").write_text(
        "from flask import Flask\nfrom starlette.applications import Starlette\nfrom perfkit_flask import Perfkit\n"
        "from perfkit_asgi import PerfkitMiddleware\nfrom perfkit_wsgi import PerfkitMiddleware as W\n"
        "flask = Flask('empty')\nasgi = Starlette()\nhas = Flask('empty')\nPerfkit(has)\n"
        "knows = Starlette()\nknows.add_middleware(PerfkitMiddleware)\naround = W(lambda environ, start_response: [])\n"
    )
    flask, asgi, has, knows, around = (
        wrapped(Target.parsed(f"empty:{name}")) for name in ("flask", "asgi", "has", "knows", "around")
    )
    assert (flask.framework, flask.interface, flask.is_new) == ("Flask", "wsgi", True)
    assert "perfkit" in flask.app.extensions
    assert (asgi.framework, asgi.interface, asgi.is_new) == ("Starlette", "asgi", True)
    assert [each.cls for each in asgi.app.user_middleware] == [PerfkitMiddleware]
    assert (has.is_new, knows.is_new, around.is_new) == (False, False, False)
    assert [each.cls for each in knows.app.user_middleware] == [PerfkitMiddleware]
    assert isinstance(around.app, WsgiMiddleware)
    assert Perfkit is not None


def test_workers_make_the_same_app_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, described(Target.parsed("sample_site:create_app()"), "wsgi"))
    made = app()
    assert isinstance(made, WsgiMiddleware)
    assert made.app is sys.modules["sample_site"].app


@pytest.mark.parametrize("text", ["", "{}", "[1,2]"])
def test_workers_without_a_target_say_so(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(TargetError, match="does not say which app"):
        app()


def test_our_variables_are_no_misspelt_settings() -> None:
    from perfkit.config import get_performance_config

    get_performance_config(environ={VARIABLE: "x", "PERFKIT_URL": "http://127.0.0.1"})
