"""`perfkit doctor [MODULE:APP | URL]`: looks whether perfkit is set up well, and says what to do where it is not."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from perfkit.cli.arguments import add_output, seconds, service_url

if TYPE_CHECKING:
    from perfkit.cli.console import Style
    from perfkit.cli.diagnosis.note import Note

__all__ = ["add_arguments", "run"]

ILL = 1
TOKEN = "PERFKIT_TOKEN"
_COLOURS = {"ok": ("green",), "note": ("dim",), "warn": ("yellow",), "FAIL": ("red", "bold")}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit doctor` to *command*."""
    add = command.add_argument
    add(
        "target", nargs="?", metavar="MODULE:APP|URL", help="an app, or a running service; without it what is installed"
    )
    add("--token-file", metavar="FILE", help="holds the token; PERFKIT_TOKEN by default")
    add("--timeout", type=seconds, default=10.0, metavar="SECONDS", help="wait so long for an answer (10)")
    add("--app-dir", default=".", metavar="FOLDER", help="look for the module here first (.)")
    add("--factory", action="store_true", help="APP is a function that makes the app")
    add_output(command)


def run(options: argparse.Namespace) -> int:
    """Print what was looked at; return 1 where something does not work, else 0.

    Raises:
        PerfkitError: There is no such app, or the service cannot be asked.
    """
    from perfkit.cli.console import Style, is_coloured, progress
    from perfkit.cli.diagnosis.note import Doctor, Level
    from perfkit.cli.documents.document import printed
    from perfkit.snapshot import SCHEMA_VERSION

    before = logging.root.manager.disable
    if not options.verbose:
        logging.disable()  # what is said of our own questions is no news
    try:
        with progress("looking"):
            notes = list(_looked_at(options))
    finally:
        logging.disable(before)
    is_ill = any(note.level is Level.ERROR for note in notes)
    if options.json:
        print(printed(Doctor(version=SCHEMA_VERSION, is_well=not is_ill, notes=tuple(notes))))
    elif not options.quiet:
        print(*_page(notes, Style(is_coloured(options.color))), sep="\n")
    return ILL if is_ill else 0


def _looked_at(options: argparse.Namespace) -> Iterator[Note]:
    from perfkit.cli.diagnosis import installation

    if options.target and "://" in options.target:
        from perfkit.cli.diagnosis.running import looked_at
        from perfkit.cli.reading.service import Service
        from perfkit.core.errors import PerfkitError

        try:
            options.url = service_url(options.target)
        except argparse.ArgumentTypeError as error:
            raise PerfkitError(
                f"The address cannot be used: {error}. It must be the URL of a service. Write http://host:port."
            ) from None
        yield from looked_at(Service.of(options))
        return
    yield from installation.packages()
    if not options.target:
        config, notes = installation.settings({}, debug=False)
        yield from notes
        yield from installation.shared(config)
        yield installation.cost()
        return
    yield from _of_app(options)


def _of_app(options: argparse.Namespace) -> Iterator[Note]:
    from perfkit.cli.diagnosis import application, installation
    from perfkit.cli.launch.around import wrapped
    from perfkit.cli.launch.target import Target
    from perfkit.http.tokens import new_token

    token = os.environ.get(TOKEN) or new_token()
    with _variable(token):
        serving = wrapped(Target.parsed(options.target, factory=options.factory, folder=options.app_dir))
    yield from application.present(options.target, serving)
    yield application.server(serving)
    # The settings are looked at as they are without a token of ours.
    config, notes = installation.settings(serving.settings, debug=serving.is_debug)
    yield from notes
    yield from installation.shared(config)
    yield from application.order(serving)
    with _variable(token):
        yield from application.answers(serving, config, token)
    yield from application.libraries()
    yield installation.cost()


@contextmanager
def _variable(token: str) -> Iterator[None]:
    """Have the app find *token* in the environment."""
    before = os.environ.get(TOKEN)
    os.environ[TOKEN] = token
    try:
        yield
    finally:
        if before is None:
            del os.environ[TOKEN]
        else:
            os.environ[TOKEN] = before


def _page(notes: list[Note], style: Style) -> Iterator[str]:
    from perfkit.cli.console import clean

    for note in notes:
        yield f"{style(f'{note.level:<4}', *_COLOURS[note.level])}  {note.subject:<10} {clean(note.message)}"
        if note.todo:
            yield f"{'':<17}Do: {clean(note.todo)}"
