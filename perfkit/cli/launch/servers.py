"""The servers of `perfkit run`: uvicorn for ASGI, gunicorn for WSGI, and the standard library's where that is missing.

One worker of ASGI lives in this process, which has imported the app already. Everything else becomes the server by
exec: its signals, its workers and its exit code are then its own, and nothing of ours stands between.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain
from typing import Any, NamedTuple, NoReturn

from perfkit.core.errors import PerfkitError

__all__ = ["Place", "ServerError", "serve_asgi", "serve_wsgi"]

APP = "perfkit.cli.launch.served:app"

THREADS = 8
"""Requests at once in one worker of gunicorn: a dashboard must answer while the app is busy."""

NOT_STARTED = 1


class ServerError(PerfkitError, OSError):
    """The server cannot do what is wanted of it."""

    exit_code = NOT_STARTED


class Place(NamedTuple):
    """Where to listen and with how many workers; *folder* is watched where it reloads."""

    host: str
    port: int
    workers: int
    reloads: bool
    folder: str


def serve_asgi(app: Any, place: Place, more: Sequence[str]) -> int:
    """Serve *app* until a signal ends it; *more* are options of uvicorn's own."""
    if find_spec("uvicorn") is None:
        raise PerfkitError(
            "perfkit run needs a server for this ASGI app, and uvicorn is not installed. "
            "It is not part of perfkit, as it belongs to your app. Install it with: pip install uvicorn"
        )
    if place.workers > 1 or place.reloads or more:
        options = {"--host": place.host, "--port": str(place.port), "--log-level": "info"}
        if place.reloads:
            options["--reload-dir"] = place.folder
        else:
            options["--workers"] = str(place.workers)
        flags = ["--reload"] if place.reloads else []
        _become("uvicorn", [APP, "--factory", *flags, *chain(*options.items()), *more])
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    logs: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    logs["handlers"]["access"]["stream"] = "ext://sys.stderr"  # stdout is for data, such as our one address
    try:
        uvicorn.run(app, host=place.host, port=place.port, log_level="info", log_config=logs)
    except SystemExit as ended:
        # It has said why. Its own codes are not those of this command.
        return NOT_STARTED if ended.code else 0
    return 0


def serve_wsgi(app: Any, place: Place, more: Sequence[str]) -> int:
    """Serve *app* until a signal ends it; *more* are options of gunicorn's own."""
    if find_spec("gunicorn") is not None:
        host = f"[{place.host}]" if ":" in place.host else place.host
        options = {
            "--bind": f"{host}:{place.port}",
            "--workers": str(place.workers),
            "--worker-class": "gthread",
            "--threads": str(THREADS),
        }
        flags = ["--reload"] if place.reloads else []
        _become("gunicorn", [f"{APP}()", *flags, *chain(*options.items()), *more])
    if place.workers > 1 or place.reloads or more:
        raise PerfkitError(
            "Several workers, reloading and a server's own options need gunicorn, which is not installed. The standard "
            "library's server has none of them. Install it with: pip install gunicorn"
        )
    sys.stderr.write(
        "perfkit: gunicorn is not installed, so the standard library's server is used. It is for development only. "
        "Install a better one with: pip install gunicorn\n"
    )
    return _serve_plainly(app, place)


def _become(module: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by the server *module*."""
    import logging
    import shlex

    logging.getLogger(__name__).debug("%s", shlex.join([sys.executable, "-m", module, *arguments]))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _serve_plainly(app: Any, place: Place) -> int:
    """Serve by wsgiref, a thread for each request."""
    import socketserver
    import wsgiref.simple_server

    class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
        daemon_threads = True

    with _port_told(place):
        server = wsgiref.simple_server.make_server(place.host, place.port, app, server_class=Server)
    with _terminated(), server:
        server.serve_forever()
    return 0


@contextmanager
def _terminated() -> Iterator[None]:
    """Take a polite signal to end as Ctrl-C is taken, so that everything is closed."""
    import signal

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _port_told(place: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ServerError(
            f"{place.host}:{place.port} cannot be listened at ({error.strerror}). The port must be free and yours. "
            "Choose another one with --port."
        ) from None
