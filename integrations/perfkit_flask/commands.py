"""``flask perfkit check`` and ``flask perfkit config``.

The group is a plugin of Flask's command line, beside being a command of each app: so it is there to say what is wrong
with the settings of an app that cannot even be imported because of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from flask.cli import ScriptInfo

from perfkit.config import PerformanceConfig, config_sources, validate_performance_config
from perfkit.config.fields import leaves, render
from perfkit.core.errors import ConfigurationError

if TYPE_CHECKING:
    from perfkit_flask.middleware import FlaskMiddleware

__all__ = ["perfkit"]

WRONG = 2
"""The exit code where a setting cannot be used, or there is no perfkit."""


@click.group()
def perfkit() -> None:
    """Look at perfkit in this app."""


@perfkit.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Say what is wrong with the settings, and what is risky."""
    warnings = validate_performance_config(_config(context)).warnings
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    many = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    click.echo(f"perfkit: {many}." if warnings else "perfkit: everything is in order.")


@perfkit.command()
@click.pass_context
def config(context: click.Context) -> None:
    """Show every setting in force and where it comes from."""
    found = _config(context)
    sources = config_sources(found)
    for path, field in leaves(type(found)):
        value: object = found
        for name in path:
            value = getattr(value, name)
        shown = "<hidden>" if field.is_secret and value is not None else repr(value)
        click.echo(f"{render(path)} = {shown}  ({sources[render(path)]})")


def _config(context: click.Context) -> PerformanceConfig:
    """Return the settings of the app, or end with `WRONG`, having said why there are none."""
    try:
        app = context.ensure_object(ScriptInfo).load_app()
        middleware: FlaskMiddleware | None = app.extensions.get("perfkit")
        if middleware is not None:
            return middleware.config()
        click.echo(
            f"There is no perfkit around the Flask app {app.name!r}. It must be added in code. Write Perfkit(app), "
            "with: from perfkit_flask import Perfkit.",
            err=True,
        )
    except ConfigurationError as error:
        click.echo(str(error), err=True)
    context.exit(WRONG)
