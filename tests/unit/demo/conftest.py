"""What the tests of the demo share: one seeded database, copied for whoever writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from perfkit_demo.fastapi_app import create_app
from perfkit_demo.shop.seed import temporary_shop


@pytest.fixture(scope="session")
def seeded() -> Iterator[Path]:
    with temporary_shop(seed=7) as database:
        yield database


@pytest.fixture
def database(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(seeded, tmp_path / "shop.db"))


@pytest.fixture
def shop(database: Path) -> FastAPI:
    return create_app(database, perfkit=False, seed=7)


@pytest.fixture
def client(shop: FastAPI) -> Iterator[TestClient]:
    with TestClient(shop, raise_server_exceptions=False) as client:
        yield client
