"""What a shop of the demo did with a request, whatever its framework."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, Thread
from time import monotonic
from types import SimpleNamespace
from typing import Any

__all__ = ["ShopAnswer", "all_at_once"]


@dataclass(frozen=True)
class ShopAnswer:
    """What came back."""

    status: int
    text: str
    content_type: str
    allow: str = ""

    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def said(self) -> Any:
        """The answer without what each framework writes in its own way: the spaces of JSON."""
        return self.json() if self.content_type == "application/json" else self.text


def all_at_once(module: Any, ask: Callable[[], ShopAnswer], count: int) -> list[ShopAnswer]:
    """Ask from *count* threads; whoever sleeps in *module* sleeps until all of them do."""
    barrier, usual = Barrier(count), module.time
    answers: list[ShopAnswer] = []
    module.time = SimpleNamespace(monotonic=monotonic, sleep=lambda seconds: barrier.wait(30))
    try:
        threads = [Thread(target=lambda: answers.append(ask())) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        module.time = usual
    return answers
