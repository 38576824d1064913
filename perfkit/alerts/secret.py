"""Secrets of receivers: held so that no repr, log line or snapshot shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from perfkit.core.errors import ConfigurationError

__all__ = ["Secret", "place", "resolve", "secret"]

FROM_ENVIRONMENT = "env:"


class Secret:
    """A text that shows itself only when asked to."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hold *text*."""
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> str:
        raise TypeError("A secret is not pickled. It would lie in a file in clear. Give it to the other process anew.")


def secret(value: Secret | str) -> Secret:
    """Return *value* as a secret."""
    return value if isinstance(value, Secret) else Secret(value)


def place(url: str) -> str:
    """Return scheme and host of *url*: enough to know which one it is, nothing that opens it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}"
    except ValueError:
        return "an address that cannot be read"


def resolve(text: str, *, where: str, environ: Mapping[str, str] | None = None) -> Secret:
    """Return *text* as a secret; ``env:NAME`` is the value of that environment variable.

    A line break at its end, as files of secrets have it, does not belong to it.

    Raises:
        ConfigurationError: The variable is not set.
    """
    if not text.startswith(FROM_ENVIRONMENT):
        return Secret(text)
    name = text.removeprefix(FROM_ENVIRONMENT)
    value = (os.environ if environ is None else environ).get(name, "").rstrip("\r\n")
    if not value:
        raise ConfigurationError(
            f"{where} is to come from the environment variable {name}, which is not set. It must hold the secret. "
            f"Set {name}, or give another one."
        )
    return Secret(value)
