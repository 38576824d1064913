"""The shop in Django in a process of its own: takes commands from stdin, one JSON document a line, answers on stdout.

A process can have one set of Django's settings, and the one of the tests has others already.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from demo_answers import ShopAnswer, all_at_once

os.environ["DJANGO_SETTINGS_MODULE"] = "demo_django_settings"

import django

django.setup()

from django.db import connection, connections  # noqa: E402
from django.test import Client  # noqa: E402

from perfkit_demo.django_shop import entrance  # noqa: E402
from perfkit_demo.django_shop.apps import the_shop  # noqa: E402

statements: list[tuple[str, list[Any]]] = []


def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    statements.append((sql.replace("%s", "?"), list(params or ())))
    return execute(sql, params, many, context)


def ask(method: str, target: str, body: Any = None) -> ShopAnswer:
    client = Client(raise_request_exception=False)
    sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    with connection.execute_wrapper(listen):
        response = client.generic(method, target, headers={"host": "localhost"}, **sent)
        content = b"".join(response) if response.streaming else response.content
    response.close()
    return ShopAnswer(response.status_code, content.decode(), response["Content-Type"], response.get("Allow", ""))


def ask_and_leave() -> ShopAnswer:
    """Ask in a thread that ends."""
    try:
        return ask("GET", "/home")
    finally:
        connections.close_all()


def renew() -> None:
    """Begin anew, as another database will lie in the same place."""
    connections.close_all()
    statements.clear()
    django.apps.apps.get_app_config("django_shop").ready()


def obey(command: dict[str, Any]) -> Any:
    match command:
        case {"renew": True}:
            return renew()
        case {"home_at_once": count}:
            return [asdict(answer) for answer in all_at_once(entrance, ask_and_leave, count)]
        case _:
            return asdict(ask(**command))


for line in sys.stdin:
    outcome = obey(json.loads(line))
    shop = the_shop()
    state = {
        "statements": statements,
        "audited": [(entry.action, entry.subject) for entry in shop.audit.entries],
        "pages": (shop.pages.hits, shop.pages.misses),
    }
    sys.stdout.write(json.dumps({"outcome": outcome, **state}) + "\n")
    sys.stdout.flush()
connections.close_all()
