"""What the page on production says of nginx, in front of real servers: the app, our pages, the routes, the queue."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest
from doc_pages import blocks, text
from nginx_server import NEEDS_NGINX, command_of
from patience import until
from ports import reserved_port
from processes import stop

pytestmark = [
    pytest.mark.server,
    pytest.mark.acceptance,
    pytest.mark.timeout(300),
    NEEDS_NGINX,
]

TOKEN = "a-token-for-nginx-and-its-docs"

ASGI = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from perfkit_asgi import PerfkitMiddleware

async def hello(request):
    return PlainTextResponse("hello")

app = Starlette(routes=[Route({route!r}, hello)])
app.add_middleware(PerfkitMiddleware, {settings})
"""

WSGI = """
from flask import Flask, url_for
from perfkit_flask import Perfkit

app = Flask(__name__)

@app.get("/hello")
def hello():
    return url_for("hello")

Perfkit(app)
"""


def location_of_the_page(head: str, *, cuts: bool = True) -> str:
    found = [block.code for block in blocks(text("docs/how-to/production.md")) if block.language == "nginx"]
    (wanted,) = [code for code in found if code.startswith(head)]
    return wanted if cuts else wanted.replace("127.0.0.1:8000/;", "127.0.0.1:8000;")


UVICORN = "uvicorn app:app --port 8000"

CASES = {
    "at the root": (
        "",
        location_of_the_page("location / {"),
        ASGI.format(route="/hello", settings=""),
        UVICORN,
        "/hello",
    ),
    "cut off": (
        "/shop",
        location_of_the_page("location /shop/ {"),
        ASGI.format(route="/hello", settings=""),
        f"{UVICORN} --root-path /shop",
        "/hello",
    ),
    "passed on": (
        "/shop",
        location_of_the_page("location /shop/ {", cuts=False),
        ASGI.format(route="/shop/hello", settings='http={"prefix": "/shop"}'),
        UVICORN,
        "/shop/hello",
    ),
    "passed on to gunicorn": (
        "/shop",
        location_of_the_page("location /shop/ {", cuts=False),
        WSGI,
        "SCRIPT_NAME=/shop gunicorn app:app --workers 2 --bind 127.0.0.1:8000",
        "/hello",
    ),
}


@contextlib.contextmanager
def running(command: list[str], folder: Path, url: str, environment: dict[str, str] | None = None) -> Iterator[None]:
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until(lambda: get(url).status_code, lambda status: status == 200)
        yield
    finally:
        stop(process)


def get(url: str, *, token: str = "", follows: bool = False) -> httpx2.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        return httpx2.get(url, headers=headers, follow_redirects=follows, timeout=60, trust_env=False)
    except httpx2.TransportError:
        return httpx2.Response(0)


@pytest.mark.parametrize("case", CASES)
def test_what_the_page_says_of_nginx_holds(case: str, tmp_path: Path) -> None:
    prefix, location, app, command, route = CASES[case]
    (tmp_path / "app.py").write_text(app)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PERFKIT_")}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    environment = {**kept, "PATH": programs, "PERFKIT_TOKEN": TOKEN, "PERFKIT_ENVIRONMENT": "production"}
    with reserved_port() as own, reserved_port() as port:
        base = f"http://127.0.0.1:{port}{prefix}"
        front = command_of(tmp_path, port, location.replace("8000", str(own)))
        server = ["sh", "-c", command.replace("8000", str(own))]
        at_server = f"http://127.0.0.1:{own}{'' if case == 'cut off' else prefix}/health"
        with running(server, tmp_path, at_server, environment), running(front, tmp_path, f"{base}/health"):
            for _ in range(5):
                answer = get(f"{base}/hello")
                assert answer.status_code == 200
            if "gunicorn" in case:
                assert answer.text == "/shop/hello"
            pages_are_there(base)
            until(lambda: get(f"{base}/metrics", token=TOKEN).text, lambda page: counted(page, route) == 5.0)
            # One request a second is looked at.
            until(
                lambda: get(f"{base}/hello") and get(f"{base}/metrics", token=TOKEN).text,
                lambda page: waited(page) > 0.0,
            )


def pages_are_there(base: str) -> None:
    unknown = get(f"{base}/no/such/page")
    assert (unknown.status_code, get(f"{base}/perfkit/").text) == (404, unknown.text)
    front = get(f"{base}/perfkit", token=TOKEN, follows=True)
    assert front.status_code == 200
    assert str(front.url) == f"{base}/perfkit/"
    links = set(re.findall(r'href="([^"#?:]+/(?:routes|advice))"', front.text))
    assert len(links) == 2, links
    for link in links:
        assert get(urljoin(str(front.url), link), token=TOKEN).status_code == 200, link


def counted(page: str, route: str) -> float:
    wanted = f'http_route="{route}"'
    lines = [line for line in page.splitlines() if line.startswith("http_server_request_duration_seconds_count{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if wanted in line)


def waited(page: str) -> float:
    lines = [line for line in page.splitlines() if line.startswith("perfkit_request_queue_seconds_count")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
