"""The components of one system: those at work, and those that sleep until somebody asks for them.

A cache that nobody asks, a balancer without servers and an optimizer without a database library would cost every app
their modules, memory and a tick a second. So a component whose settings say that it has nothing to do is not even
imported. It is built and started when it is asked for, and once it has something to do: that is looked at when the
system starts and then once a second. What others did before it woke it reads from the store, as a new worker does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from perfkit import registry
from perfkit.config import PerformanceConfig
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.families import Family
from perfkit.core.findings import Finding
from perfkit.core.locks import OwnLock

__all__ = ["Components"]

TICK = 1.0
"""Seconds between two ticks of a component, and between two looks at those that sleep."""


class Components:
    """All enabled components. Thread-safe.

    Attributes:
        awake: Word → component, of those that are built; for reading.
        names: The words of all that are enabled, in the registry's order.
    """

    def __init__(self, config: PerformanceConfig, context: Context) -> None:
        """Build those that have something to do; plan their ticks. Nothing runs yet."""
        self._config, self._context = config, context
        self.names = tuple(name for name in registry.COMPONENTS if getattr(config, name).enabled)
        self.awake: dict[str, Component] = {}
        self._asleep = frozenset(self.names)
        self._lock = OwnLock()
        self._started_in = 0
        self._connect()
        self._rouse()
        if self._asleep:
            context.scheduler.every(TICK, self._look, name="components")

    def wake(self, name: str) -> Component:
        """Return the enabled component *name*; one that sleeps is built, and started if the others are.

        Its modules are imported then, which takes tens of milliseconds once.
        """
        with self._lock:
            component = self.awake.get(name)
            if component is None:
                component = self._build(name)
                if self._started_in == os.getpid():
                    self._start(name, component)
                self.awake = {**self.awake, name: component}
                self._asleep -= {name}
            return component

    def all(self) -> Iterator[tuple[str, Component]]:
        """Yield word and component of all that are enabled, in the registry's order; those that sleep wake."""
        for name in self.names:
            yield name, self.wake(name)

    def in_use(self) -> Iterator[tuple[str, Component]]:
        """Yield those at work; one that sleeps here wakes if the store has its numbers, as other workers use it.

        So all workers tell the same, and looking wakes nothing that nobody uses.
        """
        if self._asleep:
            for name in _Prefixes(self._asleep).of(self._context.store.families):
                self.wake(name)
        yield from self._in_order()

    def findings(self) -> Iterator[tuple[str, list[Finding] | None]]:
        """Yield word and findings of those in use; None in their place where a component failed to tell."""
        for name, component in self.in_use():
            found = None
            with self._context.errors.guarded(name, "findings() failed"):
                found = list(component.findings())
            yield name, found

    def start(self) -> None:
        """Start what is awake, and what has something to do by now. In a forked child it starts the child's own."""
        with self._lock:
            self._rouse()
            for name, component in self._in_order():
                self._start(name, component)
            self._started_in = os.getpid()

    def stop(self) -> None:
        """Stop what was started, in the opposite order."""
        with self._lock:
            self._started_in = 0
            for name, component in reversed(self._in_order()):
                with self._context.errors.guarded(name, "could not stop"):
                    component.stop()

    def _build(self, name: str) -> Component:
        settings, context = getattr(self._config, name), self._context
        component = registry.load(name).from_settings(settings, context)
        period = getattr(settings, "collect_interval", TICK)
        context.scheduler.every(period, component.tick, name=name)
        return component

    def _start(self, name: str, component: Component) -> None:
        with self._context.errors.guarded(name, "could not start"):
            component.start()

    def _rouse(self) -> None:
        for name in self.names:
            if name in self._asleep and getattr(self._config, name).has_work(self._context):
                self.wake(name)

    def _look(self, _now: float) -> None:
        # Few ever wake so, and the look is all that a sleeping component costs.
        if self._asleep:
            self._rouse()

    def _in_order(self) -> list[tuple[str, Component]]:
        awake = self.awake
        return [(name, awake[name]) for name in self.names if name in awake]

    def _connect(self) -> None:
        """Let each component see what all report, without knowing one another."""
        context = self._context

        def gather(verb: str, found: Callable[[], Iterable[tuple[str, Component]]]) -> Iterator[Any]:
            for name, component in found():
                with context.errors.guarded(name, f"{verb}() failed"):
                    yield from getattr(component, verb)()

        # One that sleeps has no check and no foreign metric, but may know of what other workers found.
        context.checks = lambda: gather("checks", self._in_order)
        context.families = lambda: gather("families", self._in_order)
        context.findings = lambda: gather("findings", self.in_use)


class _Prefixes:
    """The names of the metrics that components count by themselves: ``perfkit_<word>_…``."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = {f"perfkit_{word}_": word for word in words}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith(tuple(self._words))

    def of(self, families: Callable[[Container[str]], Iterable[Family]]) -> set[str]:
        """Return the words of which there is a number that is not 0."""
        return {
            word
            for family in families(self)
            for prefix, word in self._words.items()
            if family.definition.name.startswith(prefix) and any(point.value for point in family.points)
        }
