"""What perfkit's own threads take in this worker, as the system counts it: nothing is measured for it."""

from __future__ import annotations

import threading
import time

__all__ = ["OWN", "background_share"]

OWN = "perfkit-"
"""How the names of all our threads begin."""


def background_share() -> float | None:
    """Return the part of one core that our threads took in the mean since this worker started, 0-1.

    What a request pays is not in it. None where the platform does not tell what single threads take.
    """
    import psutil

    ids = {thread.native_id for thread in threading.enumerate() if thread.name.startswith(OWN)}
    process = psutil.Process()
    try:
        took = sum(each.user_time + each.system_time for each in process.threads() if each.id in ids)
        lived = time.time() - process.create_time()
    except (AttributeError, NotImplementedError, OSError, psutil.Error):
        return None
    return min(1.0, took / lived) if lived > 0.0 else None
