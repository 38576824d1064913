"""The cache as a dependency, for frameworks that inject them by their annotations, such as FastAPI.

Products = Annotated[Namespace, Depends(cache_of("products"))]

@app.get("/products/{number}")
async def product(number: int, products: Products) -> Product:
    return await products.amemoize(number, lambda: find(number), ttl=60)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import LifecycleError, MissingDependencyError

if TYPE_CHECKING:
    from perfkit.cache import Namespace

__all__ = ["cache_of"]


def cache_of(namespace: str | None = None) -> Callable[..., Namespace]:
    """Return a dependency that gives the cache of the app's system, or the part of it called *namespace*.

    Raises:
        CacheError: *namespace* is no text, or empty.
        MissingDependencyError: Starlette is not installed.
    """
    if namespace is not None:
        from perfkit.cache.arguments import text

        text("namespace", namespace)
    try:
        from starlette.requests import HTTPConnection
    except ImportError as error:
        raise MissingDependencyError("starlette", extra="asgi", wanted_by="cache_of") from error

    def cache(connection: Any) -> Namespace:
        system = getattr(connection.state, "perfkit", None)
        if system is None:
            raise LifecycleError(
                "The cache of the app was asked for, but there is no perfkit around the app. The cache belongs to "
                "perfkit's system. Call app.add_middleware(PerfkitMiddleware)."
            )
        whole: Namespace = system.cache
        return whole if namespace is None else system.cache.namespace(namespace)

    # What injects reads the annotations; a request and a WebSocket both are one.
    cache.__annotations__ = {"connection": HTTPConnection}
    return cache
