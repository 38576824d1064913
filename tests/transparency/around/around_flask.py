"""Puts perfkit around every app of Flask's suite, as soon as it is made."""

from __future__ import annotations

from typing import Any

import witness
from flask import Flask

from perfkit_flask import Perfkit

witness.watch()

make = Flask.__init__


def init(self: Flask, *arguments: Any, **named: Any) -> None:
    make(self, *arguments, **named)
    Perfkit(self)


Flask.__init__ = init  # type: ignore[method-assign]
