"""What the shop in FastAPI says instead of an answer."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from perfkit_demo.shop.answers import error, wrong_parameter

__all__ = ["handle_errors"]


def handle_errors(app: FastAPI) -> None:
    """Have *app* say what is wrong in the words of the shop."""
    app.add_exception_handler(RequestValidationError, wrong_request)
    app.add_exception_handler(Exception, failed)


async def wrong_request(request: Request, problem: Exception) -> JSONResponse:
    """Name the parameter that cannot be used; a path that cannot be is not there."""
    assert isinstance(problem, RequestValidationError)
    where = problem.errors()[0]["loc"]
    if where[0] == "path":
        return JSONResponse(error(HTTPStatus.NOT_FOUND.phrase), HTTPStatus.NOT_FOUND)
    name = "body" if problem.errors()[0]["type"] == "json_invalid" else str(where[-1])
    return JSONResponse(error(wrong_parameter(name)), 422)


async def failed(request: Request, problem: Exception) -> JSONResponse:
    """Say no more than that something went wrong."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return JSONResponse(error(status.phrase), status)
