"""Which view function answers a route of a Flask app. No request pays for this: who looks at a page asks."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from perfkit.core.code.handlers import Finder

__all__ = ["finder"]


def finder(held: Callable[[], Flask | None]) -> Finder:
    """Return what finds the view function of a rule, as it is written, in the app that *held* returns."""

    def find(method: str, route: str) -> object:
        app = held()
        if app is None:
            return None
        for rule in app.url_map.iter_rules():
            if rule.rule == route and (rule.methods is None or method in rule.methods):
                return app.view_functions.get(rule.endpoint)
        return None

    return find
