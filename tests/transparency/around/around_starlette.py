"""Puts perfkit around every app of Starlette's suite: outermost in each `Starlette`, and around what a client is given.

A `Starlette` in a test client so has two, one in the other, as a mounted app of somebody else's has.
"""

from __future__ import annotations

from typing import Any

import witness
from blockbuster import BlockBuster
from starlette.applications import Starlette
from starlette.testclient import _TestClientTransport

from perfkit_asgi import PerfkitMiddleware

ONCE = {"perfkit/http/attachment.py": {"attach"}, "perfkit/system.py": {"start", "_release"}}
"""Where perfkit may wait in an event loop: at its start and its end. In any exchange between them it may not, and the
suite's own guard turns each attempt into an error."""

witness.watch()

build, make_transport = Starlette.build_middleware_stack, _TestClientTransport.__init__
forbid_all = BlockBuster.__init__


def build_middleware_stack(self: Starlette) -> Any:
    return PerfkitMiddleware(build(self))


def init(self: _TestClientTransport, app: Any, *arguments: Any, **named: Any) -> None:
    make_transport(self, app if isinstance(app, Starlette) else PerfkitMiddleware(app), *arguments, **named)


Starlette.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]
_TestClientTransport.__init__ = init  # type: ignore[method-assign]


def forbid(self: BlockBuster, *arguments: Any, **named: Any) -> None:
    forbid_all(self, *arguments, **named)
    for function in self.functions.values():
        for file, names in ONCE.items():
            function.can_block_in(file, names)


BlockBuster.__init__ = forbid  # type: ignore[method-assign]
