"""Drains reach all workers: one tells the others by the control log, and writes it down for those to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from perfkit.load_balancer.roster import Roster
from perfkit.store import Store

__all__ = ["DRAIN", "catch_up", "listen", "tell"]

DRAIN = "load_balancer.drain"
"""The command and the text: a server's name, and whether it drains or is restored."""


def listen(store: Store, roster: Roster, monotonic: Callable[[], float]) -> None:
    """Let *roster* do what other workers say."""

    def on_drain(payload: dict[str, Any]) -> None:
        _apply(payload, roster, monotonic())

    store.control.on(DRAIN, on_drain)


def tell(store: Store, name: str, *, is_draining: bool) -> None:
    """Tell all workers, and those that start later."""
    payload = {"name": name, "draining": is_draining}
    store.control.append(DRAIN, payload)
    store.texts.append(DRAIN, payload)


def catch_up(store: Store, roster: Roster, now: float) -> None:
    """Do what was said before this worker started."""
    newest: dict[object, dict[str, Any]] = {}
    for payload in store.texts.read(DRAIN):
        newest.setdefault(payload.get("name"), payload)
    for payload in newest.values():
        if payload.get("draining"):
            _apply(payload, roster, now)


def _apply(payload: Mapping[str, Any], roster: Roster, now: float) -> None:
    name, is_draining = payload.get("name"), bool(payload.get("draining"))
    if not isinstance(name, str):
        return
    # One question, as discovery may add it at this very moment.
    if roster.expect(name, is_draining=is_draining):
        return
    server = roster.get(name)
    if is_draining and not server.is_draining:
        roster.drain(name)
    elif server.is_draining and not is_draining:
        roster.restore(name, now)
