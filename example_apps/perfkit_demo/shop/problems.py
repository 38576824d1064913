"""The ten problems that are seeded in every shop, and where they show."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIXABLE", "PROBLEMS", "Problem"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One seeded problem.

    Attributes:
        number: Its place in the list, from 1.
        name: The word for it, as short as an option.
        route: Method and route template (as FastAPI writes it) where it shows; the leak shows in the process, not on
            a route.
        code: The finding that names it, or "" for the route that must stay without any.
        title: What is wrong, in a few words.
        needs_loop: Whether it shows only where all share an event loop. In a shop that serves each request in a
            thread the same call makes one request slow, and nobody else.
    """

    number: int
    name: str
    route: str
    code: str
    title: str
    needs_loop: bool = False


PROBLEMS = (
    Problem(number=1, name="n1", route="GET /products", code="PK101", title="one query for each product"),
    Problem(number=2, name="index", route="GET /search", code="PK201", title="no index on product.sku"),
    Problem(number=3, name="cpu", route="GET /recommend", code="", title="compares every pair of products"),
    Problem(number=4, name="storm", route="GET /home", code="PK301", title="all build an expired page at once"),
    Problem(
        number=5,
        name="block",
        route="GET /reports/daily",
        code="PK401",
        title="sleeps while it prints, on the event loop where there is one",
        needs_loop=True,
    ),
    Problem(number=6, name="leak", route="", code="PK402", title="the audit list never forgets"),
    Problem(
        number=7,
        name="flaky",
        route="GET /products/{product_id}/stock",
        code="PK503",
        title="the stock service fails and dawdles",
    ),
    Problem(number=8, name="dup", route="GET /cart", code="PK102", title="asks for the same total three times"),
    Problem(
        number=9,
        name="cols",
        route="GET /products/{product_id}",
        code="PK103",
        title="loads a photo it never shows",
    ),
    Problem(number=10, name="about", route="GET /about", code="", title="healthy: nothing must be found here"),
)

FIXABLE = frozenset(problem.name for problem in PROBLEMS if problem.name != "about")
"""The problems that can be mended while the shop runs."""
