"""What happens in the unseen world."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.balancing_unseen.machines import Machine
from benchmarks.balancing_unseen.world import Case, World

__all__ = ["CASES", "HEDGED"]


def _pareto(rng: random.Random) -> float:
    return min(1.5, 0.0135 * rng.paretovariate(1.5))


def _two_kinds(rng: random.Random) -> float:
    return 0.2 if rng.random() < 0.1 else 0.0222


def _even(rng: random.Random) -> float:
    return 0.03 + 0.02 * rng.random()


def _pauses(world: World) -> None:
    """Each machine stops for a third of a second now and then, as a collector of garbage does."""

    def begin(now: float, machine: Machine) -> None:
        machine.change_speed(now, 0.0)
        world.plan(now + 0.1 + 0.4 * world.rng.random(), end, machine)

    def end(now: float, machine: Machine) -> None:
        machine.change_speed(now, 1.0)
        world.plan(now + world.rng.expovariate(1 / 5.0), begin, machine)

    for machine in world.machines:
        world.plan(world.rng.expovariate(1 / 5.0), begin, machine)


def _generations(world: World) -> None:
    for number, machine in enumerate(world.machines):
        machine.speed = (0.55, 0.8, 1.0, 1.25, 1.4)[number % 5]


def _far(world: World) -> None:
    for machine in world.machines[::2]:
        machine.far = 0.004


def _leak(world: World) -> None:
    """One machine becomes slower and slower."""

    def step(now: float, left: int) -> None:
        world.machines[2].change_speed(now, world.machines[2].speed * 0.8)
        if left:
            world.plan(now + 1.0, step, left - 1)

    world.plan(1.0, step, 10)


def _flapping(world: World) -> None:
    """One machine goes every few seconds, with all that it has, and is back a second later."""
    machine = world.machines[1]

    def go(now: float) -> None:
        machine.is_up = False
        machine.lose_all(now, silently=False)
        world.plan(now + 1.0, come)

    def come(now: float) -> None:
        machine.is_up = True
        world.plan(now + 2.0, go)

    world.plan(1.5, go)


def _silence(world: World) -> None:
    """Two machines are cut off: nothing is refused, nothing is answered, for five seconds."""

    def cut(now: float) -> None:
        for machine in world.machines[3:5]:
            machine.is_silent = True
            machine.lose_all(now, silently=True)

    def mend(_: float) -> None:
        for machine in world.machines[3:5]:
            machine.is_silent = False

    world.plan(2.0, cut)
    world.plan(7.0, mend)


def _rack(world: World) -> None:
    """A third of the machines are slow together, every few seconds."""

    def slow(now: float) -> None:
        for machine in world.machines[: len(world.machines) // 3]:
            machine.change_speed(now, 0.4)
        world.plan(now + 1.5, normal)

    def normal(now: float) -> None:
        for machine in world.machines[: len(world.machines) // 3]:
            machine.change_speed(now, 1.0)
        world.plan(now + 4.0, slow)

    world.plan(2.0, slow)


def _sick(world: World) -> None:
    """One machine refuses everything at once."""
    world.machines[4].is_up = False


def _upgraded(world: World) -> None:
    """Machine after machine is taken out of service, replaced and put back; each is told half a second before."""

    def tell(_: float, machine: Machine, leave: bool) -> None:
        for balancer in world.balancers:
            (balancer.drain_server if leave else balancer.restore_server)(machine.name)

    def go(now: float, machine: Machine) -> None:
        machine.is_up = False
        machine.lose_all(now, silently=False)

    def come(_: float, machine: Machine) -> None:
        machine.is_up = True

    for number, machine in enumerate(world.machines):
        start = 0.5 + 0.8 * number
        world.plan(start, tell, machine, True)
        world.plan(start + 0.5, go, machine)
        world.plan(start + 1.0, come, machine)
        world.plan(start + 1.1, tell, machine, False)


def _lost(world: World) -> None:
    """A quarter of the machines goes at once and does not come back."""

    def go(now: float) -> None:
        for machine in world.machines[: len(world.machines) // 4]:
            machine.is_up = False
            machine.lose_all(now, silently=False)

    world.plan(2.0, go)


def _case(work: Callable[[random.Random], float] | None = None, **changes: object) -> Case:
    if work is not None:
        changes["work"] = work
    return Case(**changes)  # type: ignore[arg-type]  # the fields of a case


CASES: dict[str, Case] = {
    "steady": _case(),
    "steady, 85 %": _case(load=0.85),
    "bursts": _case(burst=2.5, load=0.5),
    "people who think": _case(people=1300, think=1.5),
    "Pareto": _case(_pareto, machines=20, callers=12, load=0.6),
    "two kinds": _case(_two_kinds, machines=10, load=0.7),
    "even work": _case(_even, load=0.8),
    "pauses": _case(upset=_pauses, load=0.5),
    "five generations": _case(upset=_generations, machines=15, load=0.75),
    "half of them far": _case(_even, upset=_far, mean=0.04, load=0.6),
    "a leak": _case(upset=_leak, machines=8, load=0.6),
    "three machines": _case(machines=3, callers=2, workers=8, load=0.7),
    "a hundred machines": _case(machines=100, callers=10, workers=2, load=0.7),
    "short queues, bursts": _case(queue_limit=3, burst=1.8, load=0.5),
    "flapping": _case(upset=_flapping, load=0.6),
    "silence": _case(upset=_silence, load=0.55),
    "a slow rack": _case(upset=_rack, load=0.5),
    "a sick one": _case(upset=_sick, load=0.6),
    "an upgrade": _case(upset=_upgraded, load=0.6),
    "a quarter lost": _case(upset=_lost, load=0.55),
}
"""By name. With 12 machines of four workers and 40 ms: 1200 requests a second are all that they can do."""

HEDGED = {"silence": _case(upset=_silence, load=0.55, hedges=True)}
"""The same with a second server asked when the first is slow."""
