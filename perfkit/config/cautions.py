"""Settings that work but are probably not what was meant: the warnings of a validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from perfkit.config.performance_config import PerformanceConfig
from perfkit.config.validation import Issue

__all__ = ["cautions"]

IN_CODE = ("settings", "override", "code")
DAY = 86_400.0


def cautions(config: PerformanceConfig, sources: Mapping[str, str]) -> Iterator[Issue]:
    """Yield what is risky in *config*, which must be valid; *sources* as of `config_sources`."""
    for path in ("access.token", "access.metrics_token"):
        if sources.get(path) in IN_CODE and getattr(config.access, path.rpartition(".")[2]) is not None:
            name = "PERFKIT_TOKEN" if path == "access.token" else "PERFKIT_ACCESS__METRICS_TOKEN"
            yield Issue(
                path,
                f"{path} is set in code. Secrets in code reach the repository and its copies. "
                f"Give it in the environment variable {name}.",
            )
    if config.store.mode == "memory":
        yield from _memory(config, sources)
    if config.environment == "production" and config.performance.debug_logging:
        yield Issue(
            "performance.debug_logging",
            "performance.debug_logging is True in production. It writes a line for every sample of every worker. "
            "Set it to False when the search is over.",
        )
    if config.access.access == "off" and config.access.actions and sources.get("access.actions") in IN_CODE:
        yield Issue(
            "access.actions",
            "access.actions is True while access.access is off. Nobody sees the dashboard, so nobody can use its "
            "buttons. Set access.access to token, or leave access.actions out.",
        )


def _memory(config: PerformanceConfig, sources: Mapping[str, str]) -> Iterator[Issue]:
    if config.store.directory:
        yield Issue(
            "store.directory",
            "store.directory is set while store.mode is memory. Nothing is written there, and workers do not share "
            "their numbers. Set store.mode to auto, or leave store.directory out.",
        )
    if config.store.retention > DAY and sources.get("store.retention") != "default":
        yield Issue(
            "store.retention",
            "store.retention is more than a day while store.mode is memory. Memory keeps one day at most and is empty "
            "after a restart. Set store.mode to auto and store.directory to a directory, or lower store.retention.",
        )
