"""Views whose responses are kept: ``@app.get("/products")`` over ``@cached(ttl=60, tags=["products"])``.

What may be somebody's own is never kept: what a request got that says who asks (Authorization, X-Api-Key and the like,
a cookie other than the session's and those that `cache.http.ignored_cookies` names), responses that set cookies, that
were made with the session, are encoded, vary by more than the encoding, or say private, no-store or no-cache. Who knows
better gives a `key`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

from flask import Response, current_app, make_response, request
from flask.globals import request_ctx

from perfkit.core.errors import LifecycleError

if TYPE_CHECKING:
    from perfkit.cache.http.request import Identity

__all__ = ["cached"]

View = TypeVar("View", bound=Callable[..., Any])

HARMLESS_VARY = frozenset({"accept-encoding"})
PASS_TTL = 2.0
"""Seconds for which it is remembered that responses at a place are not kept."""

NOT_KEPT = ("private", "no_store", "no_cache")


def cached(
    ttl: float | None = 60.0,
    tags: Iterable[str] | Callable[..., Iterable[str]] = (),
    *,
    key: Callable[..., Any] | None = None,
    namespace: str | None = None,
) -> Callable[[View], View]:
    """Keep the responses of a view; put it below the route.

    Args:
        ttl: Seconds that a response is fresh; None for ever.
        tags: Names by which responses can be invalidated, or what returns them for the arguments of the view.
        key: Returns what tells responses apart, for the arguments of the view, such as the user's id; then what was
            made with the session is kept too. By default host, path and query.
        namespace: The part of the cache; by default named after the view.

    Raises:
        CacheError: An argument cannot be.
    """
    _check(ttl, tags, key, namespace)

    def decorate(view: View) -> View:
        space_name = namespace or f"flask.{view.__module__}.{view.__qualname__}"

        @functools.wraps(view)
        def kept_view(*args: Any, **kwargs: Any) -> Any:
            def respond() -> Response:
                return make_response(current_app.ensure_sync(view)(*args, **kwargs))

            if request.method not in ("GET", "HEAD"):
                return respond()
            cache = _cache()
            place = _place(cache.settings.http) if key is None else (request.method == "HEAD", key(*args, **kwargs))
            if place is None:
                return respond()
            space = cache.namespace(space_name)
            names = tags(*args, **kwargs) if callable(tags) else tags
            own: list[Response] = []

            def load() -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
                response = respond()
                own.append(response)
                if not _may_be_kept(response, is_keyed=key is not None):
                    return None
                return response.status_code, tuple(response.headers.to_wsgi_list()), response.get_data()

            kept = space.memoize(place, load, ttl, names, negative_ttl=PASS_TTL)
            if own:
                return own[0]
            # None: a response that only its own request may have. For a while nobody waits for another one's here.
            return respond() if kept is None else current_app.response_class(kept[2], kept[0], list(kept[1]))

        kept_view.cache_clear = lambda: _cache().namespace(space_name).clear()  # type: ignore[attr-defined] # as memoized has
        return cast("View", kept_view)

    return decorate


def _check(ttl: Any, tags: Any, key: Any, namespace: Any) -> None:
    from perfkit.cache.arguments import FOR_EVER, function, seconds, tag_names, text

    if ttl is not None:
        seconds("ttl", ttl, FOR_EVER)
    if not callable(tags):
        tag_names(tags)
    if key is not None:
        function("key", key, "cached(key=lambda: current_user.id)")
    if namespace is not None:
        text("namespace", namespace)


def _cache() -> Any:
    """Return the cache of the app's system.

    Raises:
        LifecycleError: There is no perfkit around the app.
    """
    found = current_app.extensions.get("perfkit")
    if found is None:
        raise LifecycleError(
            f"A view of the Flask app {current_app.name!r} is cached, but there is no perfkit around the app. The "
            "cache belongs to perfkit's system. Call Perfkit(app) first."
        )
    return found.system.cache


def _place(settings: Any) -> tuple[bool, str] | None:
    """Return what tells the response to a request from others; None where it may be somebody's own."""
    from perfkit.cache.http.request import BY_SERVER, variant_key

    headers = {name.lower(): value for name, value in request.headers}
    identity = _identity(
        # Whether a response was made with the session is seen by itself.
        (*settings.ignored_cookies, current_app.config["SESSION_COOKIE_NAME"]),
        tuple(settings.personal_headers),
    )
    if identity.of(headers) or any(map(request.environ.get, BY_SERVER)):
        return None
    # In the order of names only: of a name that comes twice, views look at the first.
    query = urlencode(sorted(request.args.items(multi=True), key=itemgetter(0)))
    url = f"{request.scheme}://{request.host}{request.script_root}{request.path}?{query}"
    return request.method == "HEAD", variant_key(url, headers, (), identity)


@functools.lru_cache(32)
def _identity(ignored_cookies: tuple[str, ...], personal_headers: tuple[str, ...]) -> Identity:
    from perfkit.cache.http.request import Identity

    return Identity(ignored_cookies, personal_headers)


def _may_be_kept(response: Response, *, is_keyed: bool) -> bool:
    control = response.cache_control
    if response.status_code != 200 or response.is_streamed or "Set-Cookie" in response.headers:
        return False
    if any(getattr(control, word) for word in NOT_KEPT) or "Content-Range" in response.headers:
        return False
    if is_keyed:
        return True
    if "Content-Encoding" in response.headers:
        return False
    return not _is_session_used() and {name.lower() for name in response.vary} <= HARMLESS_VARY


def _is_session_used() -> bool:
    """Return whether the session was looked at. To ask `flask.session` would be to look at it; so what holds it is."""
    held = vars(request_ctx._get_current_object())  # type: ignore[attr-defined] # it is a proxy
    if "_session" not in held and "session" not in held:
        return True
    found = held.get("_session", held.get("session"))
    return found is not None and bool(getattr(found, "accessed", True))
