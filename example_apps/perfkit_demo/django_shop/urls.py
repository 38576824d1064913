"""The shop's paths."""

from __future__ import annotations

from django.urls import include, path

from perfkit_demo.django_shop import api, catalogue, entrance, sales
from perfkit_demo.django_shop.routing import methods

urlpatterns = [
    path("", methods(GET=entrance.index)),
    path("about", methods(GET=entrance.about)),
    path("demo", methods(GET=entrance.workbench_page, POST=entrance.press)),
    path("home", methods(GET=entrance.home)),
    path("products", methods(GET=catalogue.list_products)),
    path("products/<int:product_id>", methods(GET=catalogue.show_product)),
    path("products/<int:product_id>/stock", methods(GET=catalogue.show_stock)),
    path("search", methods(GET=catalogue.search)),
    path("recommend", methods(GET=catalogue.recommendations)),
    path("cart", methods(GET=sales.show_cart, POST=sales.add_to_cart)),
    path("checkout", methods(POST=sales.check_out)),
    path("reports/daily", methods(GET=sales.daily_report)),
    path("orders/export", methods(GET=sales.export_orders)),
    path("api/v1/", include(api)),
]

handler404 = "perfkit_demo.django_shop.routing.not_found"
handler500 = "perfkit_demo.django_shop.routing.failed"
