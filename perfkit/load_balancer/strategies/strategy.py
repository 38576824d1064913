"""What a strategy is: it is given the servers that may be picked, and returns what picks one of them."""

from __future__ import annotations

from typing import Protocol

from perfkit.load_balancer.fleet import Group, Pick

__all__ = ["Strategy"]


class Strategy(Protocol):
    """Chooses servers. Called from any thread, without a lock; it must not wait and must not do I/O.

    `prepare` is called whenever the servers that may be picked change, and at each step of a slow start, so it may take
    its time. What it returns is called for each request with the monotonic seconds and the key; it should cost the
    same whatever the number of servers. `server.in_flight` is raised right after.

    A strategy may have more methods, each of which is called if it is there:

    - ``observe(server, latency, success, now)`` after each answer;
    - ``on_cancel(server, now)`` after a request that was given up without an answer;
    - ``on_report(server, report, now, is_probe)`` with each `LoadReport`, from answers and from probes;
    - ``on_members(servers)`` with all servers that belong to the balancer, healthy or not, when that changes;
    - ``on_return(server, now)`` when a server comes back from an ejection, a drain or a failed check;
    - ``tend(*, is_over)`` once a second beside the requests while the balancer runs, and when it stops, for what takes
      long;
    - ``estimate(server, now)`` and ``remark(server, now)``, a number and a text about a server, for `explain`;
    - ``probe_targets(count, servers) -> list[str]``, the names of those it wants probed.

    With the attribute ``heeds_slow_start = True`` the weights of the group contain slow start; for other strategies the
    balancer lets a starting server through less often. What it remembers of a server goes to `server.memory`.
    """

    def prepare(self, group: Group) -> Pick:
        """Return what picks one server of *group*."""
        ...
