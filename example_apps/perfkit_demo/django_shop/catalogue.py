"""The products: listed, shown, searched, recommended, in stock or not."""

from __future__ import annotations

import time

from django.db.models import Avg
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from perfkit_demo.django_shop.apps import the_shop
from perfkit_demo.django_shop.models import Product, Review
from perfkit_demo.django_shop.routing import audited
from perfkit_demo.shop import answers
from perfkit_demo.shop.parameters import text, whole_number
from perfkit_demo.shop.recommend import CANDIDATES, recommend, recommend_quickly
from perfkit_demo.shop.rules import FOUND, LAST_PAGE, LONGEST_SEARCH, PAGE_SIZE, search_range
from perfkit_demo.stock import fetch

__all__ = ["list_products", "recommendations", "search", "show_product", "show_stock"]


@audited
def list_products(request: HttpRequest) -> HttpResponse:
    """List a page of products with their ratings. Problem 1: one more query for each of them."""
    page = whole_number(request.GET, "page", default=1, most=LAST_PAGE)
    first = (page - 1) * PAGE_SIZE
    products = Product.objects.only("id", "name", "price_cents").order_by("id")[first : first + PAGE_SIZE]
    if the_shop().fixes.has("n1"):
        rated = Review.objects.filter(product__in=[product.id for product in products])
        ratings = dict(rated.values_list("product").annotate(rating=Avg("rating")))
        mended = [answers.listed(each.id, each.name, each.price_cents, ratings.get(each.id)) for each in products]
        return JsonResponse(mended, safe=False)
    listed = []
    for product in products:
        rating = Review.objects.filter(product=product).aggregate(rating=Avg("rating"))["rating"]
        listed.append(answers.listed(product.id, product.name, product.price_cents, rating))
    return JsonResponse(listed, safe=False)


@audited
def show_product(request: HttpRequest, product_id: int) -> HttpResponse:
    """Show one product. Problem 9: the whole row is loaded, with a photo of 40 KiB that nobody asked for."""
    products = Product.objects.defer("photo") if the_shop().fixes.has("cols") else Product.objects
    try:
        product = products.get(id=product_id)
    except Product.DoesNotExist:
        raise Http404(answers.no_product(product_id)) from None
    return JsonResponse(answers.product_shown(product))


@audited
def show_stock(request: HttpRequest, product_id: int) -> HttpResponse:
    """Ask the stock service. Problem 7: it fails and dawdles, and nothing protects the shop from it."""
    shop = the_shop()
    if shop.stock_url:
        answer = fetch(shop.stock_url, is_mended=shop.fixes.has("flaky"))
    else:
        answer = shop.stock.ask()
        time.sleep(answer.delay)
    if answer.fails:
        return JsonResponse(answers.error(answers.NO_STOCK), status=503)
    return JsonResponse(answers.stock_shown(product_id, answer.units))


@audited
def search(request: HttpRequest) -> HttpResponse:
    """Find products by the start of their SKU. Problem 2: without an index all 2,000 are read for a dozen."""
    least, above = search_range(text(request.GET, "q", longest=LONGEST_SEARCH))
    products = Product.objects.filter(sku__gte=least, sku__lt=above).order_by("sku")
    found = list(products.values_list("id", "sku", "name")[:FOUND])
    return JsonResponse(answers.found(found), safe=False)


@audited
def recommendations(request: HttpRequest) -> HttpResponse:
    """Recommend products like this one. Problem 3: the work grows with the square of the candidates."""
    product = whole_number(request.GET, "product", default=1)
    candidates = list(Product.objects.values_list("id", "tags").order_by("id")[:CANDIDATES])
    function = recommend_quickly if the_shop().fixes.has("cpu") else recommend
    return JsonResponse(answers.recommended(function(candidates, product)))
