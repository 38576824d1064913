"""nginx as the tests run it: where it is, and a configuration that touches nothing outside of one folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

__all__ = ["NEEDS_NGINX", "command_of"]

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
NEEDS_NGINX = pytest.mark.skipif(NGINX is None, reason="nginx is missing: install nginx-light")

AROUND = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


def command_of(folder: Path, port: int, location: str) -> list[str]:
    """Return the command that runs nginx at *port* with *location*; its configuration is written into *folder*."""
    assert NGINX is not None
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, port=port, location=location))
    return [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
