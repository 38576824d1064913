"""Drains reach all workers: one tells the others through the store's control log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perfkit.load_balancer.roster import Roster
from perfkit.store.commands import Commands

__all__ = ["DRAIN", "listen", "tell"]

DRAIN = "load_balancer.drain"
"""The command: a server's name, and whether it drains or is restored."""


def listen(control: Commands, roster: Roster, monotonic: Callable[[], float]) -> None:
    """Let *roster* do what others say. A server that this worker does not know is no error: discovery may be behind."""

    def on_drain(payload: dict[str, Any]) -> None:
        name, is_draining = payload.get("name"), bool(payload.get("draining"))
        server = roster.servers.get(name) if isinstance(name, str) else None
        if server is None or server.is_draining is is_draining:
            return
        if is_draining:
            roster.drain(server.name)
        else:
            roster.restore(server.name, monotonic())

    control.on(DRAIN, on_drain)


def tell(control: Commands, name: str, *, is_draining: bool) -> None:
    """Tell all workers."""
    control.append(DRAIN, {"name": name, "draining": is_draining})
