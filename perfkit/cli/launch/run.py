"""`perfkit run module:app`: any ASGI or WSGI app, served with perfkit around it, without a line changed."""

from __future__ import annotations

import argparse
import os
import socket
import sys

from perfkit.cli.arguments import port, whole_number

__all__ = ["add_arguments", "run"]

MOST_WORKERS = 256
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit run` to *command*."""
    add = command.add_argument
    add("target", metavar="MODULE:APP", help="such as shop.main:app, main.py or shop:create_app()")
    add("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    add("--port", type=port, default=8000, help="port to listen at, 0 for any free one (8000)")
    add("--workers", type=whole_number(1, MOST_WORKERS), default=1, help="worker processes (1)")
    add("--reload", action="store_true", help="begin anew when a file of the app changes; for development")
    add("--factory", action="store_true", help="APP is a function that makes the app")
    add("--interface", choices=("auto", "asgi", "wsgi"), default="auto", help="what the app is called by (auto)")
    add("--app-dir", default=".", metavar="FOLDER", help="look for the module here first (.)")
    add(
        "--environment",
        metavar="NAME",
        help="development, production or testing, in place of what PERFKIT_ENVIRONMENT says",
    )
    add(
        "more",
        nargs="*",
        default=[],
        metavar="-- OPTION",
        help="options of the server's own, such as -- --timeout-keep-alive 30",
    )


def run(options: argparse.Namespace) -> int:
    """Serve the app until a signal ends it; the exit code is the server's own where it is another process.

    Raises:
        TargetError: There is no such app.
        ConfigurationError: Settings of perfkit cannot be used.
        PerfkitError: There is no server for it, or the port cannot be had.
    """
    from perfkit.cli.launch.around import wrapped
    from perfkit.cli.launch.served import VARIABLE, described
    from perfkit.cli.launch.servers import Place, serve_asgi, serve_wsgi
    from perfkit.cli.launch.target import Target, TargetError

    if options.environment:
        os.environ["PERFKIT_ENVIRONMENT"] = options.environment
    if options.reload and options.workers > 1:
        raise TargetError(
            f"--reload and --workers {options.workers} were given. A server that reloads has one worker. Leave one out."
        )
    target = Target.parsed(options.target, factory=options.factory, folder=options.app_dir)
    serving = wrapped(target, interface=options.interface)
    number = _checked(options.host, options.port)
    os.environ[VARIABLE] = described(target, options.interface)
    place = Place(options.host, number, options.workers, options.reload, target.folder)
    _announce(options.target, serving, place)
    serve = serve_asgi if serving.interface == "asgi" else serve_wsgi
    return serve(serving.app, place, options.more)


def _checked(host: str, number: int) -> int:
    """Return the port to listen at: a free one for 0.

    Raises:
        ServerError: It cannot be had; said here, as a server would say it between its own lines.
    """
    from perfkit.cli.launch.servers import ServerError

    try:
        family, kind, _, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ServerError(
            f"{host}:{number} cannot be listened at ({error.strerror}). It must be an address of this machine with a "
            "free port. Choose another one with --host and --port."
        ) from None


def _announce(name: str, serving: object, place: object) -> None:
    """Say what is served where; the address of the dashboard goes to stdout, with a token where one is needed."""
    from perfkit.cli.launch.around import Wrapped
    from perfkit.cli.launch.servers import Place
    from perfkit.config import get_performance_config
    from perfkit.http.tokens import is_shown, new_token, ready_url

    assert isinstance(serving, Wrapped)
    assert isinstance(place, Place)
    config = get_performance_config(settings=serving.settings, debug=serving.is_debug)
    how = "perfkit is put around it" if serving.is_new else "its own code has perfkit around it"
    sys.stderr.write(f"perfkit: {name} is {serving.framework} ({serving.interface.upper()}); {how}.\n")
    path = config.http.dashboard_path
    if path is None or config.access.access == "off":
        return
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(place.host, place.host)
    shown = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
    token, is_open = config.access.token, config.environment == "development" and place.host in LOOPBACK
    if token is None and is_shown(config.environment):
        # Made here and not by the workers, so that the address can be told before the first request.
        token = os.environ["PERFKIT_TOKEN"] = new_token()
    elif not is_open:
        unknown = "a token; set PERFKIT_TOKEN, or --environment development to need none here"
        have = "its token" if token is not None else unknown
        sys.stderr.write(f"perfkit: the dashboard wants {have}.\n")
        is_open = True
    base, mount = f"http://{shown}:{place.port}", f"{config.http.prefix}{path}"
    url = f"{base}{mount.rstrip('/')}/" if is_open or token is None else ready_url(base, mount, token)
    sys.stdout.write(f"dashboard  {url}\n")
    sys.stdout.flush()
