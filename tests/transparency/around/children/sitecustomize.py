"""Runs at the start of each process that Werkzeug's suite starts."""

import around_werkzeug  # noqa: F401
