"""A running service, looked at from outside: the way to it, what it says of itself, what its hooks have seen."""

from __future__ import annotations

from collections.abc import Iterator

from perfkit import __version__
from perfkit.advice.wording import count
from perfkit.cli.diagnosis.answers import dashboard, strangers
from perfkit.cli.diagnosis.note import Note, fine, told, warned
from perfkit.cli.reading.overview import Overview, decoded
from perfkit.cli.reading.service import Service

__all__ = ["looked_at"]


def looked_at(service: Service) -> Iterator[Note]:
    """Look at *service*.

    Raises:
        ServiceError, NotAllowedError: It cannot be asked.
    """
    overview = decoded(service.overview(), service.name)
    yield fine("service", f"{overview.service}/{overview.environment} at {service.name}, perfkit {overview.perfkit}")
    yield from _way(service)
    if overview.perfkit != __version__:
        yield told(
            "version",
            f"the service has perfkit {overview.perfkit}, this command is of {__version__}",
            "Use the perfkit command of the service's own environment",
        )
    yield from _workers(overview)
    yield from dashboard(service, service.mount)
    yield from strangers(service, service.mount, is_development=overview.environment == "development")
    code = service.get(service.metrics_path).code
    if code == 200:
        yield fine("metrics", f"{service.metrics_path} answers")
    else:
        yield told("metrics", f"{service.metrics_path} answers {code}", "Look at http.metrics_path and metrics.enabled")
    yield _health(service)
    yield from _components(overview)
    yield from _hooks(overview)
    yield from _seen(overview)


def _way(service: Service) -> Iterator[Note]:
    """Look at the way to the service: who can read the token on it."""
    if service.is_in_the_clear:
        yield warned(
            "way",
            "the token goes over the network in the clear",
            "Put TLS in front of the service and ask it by https, or ask it on its own machine",
        )


def _health(service: Service) -> Note:
    code = service.get(service.health_path).code
    if code == 200:
        return fine("health", f"{service.health_path} says that the service is well")
    if code == 503:
        return warned("health", f"{service.health_path} says that the service is critical", "perfkit health says why")
    return told("health", f"{service.health_path} answers {code}", "Look at http.health_path and health.enabled")


WAKENED = {
    "cache": "Use system.cache, @cached or the CACHES backend",
    "database": "It wakes with SQLAlchemy, Django's ORM, asyncpg or a connection that is wrapped by hand",
    "load_balancer": "Add servers to it, or call hosts through system.load_balancer",
    "alerts": "Write rules in alerts.rules, or objectives",
}
"""What wakes a component that nobody uses."""


def _components(overview: Overview) -> Iterator[Note]:
    """Say which components are switched off, and which have had nothing to do."""
    for word in overview.off:
        yield told("components", f"{word} is switched off", f"Set {word}.enabled to true to have it")
    for word in overview.asleep:
        yield told("components", f"{word} sleeps: nobody has used it yet", WAKENED.get(word, ""))


def _workers(overview: Overview) -> Iterator[Note]:
    live = len(overview.performance.workers) if overview.performance is not None else 0
    if overview.degraded:
        yield warned("workers", overview.degraded, "Give store.directory a place that all workers can write to")
    elif overview.is_shared:
        yield fine("workers", "one worker counts in files" if live == 1 else f"{count(live, 'worker')} count together")
    else:
        yield fine("workers", "one worker, which counts in memory")


def _hooks(overview: Overview) -> Iterator[Note]:
    captures = [each for each in (overview.database or {}).get("captures") or () if isinstance(each, dict)]
    if not captures:
        todo = "Those that are loaded later are found then; wrap a connection of your own by hand"
        yield told("hooks", "no database is seen", todo)
    for each in captures[:10]:
        if each.get("is_active"):
            yield fine("hooks", f"statements of {each.get('name')} are seen")
        else:
            yield warned(
                "hooks", f"statements of {each.get('name')} are not seen", str(each.get("reason") or "Report it")
            )


def _seen(overview: Overview) -> Iterator[Note]:
    performance = overview.performance
    if performance is None:
        yield told("requests", "the performance component is off", "Set performance.enabled to true")
    elif not performance.total_requests:
        yield warned(
            "requests", "none has been counted yet", "Send one; if it is not counted, perfkit is not in its way"
        )
    else:
        without = sum(route.requests for route in performance.routes if not route.route)
        yield fine("requests", f"{count(performance.total_requests, 'request')} counted")
        if performance.requests >= 20 and without > 0.5 * performance.requests:
            yield told(
                "requests", f"{without} of the last {performance.requests} matched no route", "Look what asks for them"
            )
