"""`perfkit top [URL]`: a running service, live in the terminal."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from perfkit.cli.arguments import add_service, duration

if TYPE_CHECKING:
    from perfkit.cli.reading.overview import Overview
    from perfkit.cli.reading.service import Service
    from perfkit.cli.top.glyphs import Glyphs
    from perfkit.cli.top.painting import Painter

__all__ = ["add_arguments", "run"]

LEAST_INTERVAL = 0.5
"""Seconds; the service computes once a second, and lets one peer ask 20 times."""
LOOK = 0.25
"""Seconds after which the size of the terminal is looked at again."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit top` to *command*."""
    add_service(command)
    add = command.add_argument
    add("--interval", type=duration, default=2.0, metavar="DURATION", help="ask again after so long (2s)")
    add("--once", action="store_true", help="print one frame, and no more")
    add("--ascii", action="store_true", help="draw with plain ASCII")
    add("--json", action="store_true", help="print a JSON object a line instead, one for each answer")
    add("--color", choices=("auto", "always", "never"), default="auto", help="when to colour (auto: on a terminal)")


def run(options: argparse.Namespace) -> int:
    """Show the service until q is pressed; one frame where there is no terminal.

    Raises:
        ServiceError, NotAllowedError: The service cannot be asked, the first time.
    """
    from perfkit.cli.console import is_coloured
    from perfkit.cli.reading.overview import decoded
    from perfkit.cli.reading.service import Service
    from perfkit.cli.top.glyphs import ASCII, UNICODE
    from perfkit.cli.top.painting import Painter, has_rich

    service = Service.of(options)
    overview = decoded(service.overview(), service.name)
    interval = max(LEAST_INTERVAL, options.interval)
    if options.json:
        from perfkit.cli.top.stream import stream

        return stream(service, overview, None if options.once else interval)
    by_rich = has_rich() and not options.ascii
    # Without rich nobody knows what this terminal can draw.
    glyphs = UNICODE if by_rich and (sys.stdout.encoding or "").lower().startswith("utf") else ASCII
    painter = Painter(is_coloured=is_coloured(options.color), by_rich=by_rich)
    if options.once or not _can_be_drawn_over():
        return _once(service, overview, painter, glyphs)
    return _live(service, painter, glyphs, interval)


def _can_be_drawn_over() -> bool:
    """Return whether a person sits at a terminal that can be painted anew, and tells of single keys."""
    is_there = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return is_there and find_spec("termios") is not None


def _once(service: Service, overview: Overview, painter: Painter, glyphs: Glyphs) -> int:
    from perfkit.cli.top.frame import Moment, Screen, drawn
    from perfkit.cli.top.view import View

    width, height = shutil.get_terminal_size()
    moment = Moment(place=service.name, overview=overview, clock=f"{time.strftime('%H:%M:%S')}")
    print(painter.text(drawn(moment, View(), Screen(width, height, glyphs, has_footer=False)), width))
    return 0


def _live(service: Service, painter: Painter, glyphs: Glyphs, interval: float) -> int:
    from perfkit.cli.top.terminal import Terminal
    from perfkit.cli.top.watching import Watching

    logging.getLogger("perfkit.cli").setLevel(logging.WARNING)  # what is done goes on where the frame is
    watching, terminal = Watching(service, interval), Terminal()
    watching.start()
    try:
        with terminal:
            _loop(service, watching, terminal, painter, glyphs, interval)
    except KeyboardInterrupt:
        if terminal.ended_by is None:
            raise
        # The terminal is as it was; now the signal does what it would have done.
        signal.signal(terminal.ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), terminal.ended_by)
    finally:
        watching.stop()
    return 0


def _loop(service: Service, watching: Any, terminal: Any, painter: Painter, glyphs: Glyphs, interval: float) -> None:
    """Draw whenever something has changed: an answer, a key, the size."""
    from msgspec.structs import replace

    from perfkit.cli.top.frame import Moment, Screen, drawn
    from perfkit.cli.top.view import View

    view, shown, seen = View(), Moment(place=service.name, overview=None), (-1, (0, 0))
    while not view.is_over:
        overview, past, error, number = watching.last
        if not view.is_paused or view.page == "request":
            clock = f"{time.strftime('%H:%M:%S')}  {interval:g} s"
            route, kept, why = watching.kept
            shown = Moment(
                place=service.name,
                overview=shown.overview if view.is_paused else overview,
                past=shown.past if view.is_paused else past,
                error=error,
                clock=clock,
                kept_route=route,
                kept=kept,
                kept_error=why,
            )
        state = (number, terminal.size)
        if state != seen:
            seen = state
            width, height = terminal.size
            moment = replace(shown, clock="paused") if view.is_paused else shown
            terminal.write(painter.screen(drawn(moment, view, Screen(width, height, glyphs)), width))
            watching.want(view.opened if view.page == "request" else "", view.range)
        pressed = terminal.keys(LOOK)
        if pressed is None:
            return
        for key in pressed:
            view.press(key)
        if pressed:
            seen = (-1, (0, 0))
