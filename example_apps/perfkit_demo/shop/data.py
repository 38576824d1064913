"""The shop's rows, made from a seed: the same seed gives the same shop on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

__all__ = [
    "CARTS",
    "CART_LINES",
    "ORDERS",
    "PHOTOS",
    "PHOTO_BYTES",
    "PRODUCTS",
    "REVIEWS",
    "VARIANTS",
    "cart_items",
    "orders",
    "products",
    "reviews",
    "sku",
]

PRODUCTS = 2_000
REVIEWS = 20_000
ORDERS = 5_000
CARTS = 50
CART_LINES = 8
"""The most lines of one cart; a further product takes the place of an older one."""

VARIANTS = 12
"""How many products share the first part of their SKU: what a search finds."""

PHOTOS = 250
"""How many products, from the first, have a photo. All 2,000 would make a file of 80 MB."""

PHOTO_BYTES = 40 * 1024

LAST_DAY = date(2026, 6, 30)
"""The newest day of the seeded orders; fixed, so that the shop does not change overnight."""

DAYS = 90
"""Days over which the seeded orders are spread."""

ADJECTIVES = ("Plain", "Warm", "Quiet", "Bright", "Sturdy", "Light", "Folding", "Little", "Grand", "Slow")
NOUNS = (
    "lamp",
    "kettle",
    "chair",
    "blanket",
    "clock",
    "shelf",
    "bottle",
    "basket",
    "mirror",
    "stool",
    "rug",
    "jar",
)
CATEGORIES = ("kitchen", "living", "garden", "office", "travel")
TAGS = ("oak", "steel", "wool", "linen", "glass", "cork", "blue", "red", "green", "white", "small", "large")
NAMES = ("Ada", "Bruno", "Chen", "Dana", "Emeka", "Fatima", "Goran", "Hana", "Ines", "Jonas", "Kaya", "Lior")
OPINIONS = (
    "Does what it says.",
    "My second one; the first went to my sister.",
    "Smaller than in the photo, still fine.",
    "Arrived late, works well.",
    "Would buy it again.",
    "Not for me, but well made.",
)

ProductRow = tuple[int, str, str, str, str, int, bytes | None]
ReviewRow = tuple[int, int, int, str, str]
OrderRow = tuple[int, str, str, int, int, int]
CartRow = tuple[int, int, int, int]


def sku(product_id: int) -> str:
    """Return the SKU of a product: `VARIANTS` neighbours share all but the last two digits."""
    family, variant = divmod(product_id - 1, VARIANTS)
    return f"SK-{family:04d}-{variant + 1:02d}"


def products(seed: int) -> Iterator[ProductRow]:
    """Yield the products as (id, sku, name, category, tags, price_cents, photo)."""
    random = Random(f"{seed}/products")
    for number in range(1, PRODUCTS + 1):
        name = f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)} {number}"
        tags = " ".join(sorted(random.sample(TAGS, 4)))
        photo = random.randbytes(PHOTO_BYTES) if number <= PHOTOS else None
        price = random.randrange(290, 24_900, 10)
        yield number, sku(number), name, random.choice(CATEGORIES), tags, price, photo


def reviews(seed: int) -> Iterator[ReviewRow]:
    """Yield the reviews as (id, product_id, rating, author, body)."""
    random = Random(f"{seed}/reviews")
    for number in range(1, REVIEWS + 1):
        product_id = 1 + int(random.random() * PRODUCTS)
        rating = 1 + int(random.random() * 5)
        yield number, product_id, rating, random.choice(NAMES), random.choice(OPINIONS)


def orders(seed: int) -> Iterator[OrderRow]:
    """Yield the orders, oldest first, as (id, customer, placed_on, product_id, quantity, total_cents)."""
    random = Random(f"{seed}/orders")
    for number in range(1, ORDERS + 1):
        placed_on = LAST_DAY - timedelta(days=DAYS - 1 - number * DAYS // (ORDERS + 1))
        quantity = random.randint(1, 4)
        total = quantity * random.randrange(290, 24_900, 10)
        yield (
            number,
            random.choice(NAMES),
            placed_on.isoformat(),
            random.randint(1, PRODUCTS),
            quantity,
            total,
        )


def cart_items(seed: int) -> Iterator[CartRow]:
    """Yield the cart lines as (cart_id, line, product_id, quantity); no cart is empty."""
    random = Random(f"{seed}/carts")
    for cart_id in range(1, CARTS + 1):
        for line in range(random.randint(2, CART_LINES)):
            yield cart_id, line, random.randint(1, PRODUCTS), random.randint(1, 3)
