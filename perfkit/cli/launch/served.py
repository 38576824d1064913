"""The app as workers of a server import it: which one is told by an environment variable."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from perfkit.cli.launch.around import wrapped
from perfkit.cli.launch.target import Target, TargetError

__all__ = ["VARIABLE", "app", "described"]

VARIABLE = "PERFKIT_RUN"
"""The environment variable that carries the target from the command to the workers."""


def described(target: Target, interface: str) -> str:
    """Return what `VARIABLE` holds for *target*."""
    return msgspec.json.encode([list(target), interface]).decode()


def app() -> Any:
    """Make the app that `VARIABLE` describes, with perfkit around it.

    Raises:
        TargetError: The variable is missing, or the app cannot be had.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        (module, attribute, is_factory, folder), interface = msgspec.json.decode(
            text, type=tuple[tuple[str, str, bool, str], str]
        )
    except msgspec.DecodeError:
        raise TargetError(
            f"{VARIABLE} does not say which app to serve. `perfkit run` sets it. Start the app with perfkit run."
        ) from None
    return wrapped(Target(module, attribute, is_factory, folder), interface=interface).app
