"""An app that is given to the adapter of another kind: told where it is wrapped, not at the first request."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask

from perfkit.core.errors import ConfigurationError
from perfkit_asgi import PerfkitMiddleware as ASGIPerfkit
from perfkit_flask import Perfkit
from perfkit_wsgi import PerfkitMiddleware as WSGIPerfkit

FLASK: Any = Flask(__name__)
FASTAPI: Any = FastAPI()


def test_flask_is_no_asgi_app() -> None:
    with pytest.raises(ConfigurationError, match=r"given Flask, a WSGI app\..*perfkit_flask\.Perfkit\(app\)"):
        ASGIPerfkit(FLASK)


def test_fastapi_is_no_wsgi_app() -> None:
    with pytest.raises(ConfigurationError, match=r"given FastAPI, an ASGI app\..*perfkit_asgi\.PerfkitMiddleware"):
        WSGIPerfkit(FASTAPI)


def test_fastapi_is_no_flask_app() -> None:
    with pytest.raises(ConfigurationError, match=r"given FastAPI\..*perfkit_asgi\.PerfkitMiddleware"):
        Perfkit(FASTAPI)
