"""Which shop the workers of `perfkit demo` serve: told to them by environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfkit.core.errors import ConfigurationError
from perfkit_demo.shop.audit import LEAK_LIMIT

__all__ = ["FRAMEWORKS", "Described"]

FRAMEWORKS = ("fastapi", "flask", "django")
"""The frameworks in which there is a shop; the first one is the usual one."""

STOCK = "PERFKIT_DEMO_STOCK"
WORKBENCH = "PERFKIT_DEMO_WORKBENCH"
DATABASE = "PERFKIT_DEMO_DATABASE"
FRAMEWORK = "PERFKIT_DEMO_FRAMEWORK"
SEED = "PERFKIT_DEMO_SEED"
WORKERS = "PERFKIT_DEMO_WORKERS"


@dataclass(frozen=True, kw_only=True)
class Described:
    """One shop to serve.

    Attributes:
        database: The file that `perfkit_demo.shop.seed` made.
        framework: One of `FRAMEWORKS`.
        seed: Decides which calls of the stock service and which payments fail.
        workers: Worker processes, all together.
        stock_url: Where the stock service listens; empty for one that is made up in each worker.
        has_workbench: Whether the page with the buttons is there.
    """

    database: Path
    framework: str = FRAMEWORKS[0]
    seed: int = 0
    workers: int = 1
    stock_url: str = ""
    has_workbench: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Described:
        """Read what `environment` wrote.

        Raises:
            ConfigurationError: The database is missing, or there is no shop in that framework.
        """
        database, framework = environ.get(DATABASE), environ.get(FRAMEWORK, FRAMEWORKS[0])
        if not database:
            raise ConfigurationError(
                f"{DATABASE} is not set. It must name the shop's database. Start the shop with `perfkit demo`."
            )
        if framework not in FRAMEWORKS:
            raise ConfigurationError(
                f"{FRAMEWORK} is {framework!r}. It must be one of {', '.join(FRAMEWORKS)}. "
                "Start the shop with `perfkit demo --framework`."
            )
        return cls(
            database=Path(database),
            framework=framework,
            seed=int(environ.get(SEED, "0")),
            workers=max(1, int(environ.get(WORKERS, "1"))),
            stock_url=environ.get(STOCK, ""),
            has_workbench=environ.get(WORKBENCH) == "1",
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that say all this."""
        return {
            DATABASE: str(self.database),
            FRAMEWORK: self.framework,
            SEED: str(self.seed),
            WORKERS: str(self.workers),
            STOCK: self.stock_url,
            WORKBENCH: "1" if self.has_workbench else "0",
        }

    @property
    def parts(self) -> dict[str, Any]:
        """What a shop is made with, beside its database."""
        return {
            "seed": self.seed,
            "leak_limit": self.leak_limit,
            "stock_url": self.stock_url,
            "has_workbench": self.has_workbench,
        }

    @property
    def leak_limit(self) -> int:
        """Bytes at which the leak of one worker stops."""
        return LEAK_LIMIT // self.workers
