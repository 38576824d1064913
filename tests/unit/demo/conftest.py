"""What the tests of the demo share: one seeded database, copied for whoever writes, and the shop in each framework."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_shops import SEED, DjangoProcess, ShopClient, django_shop, fastapi_shop, flask_shop

from perfkit_demo.described import FRAMEWORKS
from perfkit_demo.shop.seed import temporary_shop


@pytest.fixture(scope="session")
def seeded() -> Iterator[Path]:
    with temporary_shop(SEED) as database:
        yield database


@pytest.fixture(scope="session")
def django_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoProcess]:
    with django_shop(tmp_path_factory.mktemp("django")) as shop:
        yield shop


@pytest.fixture
def database(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(seeded, tmp_path / "shop.db"))


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(framework: str, request: pytest.FixtureRequest, seeded: Path) -> Iterator[ShopClient]:
    """The shop in *framework*, over a database of its own."""
    if framework == "django":
        process: DjangoProcess = request.getfixturevalue("django_process")
        process.begin(seeded)
        yield process
    else:
        database = request.getfixturevalue("database")
        with (fastapi_shop if framework == "fastapi" else flask_shop)(database) as shop:
            yield shop


@pytest.fixture(scope="session")
def shops(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ShopClient]]:
    """All the shops, asked the same in the same order: for tests that change nothing."""
    with (
        fastapi_shop(seeded) as fastapi,
        flask_shop(seeded) as flask,
        django_shop(tmp_path_factory.mktemp("shops")) as django,
    ):
        django.begin(seeded)
        yield {"fastapi": fastapi, "flask": flask, "django": django}
