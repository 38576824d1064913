"""What the shop's visitors do: weighted journeys, endless and the same for the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from perfkit_demo.shop.data import CARTS, ORDERS, PHOTOS, PRODUCTS, VARIANTS

__all__ = ["JOURNEYS", "Step", "steps"]


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a visitor.

    Attributes:
        method: The HTTP method.
        target: Path and query.
        body: A JSON document, or "" for none.
    """

    method: str
    target: str
    body: str = ""


Journey = Callable[[Random], list[Step]]


def get(target: str) -> Step:
    return Step("GET", target)


def popular(random: Random) -> int:
    """Return a product with a photo, small numbers most often: what people look at."""
    return 1 + int(PHOTOS * random.random() ** 2)


def look_around(random: Random) -> list[Step]:
    product = popular(random)
    listed = get(f"/products?page={random.randint(1, 4)}")
    return [get("/home"), listed, get(f"/products/{product}"), get(f"/products/{product}/stock")]


def search(random: Random) -> list[Step]:
    family = random.randrange(PRODUCTS // VARIANTS)
    found = 1 + family * VARIANTS + random.randrange(VARIANTS)
    return [get("/home"), get(f"/search?q=SK-{family:04d}"), get(f"/products/{found}")]


def ponder(random: Random) -> list[Step]:
    product = popular(random)
    return [get(f"/products/{product}"), get(f"/recommend?product={product}")]


def buy(random: Random) -> list[Step]:
    cart, product = random.randint(1, CARTS), popular(random)
    change = json.dumps({"product": product, "quantity": random.randint(1, 3)})
    put = Step("POST", f"/cart?cart={cart}", change)
    return [get("/home"), put, get(f"/cart?cart={cart}"), Step("POST", f"/checkout?cart={cart}")]


def drop_by(random: Random) -> list[Step]:
    return [get("/home"), get("/about")]


def use_the_api(random: Random) -> list[Step]:
    product, order = random.randint(1, PRODUCTS), random.randint(1, ORDERS)
    return [get(f"/api/v1/products/{product}"), get(f"/api/v1/orders/{order}")]


def work_in_the_office(random: Random) -> list[Step]:
    return [get("/reports/daily"), get(f"/orders/export?limit={random.choice((200, 600, 1000))}")]


def get_lost(random: Random) -> list[Step]:
    nowhere = get(f"/old/{random.randrange(10_000)}.html")
    missing = get(f"/products/{PRODUCTS + random.randint(1, 500)}")
    return random.choice(([nowhere], [missing], [nowhere, get("/home")], [Step("PUT", "/about")]))


JOURNEYS: tuple[tuple[int, Journey], ...] = (
    (24, look_around),
    (18, search),
    (8, ponder),
    (14, buy),
    (22, drop_by),
    (8, use_the_api),
    (3, work_in_the_office),
    (5, get_lost),
)
"""Every journey with its weight."""


def steps(seed: int, visitor: int) -> Iterator[Step]:
    """Yield what *visitor* does, one journey after the other, without end."""
    random = Random(f"{seed}/visitor/{visitor}")
    weights = [weight for weight, _ in JOURNEYS]
    journeys = [journey for _, journey in JOURNEYS]
    while True:
        yield from random.choices(journeys, weights)[0](random)
