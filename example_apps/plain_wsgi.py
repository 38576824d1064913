"""perfkit around plain WSGI, without a framework.

Run it with ``gunicorn --pythonpath example_apps plain_wsgi:app``, then open http://127.0.0.1:8000/ a few times and
http://127.0.0.1:8000/health.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from perfkit_wsgi import PerfkitMiddleware


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Greet whoever asks for `/`; there is nothing else here."""
    found = environ["PATH_INFO"] == "/"
    body = b"Hello!\n" if found else b"Nothing here.\n"
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK" if found else "404 Not Found", headers)
    return [body]


app = PerfkitMiddleware(hello, service="hello")
