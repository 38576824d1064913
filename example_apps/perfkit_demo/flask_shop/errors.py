"""What the shop in Flask says instead of an answer."""

from __future__ import annotations

from flask import Flask
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from perfkit_demo.shop.answers import error, wrong_parameter
from perfkit_demo.shop.parameters import WrongParameterError

__all__ = ["handle_errors"]


def handle_errors(app: Flask) -> None:
    """Have *app* say what is wrong in the words of the shop."""
    app.register_error_handler(HTTPException, refused)
    app.register_error_handler(WrongParameterError, wrong_request)


def wrong_request(problem: WrongParameterError) -> ResponseReturnValue:
    """Name the parameter that cannot be used."""
    return error(wrong_parameter(problem.name)), 422


def refused(problem: HTTPException) -> ResponseReturnValue:
    """Say what the route said, or what Flask found; of what went wrong inside, no more than that it did."""
    said = problem.description
    detail = problem.name if said is None or said == type(problem).description else said
    headers = {"Allow": ", ".join(sorted(problem.valid_methods or ()))} if isinstance(problem, MethodNotAllowed) else {}
    return error(detail), problem.code or 500, headers
