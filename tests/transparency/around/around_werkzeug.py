"""Puts perfkit around every app of Werkzeug's suite: those that it runs by itself, and those that its server serves.

The suite starts servers in processes of their own; `children/sitecustomize.py` brings this module into them.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import werkzeug.serving
import werkzeug.test
import witness

from perfkit_wsgi import PerfkitMiddleware

HERE = Path(__file__).parent

witness.watch()

run, serve, start = werkzeug.test.run_wsgi_app, werkzeug.serving.BaseWSGIServer.__init__, subprocess.Popen.__init__


def run_wsgi_app(app: Any, environ: Any, buffered: bool = False) -> Any:
    return run(PerfkitMiddleware(app), environ, buffered)


def serving(self: Any, host: str, port: int, app: Any, *arguments: Any, **named: Any) -> None:
    serve(self, host, port, PerfkitMiddleware(app), *arguments, **named)


def starting(self: Any, *arguments: Any, env: Any = None, **named: Any) -> None:
    if env is not None:
        paths = [str(HERE / "children"), str(HERE), env.get("PYTHONPATH", "")]
        env = {**env, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    start(self, *arguments, env=env, **named)


werkzeug.test.run_wsgi_app = run_wsgi_app
werkzeug.serving.BaseWSGIServer.__init__ = serving  # type: ignore[method-assign]
subprocess.Popen.__init__ = starting  # type: ignore[method-assign]
