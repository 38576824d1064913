"""The pages that everybody sees first: the list of what is here, the home page, the healthy page."""

from __future__ import annotations

import time
from typing import Any

from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, JsonResponse

from perfkit_demo.django_shop.apps import the_shop
from perfkit_demo.django_shop.models import Order
from perfkit_demo.django_shop.routing import audited
from perfkit_demo.shop import answers
from perfkit_demo.shop.pages import CONTENT_DELAY
from perfkit_demo.shop.rules import BEST_SELLERS

__all__ = ["about", "home", "index"]


def index(request: HttpRequest) -> HttpResponse:
    """Say what is here and what is wrong with it."""
    return HttpResponse(answers.index_page())


def about(request: HttpRequest) -> HttpResponse:
    """Answer at once: number 10, the route with nothing wrong."""
    return JsonResponse(answers.ABOUT)


@audited
def home(request: HttpRequest) -> HttpResponse:
    """Show the best sellers. Problem 4: when the page expires, all who ask in that moment build it anew."""
    shop = the_shop()
    page: dict[str, Any] | None = shop.pages.get("home", time.monotonic())
    if page is None:
        sold = Order.objects.values_list("product_id", "product__name").annotate(sold=Sum("quantity"))
        best = list(sold.order_by("-sold", "product_id")[:BEST_SELLERS])
        time.sleep(CONTENT_DELAY)
        page = answers.home_page(best)
        shop.pages.put("home", page, time.monotonic())
    return JsonResponse(page)
