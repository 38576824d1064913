"""How a path finds its view by method, and what the shop in Django says instead of an answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import Resolver404

from perfkit_demo.django_shop.apps import the_shop
from perfkit_demo.shop.answers import error, wrong_parameter
from perfkit_demo.shop.parameters import WrongParameterError

__all__ = ["View", "audited", "failed", "methods", "not_found"]

View = Callable[..., HttpResponseBase]


def methods(**views: View) -> View:
    """Return a view that answers each method with the view of its name, in capitals."""

    def view(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        chosen = views.get(request.method or "")
        if chosen is None:
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(sorted(views))})
        try:
            return chosen(request, **arguments)
        except WrongParameterError as problem:
            return JsonResponse(error(wrong_parameter(problem.name)), status=422)

    return view


def audited(view: View) -> View:
    """Have each call of *view* written into the audit list, which is problem 6: it never forgets."""

    @wraps(view)
    def recording(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        the_shop().note(request.method or "", request.path)
        return view(request, **arguments)

    return recording


def refusal(status: HTTPStatus, detail: str = "", **more: Any) -> JsonResponse:
    return JsonResponse(error(detail or status.phrase), status=status, **more)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Say what the view said, or that there is nothing here."""
    said = "" if isinstance(exception, Resolver404) else str(exception)
    return refusal(HTTPStatus.NOT_FOUND, said)


def failed(request: HttpRequest) -> JsonResponse:
    """Say no more than that something went wrong."""
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
