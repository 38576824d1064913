"""The shop's API for machines: included under /api/v1."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from perfkit_demo.django_shop.models import Order, Product
from perfkit_demo.django_shop.routing import methods
from perfkit_demo.shop import answers

__all__ = ["urlpatterns"]


def product(request: HttpRequest, product_id: int) -> HttpResponse:
    """Return what a machine wants to know about a product."""
    row = Product.objects.filter(id=product_id).values_list("sku", "price_cents").first()
    if row is None:
        raise Http404(answers.no_product(product_id))
    return JsonResponse(answers.api_product(*row))


def order(request: HttpRequest, order_id: int) -> HttpResponse:
    """Return what a machine wants to know about an order."""
    row = Order.objects.filter(id=order_id).values_list("placed_on", "total_cents").first()
    if row is None:
        raise Http404(answers.no_order(order_id))
    return JsonResponse(answers.api_order(*row))


urlpatterns = [
    path("products/<int:product_id>", methods(GET=product)),
    path("orders/<int:order_id>", methods(GET=order)),
]
