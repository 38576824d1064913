"""The `perfkit` command: what it prints where, and its exit codes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from perfkit import __version__
from perfkit.cli.main import COMMANDS, main, parser

HEAVY = (
    "asyncio",
    "fastapi",
    "msgspec",
    "psutil",
    "rich",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "perfkit.system",
    "perfkit_demo",
)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_version_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr() == (f"perfkit {__version__}\n", "")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    shown, messages = capsys.readouterr()
    assert messages == ""
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s", shown, re.MULTILINE)


def test_a_command_that_is_nearly_one_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("chek") == 2
    assert "Did you mean check?" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy_and_says_what_it_is_for(command: str) -> None:
    code = (
        "import sys\nfrom perfkit.cli.main import main\n"
        f"try: main([{command!r}, '--help'])\n"
        "except SystemExit as ended: print(ended.code)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    outcome = python(code)
    assert outcome.stdout.endswith("0\n[]\n")
    assert outcome.stderr == ""


def test_an_error_of_ours_is_a_sentence_and_its_trace_only_for_who_asks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import perfkit.cli.config as command

    def broken(options: object) -> int:
        raise KeyError("nowhere\x1b[2J")

    monkeypatch.setattr(command, "run", broken)
    assert main(["config", "show"]) == 2
    messages = capsys.readouterr().err
    assert "internal error (KeyError: 'nowhere\\x1b[2J')" in messages
    assert "\x1b" not in messages
    with pytest.raises(KeyError):
        main(["config", "show", "--debug"])


def test_help_of_the_demo_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("demo", "--help") == 0
    shown = capsys.readouterr().out
    for option in ("--port", "--workers", "--no-traffic", "--open", "--seed", "--duration"):
        assert option in shown


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from perfkit.cli.main import parser; parser().format_help(); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert python(code).stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("--vers",),
        ("demo", "--port", "65536"),
        ("demo", "--port", "-1"),
        ("demo", "--port", "²"),
        ("demo", "--workers", "0"),
        ("demo", "--workers", "many"),
        ("demo", "--duration", "0"),
        ("demo", "--duration", "nan"),
        ("demo", "--duration", "soon"),
        ("demo", "--dur", "1"),
        ("demo", "now"),
    ],
)
def test_wrong_use_is_exit_code_2_and_a_message(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*arguments) == 2
    shown, messages = capsys.readouterr()
    assert shown == ""
    assert "error:" in messages


def test_the_demo_has_the_defaults_of_its_help() -> None:
    options = parser().parse_args(["demo"])
    assert (options.port, options.workers, options.seed, options.duration) == (8000, 1, 0, None)
    assert (options.no_traffic, options.open) == (False, False)


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "sqlalchemy", "greenlet", "aiosqlite"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None; "
        "from perfkit.cli.main import main; sys.exit(main(['demo', '--port', '0', '--duration', '1']))"
    )
    outcome = python(code)
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert f"{package!r}, which is not installed" in outcome.stderr
    assert "pip install 'perfkit[demo]'" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_ctrl_c_before_the_demo_is_set_up_is_exit_code_130() -> None:
    code = (
        "import sys, perfkit.cli.demo as demo\n"
        "def interrupted(options): raise KeyboardInterrupt\n"
        "demo.run = interrupted\n"
        "from perfkit.cli.main import main\n"
        "sys.exit(main(['demo']))"
    )
    outcome = python(code)
    assert (outcome.returncode, outcome.stderr) == (130, "")


def test_the_module_can_be_run_without_the_script() -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "perfkit.cli", "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (outcome.returncode, outcome.stdout) == (0, f"perfkit {__version__}\n")
