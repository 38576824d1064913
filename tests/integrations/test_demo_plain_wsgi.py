"""The plain WSGI example: it runs, and perfkit answers beside it."""

from __future__ import annotations

from wsgi_driver import environ_of, exchange

import plain_wsgi


def test_the_plain_app_answers_and_perfkit_beside_it() -> None:
    try:
        answers = {path: exchange(plain_wsgi.app, environ_of("GET", path)) for path in ("/", "/nowhere", "/health")}
    finally:
        plain_wsgi.app.system.stop()
    assert {path: answer.status for path, answer in answers.items()} == {"/": 200, "/nowhere": 404, "/health": 200}
    assert answers["/"].body == b"Hello!\n"
