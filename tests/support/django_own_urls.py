"""Other URLs than the site's, for requests to one host."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path


class OwnUrls:
    """Gives the requests of one host URLs of their own."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        if request.get_host() == "own.example":
            request.urlconf = "django_own_urls"
        return self.get_response(request)


def special(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(str(number))


def missing(request: HttpRequest, number: int) -> HttpResponse:
    raise Http404


urlpatterns = [path("special/<int:number>/", special), path("missing/<int:number>/", missing)]
