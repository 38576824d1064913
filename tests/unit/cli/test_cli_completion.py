"""Completion: made of the parser, so that it knows each command and option; tried in the shells that are there."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from perfkit.cli.completion import SHELLS, script
from perfkit.cli.main import COMMANDS, main


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_its_options_are_known(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    for command in COMMANDS:
        assert command in out
    for option in ("no-new-findings", "max-p95", "app-dir", "token-file", "strategy"):
        assert option in out


def completed(*words: str) -> list[str]:
    """Return what bash offers for the last of *words*."""
    listed = " ".join(f"'{word}'" for word in words)
    code = (
        f"{script('bash')}\nCOMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; COMPREPLY=(); _perfkit\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    outcome = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert outcome.stderr == ""
    return outcome.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("perfkit", "che"), ["check"]),
        (("perfkit", "co"), ["compare", "config", "completion"]),
        (("perfkit", "check", "--max"), ["--max-p95", "--max-errors"]),
        (("perfkit", "check", "--format", ""), ["text", "github", "junit"]),
        (("perfkit", "check", "--format", "g"), ["github"]),
        (("perfkit", "config", "ex"), ["explain"]),
        (("perfkit", "check", "--max-p95", ""), []),
        (("perfkit", "completion", ""), ["bash", "zsh", "fish", "-h", "--help", "--debug", "-v", "--verbose"]),
    ],
)
def test_bash_offers_what_fits(words: tuple[str, ...], offered: list[str]) -> None:
    assert sorted(completed(*words)) == sorted(offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_the_script(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed; install Debian's package {shell}")
    checked = subprocess.run(
        [shell, "-n"], input=script(shell), capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
