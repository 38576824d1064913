"""The shop as `perfkit demo` serves it: an app factory for any worker process, told by environment variables."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from perfkit.core.errors import ConfigurationError
from perfkit_demo.shop.audit import LEAK_LIMIT
from perfkit_demo.shop.services import PaymentDeclinedError

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["app", "described"]

DATABASE = "PERFKIT_DEMO_DATABASE"
SEED = "PERFKIT_DEMO_SEED"
WORKERS = "PERFKIT_DEMO_WORKERS"


def described(database: Path, *, seed: int, workers: int) -> dict[str, str]:
    """Return the environment variables that tell `app` which shop to serve."""
    return {DATABASE: str(database), SEED: str(seed), WORKERS: str(workers)}


def app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """Make the shop that *environ* describes, with perfkit."""
    from perfkit_demo.fastapi_app import create_app

    database = environ.get(DATABASE)
    if not database:
        raise ConfigurationError(
            f"{DATABASE} is not set. It must name the shop's database. "
            "Start the shop with `perfkit demo`, or call perfkit_demo.fastapi_app.create_app(database)."
        )
    logging.getLogger("uvicorn.error").addFilter(is_surprising)
    workers = max(1, int(environ.get(WORKERS, "1")))
    return create_app(database, seed=int(environ.get(SEED, "0")), leak_limit=LEAK_LIMIT // workers)


def is_surprising(record: logging.LogRecord) -> bool:
    """Tell whether a log line is news: the seeded failures would fill the terminal with tracebacks."""
    return not (record.exc_info and isinstance(record.exc_info[1], PaymentDeclinedError))
