"""``manage.py perfkit check`` and ``manage.py perfkit config``."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.checks import ERROR, run_checks
from django.core.management.base import BaseCommand, CommandError

from perfkit.config.fields import leaves, render
from perfkit.config.sources import config_sources
from perfkit_django.checks import TAG
from perfkit_django.settings import given, validate

__all__ = ["Command"]

WRONG = 2
"""The exit code where a setting cannot be used."""


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

    def handle(self, *arguments: Any, **options: Any) -> None:
        """Run the command that was asked for."""
        if options["perfkit_command"] == "check":
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

    def _config(self) -> None:
        config, validation = validate(given())
        if validation.errors:
            raise CommandError("\n".join(issue.message for issue in validation.errors), returncode=WRONG)
        sources = config_sources(config)
        for path, field in leaves(type(config)):
            value: Any = config
            for name in path:
                value = getattr(value, name)
            shown = "<hidden>" if field.is_secret and value is not None else repr(value)
            self.stdout.write(f"{render(path)} = {shown}  ({sources[render(path)]})")
