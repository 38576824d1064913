"""A response cache in haste: threads that ask, wait, leave in the middle and change what is asked for."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from haste import hasty
from http_cache_site import HttpSite

WORKERS = 4


class HastySite(HttpSite):
    """Three pages, whose bodies are the numbers of their versions."""

    def __init__(self, seconds: float, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.end = time.monotonic() + seconds
        self.source, self.floors = [0] * 3, [0] * 3
        self.stale: list[tuple[int, int, int]] = []
        self.kept = self.changes = 0

    def visit(self, seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < self.end:
            page = chance.randrange(3)
            floor = self.floors[page]
            passage = self.enter(f"/products?page={page}", accept_language=chance.choice(["de", "en"]))
            try:
                self.cache.wait_for(passage)
                if passage.answer is not None:
                    self.kept += 1
                    version = int(passage.answer.body)
                    if version < floor:
                        self.stale.append((page, floor, version))
                    continue
                body = str(self.source[page]).encode()
                if chance.random() < 0.1:
                    continue  # the client leaves before the app answers
                headers = [("content-length", str(len(body)))]
                if page:
                    headers.append(("vary", "accept-language"))
                passage.start(200, headers)
                if chance.random() < 0.9:
                    passage.take(body, True)
            finally:
                passage.close()

    def edit(self) -> None:
        chance = random.Random(0)
        while time.monotonic() < self.end:
            page = chance.randrange(3)
            self.source[page] += 1
            self.change("POST", f"/products?page={page}", 200)
            self.floors[page] = self.source[page]
            self.changes += 1
            time.sleep(0.001)


@pytest.mark.parametrize("max_urls", [2, 100], ids=["two places", "enough places"])
def test_pages_that_many_ask_for_and_change_in_haste_are_never_old(max_urls: int) -> None:
    site = HastySite(1.5, max_urls=max_urls, wait=60.0)
    with hasty(), ThreadPoolExecutor(WORKERS + 1) as pool:
        running = [pool.submit(site.visit, seed) for seed in range(WORKERS)] + [pool.submit(site.edit)]
        for each in running:
            each.result(60)
    assert site.stale == []
    assert site.kept > 50
    assert site.changes > 20
    assert len(site.manager._engine.flights) == 0
    assert len(site.cache._shelf) <= max_urls
    held = {key for keys in site.cache._shelf._held.values() for key in keys}
    assert set(site.cache._bodies._space.entries) <= held
    site.manager.close()
