"""The pages that everybody sees first: the list of what is here, the home page, the healthy page."""

from __future__ import annotations

import threading
import time
from typing import Any

from django.db import connection
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from perfkit_demo.django_shop.apps import the_shop
from perfkit_demo.django_shop.models import Order
from perfkit_demo.django_shop.routing import audited
from perfkit_demo.shop import answers, workbench
from perfkit_demo.shop.pages import CONTENT_DELAY, STALE, Pages, until_round
from perfkit_demo.shop.rules import BEST_SELLERS

__all__ = ["about", "home", "index", "press", "workbench_page"]


def index(request: HttpRequest) -> HttpResponse:
    """Say what is here and what is wrong with it."""
    return HttpResponse(answers.index_page())


def about(request: HttpRequest) -> HttpResponse:
    """Answer at once: number 10, the route with nothing wrong."""
    return JsonResponse(answers.ABOUT)


@audited
def home(request: HttpRequest) -> HttpResponse:
    """Show the best sellers. Problem 4: when the page expires, all who ask in that moment build it anew."""
    shop, system = the_shop(), getattr(request, "perfkit", None)
    if system is not None and shop.fixes.has("storm"):
        mended = system.cache.memoize("home", made_elsewhere, ttl=until_round(), stale_while_revalidate=STALE)
        return JsonResponse(mended)
    pages: Pages = shop.pages if system is None else system.cache
    page: dict[str, Any] | None = pages.get("home")
    if page is None:
        page = made()
        pages.set("home", page, ttl=until_round())
    return JsonResponse(page)


def made() -> dict[str, Any]:
    """Make the home page."""
    sold = Order.objects.values_list("product_id", "product__name").annotate(sold=Sum("quantity"))
    best = list(sold.order_by("-sold", "product_id")[:BEST_SELLERS])
    time.sleep(CONTENT_DELAY)
    return answers.home_page(best)


def made_elsewhere() -> dict[str, Any]:
    """Make it in a thread that may not be a request's: its connection is closed."""
    try:
        return made()
    finally:
        if threading.current_thread().name.startswith("perfkit"):
            connection.close()


def workbench_page(request: HttpRequest) -> HttpResponse:
    """Show the buttons that mend the problems, in development and on this machine."""
    check_workbench(request)
    return HttpResponse(workbench.page(the_shop().fixes))


def press(request: HttpRequest) -> HttpResponse:
    """Mend a problem, or seed it again."""
    check_workbench(request)
    form = request.read(workbench.MOST_BYTES)
    status = workbench.press(the_shop().fixes, form, getattr(request, "perfkit", None))
    return HttpResponse(status=status, headers={"Location": "demo"})


def check_workbench(request: HttpRequest) -> None:
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not the_shop().has_workbench or not workbench.is_ours(headers):
        raise Http404
