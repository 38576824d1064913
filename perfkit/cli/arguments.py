"""Words on the command line turned into values, such as ``300ms`` and ``1%``; and options that many commands share."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qs

from perfkit.cli.probing import address
from perfkit.core.errors import PerfkitError

__all__ = [
    "DEFAULT_URL",
    "URL_VARIABLE",
    "add_output",
    "add_service",
    "duration",
    "given_url",
    "latency",
    "points",
    "port",
    "seconds",
    "service_url",
    "share",
    "size",
    "whole_number",
]

URL_VARIABLE = "PERFKIT_URL"
DEFAULT_URL = "http://127.0.0.1:8000"

_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SIZES = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([a-zµ%]*)", re.IGNORECASE)


def add_service(
    command: argparse.ArgumentParser, *, timeout: float = 10.0, about: str = "of the service or its dashboard"
) -> None:
    """Add what every command has that asks a running service; *about* says which URL it takes."""
    add = command.add_argument
    add(
        "url",
        metavar="URL",
        nargs="?",
        type=service_url,
        help=f"{about}; {URL_VARIABLE} by default, else {DEFAULT_URL}",
    )
    add("--token-file", metavar="FILE", help="holds the token; PERFKIT_TOKEN by default")
    add("--timeout", type=seconds, default=timeout, metavar="SECONDS", help=f"wait so long for an answer ({timeout:g})")


def add_output(command: argparse.ArgumentParser) -> None:
    """Add what every command has that prints for people and for programs."""
    add = command.add_argument
    add("--json", action="store_true", help="print one JSON object for programs")
    add("--color", choices=("auto", "always", "never"), default="auto", help="when to colour (auto: on a terminal)")
    add("--quiet", action="store_true", help="print nothing; the exit code tells")


def duration(text: str) -> float:
    """Convert ``300ms``, ``1.5s``, ``2m`` or ``1h`` to seconds; a number without a unit is seconds."""
    found = _NUMBER.fullmatch(text.strip())
    unit = found[2].lower() or "s" if found else ""
    if found is None or unit not in _UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 300ms, 1.5s or 2m")
    value = float(found[1]) * _UNITS[unit]
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is too long")
    return value


def latency(text: str) -> float:
    """Convert a duration with its unit: a limit of ``300`` that was meant in milliseconds would never break."""
    value = duration(text)
    if value > 0.0 and text.strip()[-1:].isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} has no unit; it must be such as 300ms or 1.5s")
    return value


def seconds(text: str) -> float:
    """Convert a duration above 0 to seconds."""
    value = duration(text)
    if value <= 0.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time above 0, such as 3 or 500ms")
    return value


def size(text: str) -> int:
    """Convert ``64MB``, ``1 GiB`` or a number of bytes to bytes."""
    found = _NUMBER.fullmatch(text.strip())
    factor = _SIZES.get(found[2].lower()) if found is not None else None
    if found is None or factor is None or float(found[1]) * factor >= 1e15:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1048576, 64MB or 1GiB")
    return int(float(found[1]) * factor)


def port(text: str) -> int:
    """Return a port, for argparse."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; it must be 0 to 65535")
    return int(text)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a converter for whole numbers from *least* to *most*."""

    def convert(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return convert


def share(text: str) -> float:
    """Convert ``1%`` or ``0.01`` to a ratio, 0-1."""
    found = _NUMBER.fullmatch(text.strip())
    value = float(found[1]) / (100.0 if found[2] else 1.0) if found and found[2] in ("", "%") else -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no share such as 1% or 0.01")
    return value


def points(text: str) -> int:
    """Convert points of the score, 0-100."""
    if not (text.isascii() and text.isdigit() and int(text) <= 100):
        raise argparse.ArgumentTypeError(f"{text!r} is no score from 0 to 100")
    return int(text)


def service_url(text: str) -> SplitResult:
    """Convert the URL of a service; one with a secret in it is refused, as everybody reads a command line."""
    try:
        parts = address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL such as http://127.0.0.1:8000") from None
    if parts.username is not None or parts.password is not None or "t" in parse_qs(parts.query, max_num_fields=20):
        raise argparse.ArgumentTypeError(
            "the URL holds a secret, and everybody on this machine reads command lines; "
            "give the token in PERFKIT_TOKEN or --token-file"
        )
    return parts


def given_url(options: argparse.Namespace) -> SplitResult:
    """Return the URL of the service that *options* ask for, or the environment, or the usual one.

    Raises:
        PerfkitError: The environment variable holds none.
    """
    if options.url is not None:
        url: SplitResult = options.url
        return url
    try:
        return service_url(os.environ.get(URL_VARIABLE, "").strip() or DEFAULT_URL)
    except argparse.ArgumentTypeError as error:
        raise PerfkitError(
            f"{URL_VARIABLE}: {error}. It must be the URL of a service. Set it to http://host:port."
        ) from None
