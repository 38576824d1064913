from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from patience import until
from ports import reserved_port
from processes import stop

from perfkit.cli.main import main


@pytest.mark.parametrize(
    "url", ["ftp://a", "a:80", "http://", "http://a/path", "http://a?x=1", "http://u:p@a", "http://a:99999"]
)
def test_what_is_no_server_is_said_so(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["proxy", "--to", url])
    assert caught.value.code == 2
    assert repr(url) in capsys.readouterr().err


def test_http_and_https_are_not_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["proxy", "--to", "http://a:1", "--to", "https://b:2"]) == 2
    assert "must speak the same" in capsys.readouterr().err


@contextmanager
def named_server(name: str) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = name.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return ""


@pytest.mark.server
def test_the_command_spreads_requests_over_its_servers() -> None:
    with named_server("one") as one, named_server("two") as two, reserved_port() as port:
        command = [sys.executable, "-m", "perfkit.cli", "proxy", "--port", str(port), "--strategy", "round_robin"]
        command += ["--to", f"http://127.0.0.1:{one}", "--to", f"http://127.0.0.1:{two}"]
        process = subprocess.Popen(command, start_new_session=True)
        try:
            until(lambda: read(f"http://127.0.0.1:{port}/"))
            assert {read(f"http://127.0.0.1:{port}/") for _ in range(4)} == {"one", "two"}
        finally:
            stop(process)
    assert process.returncode in (0, -15)
