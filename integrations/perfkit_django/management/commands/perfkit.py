"""``manage.py perfkit``: what is wrong here, the settings in force, and what `perfkit` says of the running site."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.core.management.base import BaseCommand, CommandError

from perfkit.config import PerformanceConfig
from perfkit.config.fields import leaves, render
from perfkit.config.sources import config_sources
from perfkit.http.commands.passing import PASSED, pass_on
from perfkit_django.checks import TAG
from perfkit_django.settings import given, validate

__all__ = ["Command"]

WRONG = 2
"""The exit code where a setting cannot be used."""

PORT = 8000
"""Where ``runserver`` listens, if nothing else is said."""

OF_DJANGO = ("--settings", "--pythonpath")

EVERYTHING = {"prefix_chars": "\0", "add_help": False}
"""Of the parser of a command that is passed on: what begins with a dash is one more argument."""


class Command(BaseCommand):
    """Look at perfkit in this project."""

    help = "Check perfkit's settings and its place in this project, or show the settings in force."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the two commands."""
        commands = parser.add_subparsers(title="commands", dest="perfkit_command", metavar="COMMAND", required=True)
        check = commands.add_parser("check", help="say what is wrong with perfkit in this project")
        check.add_argument("--deploy", action="store_true", help="say what should not be deployed, too")
        commands.add_parser("config", help="show every setting in force and where it comes from")
        for name, purpose in PASSED.items():
            passed: Any = commands.add_parser(name, help=purpose, **EVERYTHING)  # type: ignore[arg-type]  # as it has them
            passed.add_argument("arguments", nargs="*")

    def handle(self, *arguments: Any, **options: Any) -> None:
        """Run the command that was asked for."""
        command = options["perfkit_command"]
        if command in PASSED:
            self._pass_on(command, options["arguments"])
        elif command == "check":
            self._check(is_deployment=options["deploy"])
        else:
            self._config()

    def _check(self, *, is_deployment: bool) -> None:
        found = run_checks(tags=[TAG], include_deployment_checks=is_deployment)
        for message in found:
            self.stdout.write(str(message))
        errors = [message for message in found if message.is_serious(ERROR)]
        if errors:
            raise CommandError(f"{len(errors)} of perfkit's settings cannot be used.", returncode=WRONG)
        self.stdout.write(f"perfkit: {len(found)} warnings." if found else "perfkit: everything is in order.")

    def _pass_on(self, command: str, arguments: list[str]) -> None:
        module, _, name = (settings.WSGI_APPLICATION or "").rpartition(".")
        app = f"{module}:{name}" if module else "django.core.wsgi:get_wsgi_application()"
        given, server = list(_of_the_command(arguments)), "manage.py runserver listens unless it is told otherwise"
        code = pass_on(command, given, config=self._valid(), port=PORT, app=app, server=server)
        if code:
            sys.exit(code)

    def _valid(self) -> PerformanceConfig:
        """Return the settings in force, or end with `WRONG`, having said why there are none."""
        config, validation = validate(given())
        if validation.errors:
            raise CommandError("\n".join(issue.message for issue in validation.errors), returncode=WRONG)
        return config

    def _config(self) -> None:
        config = self._valid()
        sources = config_sources(config)
        for path, field in leaves(type(config)):
            value: Any = config
            for name in path:
                value = getattr(value, name)
            shown = "<hidden>" if field.is_secret and value is not None else repr(value)
            self.stdout.write(f"{render(path)} = {shown}  ({sources[render(path)]})")


def _of_the_command(arguments: list[str]) -> Iterator[str]:
    """Yield *arguments* without those that Django itself has obeyed already, wherever they stand."""
    left = iter(arguments)
    for each in left:
        if each in OF_DJANGO:
            next(left, None)
        elif each.partition("=")[0] not in OF_DJANGO:
            yield each
