"""The advisor of one system: made when it is first asked for, and every other second it looks at the findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from perfkit.components import Components
from perfkit.config import PerformanceConfig
from perfkit.core.context import Context
from perfkit.core.locks import OwnLock

if TYPE_CHECKING:
    from perfkit.advice import Advisor

__all__ = ["PERIOD", "advising"]

PERIOD = 2.0
"""Seconds between two looks at the findings."""


def advising(config: PerformanceConfig, context: Context, components: Components) -> Callable[[], Advisor]:
    """Return what gives the advisor of a system, and plan its ticks: to import it costs, and many only count."""
    made: list[Advisor] = []
    lock = OwnLock()

    def get() -> Advisor:
        if not made:
            from perfkit.advice import Advisor, Targets

            with lock:
                if not made:
                    targets = Targets.from_settings(config.performance)
                    advisor = Advisor(
                        context,
                        components.findings,
                        targets,
                        window=config.performance.window,
                        recorder=lambda: components.awake.get("recorder"),  # type: ignore[arg-type, return-value]  # the registry's class
                    )
                    made.append(advisor)
        return made[0]

    def close() -> None:
        for advisor in made:
            advisor.keeper.close()

    context.scheduler.every(PERIOD, lambda now: get().keeper.tick(now), name="advice", at_end=close)
    return get
