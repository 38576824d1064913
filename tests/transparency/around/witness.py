"""Writes down what perfkit did in a suite: each app that it lay around, each exchange, each internal error of its own.

One JSON object a line, appended at once: the processes of a suite end in many ways.
"""

from __future__ import annotations

import gc
import json
import os
import traceback
import weakref
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import perfkit.advice
import perfkit.alerts
import perfkit.dashboard
import perfkit.database
import perfkit.recorder
import perfkit.system
from perfkit.core.errors import ErrorLog
from perfkit.http.attachment import Attachment
from perfkit.store.layout import FINISHED, STARTED

# What leaders import late is imported here at once: pytest rewrites each module, and parsing in several threads at once
# fails in CPython 3.11 ("AST constructor recursion depth mismatch").
LATE = (perfkit.advice, perfkit.alerts, perfkit.dashboard, perfkit.database, perfkit.recorder)

FOLDER = "TRANSPARENCY_FOLDER"
"""The environment variable that names the folder for everything that a run leaves."""

FILE = "witness.jsonl"

open_file, write_file, close_file, dumps = os.open, os.write, os.close, json.dumps
"""As they are now: suites put others in their place, Starlette's to forbid them in an event loop."""


_stores: weakref.WeakKeyDictionary[Any, list[float]] = weakref.WeakKeyDictionary()
"""What has been written of each store of this process: exchanges started, and finished."""


def watch() -> None:
    """Begin to write, in this process."""
    serve, release, warn = Attachment.begin_serving, perfkit.system._release, ErrorLog.warn

    def begin_serving(self: Attachment, base: str) -> None:
        _write(kind="app", adapter=self.adapter)
        serve(self, base)
        _stores.setdefault(self.system().store, [0.0, 0.0])

    def released(scheduler: Any, components: Any, store: Any, errors: Any) -> None:
        tally(store)
        release(scheduler, components, store, errors)

    def warned(self: ErrorLog, component: str, kind: str, message: str, error: BaseException | None = None) -> None:
        trace = "" if error is None else "".join(traceback.format_exception(error, limit=-12))
        _write(kind="error", component=component, name=kind, message=message, trace=trace)
        warn(self, component, kind, message, error)

    Attachment.begin_serving = begin_serving  # type: ignore[method-assign]
    perfkit.system._release = released
    ErrorLog.warn = warned  # type: ignore[method-assign]


PATIENCE = 5.0
"""Seconds that a server's thread may take to end an exchange whose test is over."""


def tally_settled(test: str) -> None:
    """Write the new exchanges of this process, those of *test*, when all have ended.

    A streaming response that a test drops, neither read nor closed, ends when it is freed: it is part of a cycle.
    """
    until = monotonic() + PATIENCE
    while any(_open(store) > known[0] - known[1] for store, known in list(_stores.items())) and monotonic() < until:
        gc.collect()
        sleep(0.01)
    tally(test=test)


def _open(store: Any) -> float:
    started, finished = store.values[STARTED], store.values[FINISHED]
    return float(started - finished)


def tally(*stores: Any, test: str = "") -> None:
    """Write the exchanges of *stores*, or of all of this process, that are new since the last time: since *test*."""
    for store in stores or list(_stores):
        known, now = _stores.get(store), [store.values[STARTED], store.values[FINISHED]]
        if known is not None and now != known:
            _write(kind="exchanges", started=now[0] - known[0], finished=now[1] - known[1], test=test)
            _stores[store] = now


def _write(**fields: Any) -> None:
    fields["test"] = fields.get("test") or os.environ.get("PYTEST_CURRENT_TEST", "")
    line = f"{dumps(fields)}\n".encode()
    file = open_file(Path(os.environ[FOLDER], FILE), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        write_file(file, line)
    finally:
        close_file(file)
