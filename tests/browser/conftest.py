"""A browser, and a site with every state of every page behind our real headers."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NoReturn

import msgspec
import pytest
from visits import PATIENCE

from perfkit.dashboard import ASSET_HEADERS, SECURITY_HEADERS, asset, given_of, live_interval, page_entry, render
from tests.unit.dashboard import full_samples

STATES = full_samples.STATES

READ_ONLY = "read-only-"
"""What stands before the name of a state for a visitor who may look and not act."""


class Pages(BaseHTTPRequestHandler):
    """Serves each sample under a prefix the page does not know: ``/<state>/deep/perfkit/<page>``."""

    protocol_version = "HTTP/1.1"
    changes: dict[str, Any] = {}  # noqa: RUF012 - one for all requests: the test changes what the next one sees

    def do_GET(self) -> None:
        said, _, rest = self.path.lstrip("/").partition("/deep/perfkit/")
        state = said.removeprefix(READ_ONLY)
        static = re.match(r"static/([^/?]+)", rest)
        found = asset(static[1]) if static else None
        name, _, query = rest.partition("?")
        if found:
            self._answer(found.content_type, ASSET_HEADERS, found.body)
        elif state not in STATES or static or self.changes.get("is_down"):
            self.close_connection = True
            self.connection.close()
        else:
            entry, given = page_entry(name), given_of(page_entry(name), query)
            shown = msgspec.structs.replace(
                STATES[state],
                action_token="" if said.startswith(READ_ONLY) else "f" * 64,
                live=live_interval(query),
                **{name: value for name, value in self.changes.items() if name != "is_down"},
            )
            body = render(entry, shown, full_samples.found(entry, shown, given), given)
            self._answer("text/html; charset=utf-8", SECURITY_HEADERS, body.encode())

    def _answer(self, content_type: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; the browser's console tells."""


class Site(ThreadingHTTPServer):
    """The server of all pages."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A page that is left while it asks for news is no news.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("PERFKIT_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    missing("No Chromium on the PATH. Install the package `chromium`, or name its file in PERFKIT_CHROMIUM.")


def missing(reason: str) -> NoReturn:
    if os.environ.get("PERFKIT_NO_SKIP"):
        pytest.fail(reason)
    pytest.skip(reason)


# Not for the session: Playwright's loop runs in this thread, and no other may while it does.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed. Install it with: pip install playwright")
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = Site(("127.0.0.1", 0), Pages)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def changes() -> Iterator[dict[str, Any]]:
    """What is changed in the data of all pages; ``is_down`` has the server hang up."""
    yield Pages.changes
    Pages.changes.clear()
