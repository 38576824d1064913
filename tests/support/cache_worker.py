"""One process of several with a cache on one server: it does what its standard input says, and says what it got.

Each line in is JSON: the name of an action and its arguments; each line out is its result.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from perfkit.cache import CacheManager, CacheSettings


def main(url: str, log: str) -> None:
    cache = CacheManager(settings=CacheSettings(redis_url=url, redis_timeout=10.0, redis_lock_ttl=60.0, load_wait=60.0))
    cache.start()

    def load(seconds: float) -> str:
        with Path(log).open("a") as lines:
            lines.write("load\n")
        time.sleep(seconds)
        return "loaded"

    def act(action: str, *arguments: Any) -> Any:
        if action == "memoize":
            return cache.memoize(arguments[0], lambda: load(arguments[1]))
        if action == "hears":
            assert cache._server is not None
            return cache._server.tier.hears
        return getattr(cache, action)(*arguments)

    for line in sys.stdin:
        sys.stdout.write(json.dumps(act(*json.loads(line))) + "\n")
        sys.stdout.flush()
    cache.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
