"""``flask perfkit``: what is wrong with the settings, which are in force, and what `perfkit` says of the running app.

The group is a plugin of Flask's command line, beside being a command of each app: so it is there to say what is wrong
with the settings of an app that cannot even be imported because of them.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
from flask import Flask
from flask.cli import ScriptInfo

from perfkit.config import PerformanceConfig, config_sources, validate_performance_config
from perfkit.config.fields import leaves, render
from perfkit.core.errors import ConfigurationError
from perfkit.http.commands.passing import PASSED, pass_on

if TYPE_CHECKING:
    from perfkit_flask.middleware import FlaskMiddleware

__all__ = ["perfkit"]

WRONG = 2
"""The exit code where a setting cannot be used, or there is no perfkit."""


PORT = 5000
"""Where ``flask run`` listens, if nothing else is said."""

SERVER = "flask run listens unless FLASK_RUN_HOST and FLASK_RUN_PORT say otherwise"


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


def _passing(name: str, purpose: str) -> click.Command:
    """Return the command that is passed on to `perfkit` with everything that is written behind it."""

    @click.command(name, help=purpose, context_settings={"ignore_unknown_options": True}, add_help_option=False)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def passing(context: click.Context, arguments: tuple[str, ...]) -> None:
        config = _config(context)
        app = context.ensure_object(ScriptInfo).load_app()
        said = os.environ.get("FLASK_RUN_PORT", "")
        port = int(said) if said.isascii() and said.isdigit() else PORT
        host = os.environ.get("FLASK_RUN_HOST", "127.0.0.1")
        name_of = _name_of(app)
        context.exit(pass_on(name, arguments, config=config, app=name_of, host=host, port=port, server=SERVER))

    return passing


for _name, _purpose in PASSED.items():
    perfkit.add_command(_passing(_name, _purpose))


def _name_of(app: Flask) -> str:
    """Return *app* as ``module:attribute``; empty where no module has it, as behind a factory with arguments."""
    module = sys.modules.get(app.import_name)
    for name, value in vars(module).items() if module is not None else ():
        if value is app:
            return f"{app.import_name}:{name}"
    factories = [name for name in ("create_app", "make_app") if callable(getattr(module, name, None))]
    return f"{app.import_name}:{factories[0]}()" if factories else ""


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
