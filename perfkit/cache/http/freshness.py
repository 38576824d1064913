"""How old a response is, how long it is fresh, and whether a request may have it: the arithmetic of RFC 9111.

Sources: RFC 9111 sections 4.2.1 (lifetime), 4.2.3 (age), 4.2.4 (stale responses), 5.2 (directives); RFC 5861
(stale-while-revalidate, stale-if-error). All times are Unix seconds, as responses carry dates.

Deviation: a response whose ``s-maxage`` comes with a stale-… directive of its own may serve stale, although s-maxage
alone forbids that, as the server of the response said both. must-revalidate and proxy-revalidate forbid it always.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from perfkit.cache.http.fields import Directives, http_date, seconds

__all__ = ["Allowance", "Freshness", "Use", "Wish", "freshness", "initial_age", "use"]


class Freshness(NamedTuple):
    """How long a response serves.

    Attributes:
        lifetime: Seconds that it is fresh.
        while_revalidate: Seconds after that in which it serves while it is renewed.
        if_error: Seconds after that in which it serves when renewing fails.
        is_explicit: The response said its lifetime itself.
        may_be_stale: Nothing forbids that it serves stale to a client that wants it.
    """

    lifetime: float
    while_revalidate: float = 0.0
    if_error: float = 0.0
    is_explicit: bool = True
    may_be_stale: bool = True


class Allowance(NamedTuple):
    """What the settings give to responses that do not say."""

    lifetime: float
    while_revalidate: float = 0.0
    if_error: float = 0.0


def freshness(given: Directives, fields: Mapping[str, str], *, received: float, allowance: Allowance) -> Freshness:
    """Return how long a response with the directives *given*, received at *received*, serves.

    s-maxage goes before max-age, that before Expires, that before the *allowance*. What cannot be read is stale.
    """
    lifetime, is_explicit = _lifetime(given, fields, received), True
    if lifetime is None:
        lifetime, is_explicit = allowance.lifetime, False
    if "must-revalidate" in given or "proxy-revalidate" in given:
        return Freshness(lifetime, is_explicit=is_explicit, may_be_stale=False)
    by_default = "s-maxage" not in given
    return Freshness(
        lifetime,
        _stale(given, "stale-while-revalidate", allowance.while_revalidate if by_default else 0.0),
        _stale(given, "stale-if-error", allowance.if_error if by_default else 0.0),
        is_explicit,
        by_default,
    )


def _lifetime(given: Directives, fields: Mapping[str, str], received: float) -> float | None:
    for name in ("s-maxage", "max-age"):
        if name in given:
            return float(seconds(given[name]) or 0)
    if "expires" not in fields:
        return None
    expires, date = http_date(fields["expires"]), http_date(fields.get("date"))
    return 0.0 if expires is None else max(0.0, expires - (received if date is None else date))


def _stale(given: Directives, name: str, default: float) -> float:
    return float(seconds(given[name]) or 0) if name in given else default


def initial_age(*, age: str | None, date: float | None, requested: float, received: float) -> float:
    """Return the age that a response had when it was received (`corrected_initial_age`).

    Args:
        age: Its Age field; what is no number counts as 0, of a list the first.
        date: Its Date, None where it has none: then it was made when it was received.
    """
    apparent = max(0.0, received - date) if date is not None else 0.0
    told = seconds((age.split(",")[0].strip(),)) if age else 0
    return max(apparent, (told or 0) + max(0.0, received - requested))


class Wish(NamedTuple):
    """What a request asks of the cache (RFC 9111 section 5.2.1).

    Attributes:
        no_cache: Ask the app, whatever is kept.
        max_age: The oldest that is wanted.
        min_fresh: Seconds that it must still be fresh.
        max_stale: Seconds that it may be stale.
        only_if_cached: Do not ask the app.
    """

    no_cache: bool = False
    max_age: float = math.inf
    min_fresh: float = 0.0
    max_stale: float = 0.0
    only_if_cached: bool = False

    @classmethod
    def of(cls, given: Directives, pragma: str) -> Wish:
        """Read the directives *given*; Pragma counts where there are none."""
        if not given:
            return _RELOAD if "no-cache" in pragma.lower() else _NO_WISH
        age, fresh, stale = (
            seconds(given[name]) if name in given else None for name in ("max-age", "min-fresh", "max-stale")
        )
        any_age = "max-stale" in given and given["max-stale"] == ("",)
        return cls(
            no_cache="no-cache" in given,
            max_age=math.inf if age is None else float(age),
            min_fresh=float(fresh or 0),
            max_stale=math.inf if any_age else float(stale or 0),
            only_if_cached="only-if-cached" in given,
        )


_NO_WISH, _RELOAD = Wish(), Wish(no_cache=True)


class Use(NamedTuple):
    """What may be done with a kept response.

    Attributes:
        serves: It may answer this request now.
        renews: It is to be renewed meanwhile.
        why: Where it may not serve, the word of RFC 9211 for that: ``request`` or ``stale``.
    """

    serves: bool
    renews: bool = False
    why: str = ""


_FRESH, _STALE_BUT_WANTED, _RENEWING = Use(True), Use(True), Use(True, renews=True)
_REFUSED, _STALE = Use(False, why="request"), Use(False, why="stale")


def use(fresh: Freshness, age: float, wish: Wish) -> Use:
    """Return what may be done with a response of *age* for a request with *wish*."""
    if wish.no_cache:
        return _REFUSED
    left = fresh.lifetime - age
    if left > 0.0:
        return _FRESH if age <= wish.max_age and left >= wish.min_fresh else _REFUSED
    if wish.min_fresh or age > wish.max_age:
        return _STALE
    if -left < fresh.while_revalidate:
        return _RENEWING
    if fresh.may_be_stale and -left <= wish.max_stale and wish.max_stale > 0.0:
        return _STALE_BUT_WANTED
    return _STALE
