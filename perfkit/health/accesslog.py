"""Probes and scrapes kept out of the servers' access logs: an orchestrator asks each worker every few seconds for ever.

Only good answers are left out, a failing probe is what one looks for. The servers log a request with its parts as the
record's arguments, which is what is looked at here; where a release has them otherwise, its lines stay.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

__all__ = ["LOGGERS", "ProbeFilter"]

LOGGERS = ("uvicorn.access", "gunicorn.access", "hypercorn.access", "django.server", "werkzeug")
"""Where servers write a line for each request."""

PATH, STATUS = "U", "s"
"""The parts of a line of gunicorn and hypercorn."""


class ProbeFilter(logging.Filter):
    """Lets no good answer to one of some paths into an access log."""

    def __init__(self, paths: Collection[str], base: str = "") -> None:
        """Leave out *paths*.

        Args:
            paths: As perfkit answers them.
            base: The URL that they lie below; servers log its path in front of them.
        """
        super().__init__()
        prefix = urlsplit(base).path.rstrip("/")
        self._paths = frozenset(paths) | {prefix + path for path in paths}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a line that is to be left out."""
        path, status = _parts(record.args)
        return not (status.startswith("2") and path in self._paths)

    def add_to_loggers(self, owner: object) -> None:
        """Filter from now on, until `remove` is called or *owner* is gone."""
        for name in LOGGERS:
            logging.getLogger(name).addFilter(self)
        weakref.finalize(owner, self.remove).atexit = False

    def remove(self) -> None:
        """Filter no longer."""
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(self)


def _parts(arguments: object) -> tuple[str, str]:
    """Return path and status of a line of an access log; empty texts where it is none."""
    if isinstance(arguments, Mapping):  # gunicorn, hypercorn
        return str(arguments.get(PATH, "")), str(arguments.get(STATUS, ""))
    if not isinstance(arguments, tuple):
        return "", ""
    if len(arguments) == 5:  # uvicorn: client, method, path and query, version, status
        return str(arguments[2]).partition("?")[0], str(arguments[4])
    if len(arguments) == 3:  # the development servers: request line, status, size
        words = str(arguments[0]).split()
        return words[1].partition("?")[0] if len(words) == 3 else "", str(arguments[1])
    return "", ""
