"""`perfkit completion bash|zsh|fish`: a script that completes this command, made of its own parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["add_arguments", "run", "script"]

SHELLS = ("bash", "zsh", "fish")
FILES = frozenset({"FILE", "FOLDER"})
"""What an option's value is called where it is a file or a folder."""


class _Option(NamedTuple):
    names: tuple[str, ...]
    meaning: str
    choices: tuple[str, ...]
    takes: str


class _Command(NamedTuple):
    name: str
    purpose: str
    options: tuple[_Option, ...]
    words: tuple[str, ...]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit completion` to *command*."""
    command.add_argument("shell", choices=SHELLS, help="the shell that it is for")


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    print(script(options.shell))
    return 0


def script(shell: str) -> str:
    """Return the script for *shell*, one of `SHELLS`."""
    commands = list(_commands())
    return "\n".join({"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands))


def _commands() -> Iterator[_Command]:
    from perfkit.cli.main import COMMANDS, parser

    whole = parser()
    subparsers = next(action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    for name, purpose in COMMANDS.items():
        options: list[_Option] = []
        words: list[str] = []
        for action in subparsers.choices[name]._actions:
            choices = tuple(str(choice) for choice in action.choices or ())
            if action.option_strings:
                takes = "" if action.nargs == 0 else str(action.metavar or "VALUE")
                meaning = (action.help or "").replace("%%", "%")
                options.append(_Option(tuple(action.option_strings), meaning, choices, takes))
            else:
                words += choices
        yield _Command(name, purpose, tuple(options), tuple(words))


def _bash(commands: list[_Command]) -> Iterator[str]:
    yield '# bash completion of perfkit: put into your .bashrc: eval "$(perfkit completion bash)"'
    yield "_perfkit() {"
    yield '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" command="" word'
    yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '        case "$word" in -*) ;; *) command="$word"; break ;; esac'
    yield "    done"
    yield '    case "$command:$previous" in'
    for command in commands:
        for option in command.options:
            pattern = "|".join(f"{command.name}:{name}" for name in option.names)
            if option.choices:
                words = " ".join(option.choices)
                yield f'        {pattern}) COMPREPLY=($(compgen -W "{words}" -- "$current")); return ;;'
            elif option.takes in FILES:
                yield f'        {pattern}) COMPREPLY=($(compgen -f -- "$current")); return ;;'
            elif option.takes:
                yield f"        {pattern}) COMPREPLY=(); return ;;"
    yield "    esac"
    yield '    case "$command" in'
    names = " ".join(command.name for command in commands)
    yield f'        "") COMPREPLY=($(compgen -W "{names} --help --version" -- "$current")) ;;'
    for command in commands:
        words = " ".join((*command.words, *(name for option in command.options for name in option.names)))
        yield f'        {command.name}) COMPREPLY=($(compgen -W "{words}" -- "$current")) ;;'
    yield "    esac"
    yield "}"
    yield "complete -o default -F _perfkit perfkit"


def _zsh(commands: list[_Command]) -> Iterator[str]:
    yield "#compdef perfkit"
    yield '# zsh completion of perfkit: put into your .zshrc, behind compinit: eval "$(perfkit completion zsh)"'
    yield "_perfkit() {"
    yield "    local -a commands"
    yield "    commands=("
    for command in commands:
        yield f"        {_quoted(f'{command.name}:{command.purpose}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then _describe command commands; return; fi"
    yield '    case "${words[2]}" in'
    for command in commands:
        yield f"        {command.name})"
        yield "            shift words; (( CURRENT-- ))"
        specs = [_zsh_spec(option, name) for option in command.options for name in option.names]
        if command.words:
            specs.append(_quoted(f"1:what:({' '.join(command.words)})"))
        specs.append(_quoted("*:argument:_files"))
        yield f"            _arguments {' '.join(specs)} ;;"
    yield "    esac"
    yield "}"
    # Read by eval it is a function that is to be named; found in fpath it is the function's body.
    yield 'if [ "$funcstack[1]" = "_perfkit" ]; then _perfkit "$@"; else compdef _perfkit perfkit; fi'


def _zsh_spec(option: _Option, name: str) -> str:
    meaning = option.meaning.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    value = ""
    if option.choices:
        value = f":{option.takes.lower()}:({' '.join(option.choices)})"
    elif option.takes:
        value = f":{option.takes.lower()}:{'_files' if option.takes in FILES else ' '}"
    return _quoted(f"{name}[{meaning}]{value}")


def _fish(commands: list[_Command]) -> Iterator[str]:
    yield "# fish completion of perfkit: perfkit completion fish > ~/.config/fish/completions/perfkit.fish"
    yield "complete -c perfkit -f"
    names = " ".join(command.name for command in commands)
    for command in commands:
        purpose = _quoted(command.purpose, "\\'")
        yield f"complete -c perfkit -n 'not __fish_seen_subcommand_from {names}' -a {command.name} -d {purpose}"
    for command in commands:
        seen = f"complete -c perfkit -n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            yield f"{seen} -a '{' '.join(command.words)}'"
        for option in command.options:
            flags = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
            value = f" -x -a '{' '.join(option.choices)}'" if option.choices else ""
            if option.takes and not option.choices:
                value = " -r -F" if option.takes in FILES else " -x"
            meaning = _quoted(option.meaning, "\\'")
            yield f"{seen} {' '.join(flags)}{value} -d {meaning}"


def _quoted(text: str, quote: str = "'\\''") -> str:
    """Return *text* in single quotes; *quote* is how that shell writes one inside."""
    return f"'{text.replace(chr(39), quote)}'"
