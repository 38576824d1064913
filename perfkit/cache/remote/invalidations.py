"""To make things invalid on the server and tell all workers of all hosts; what cannot be delivered is made up for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfkit.cache.memory.glob import Glob
from perfkit.cache.memory.space import Space
from perfkit.cache.remote.envelope import is_value, tombstone
from perfkit.cache.remote.loads import FENCE
from perfkit.cache.remote.looking import look_many
from perfkit.cache.remote.messages import message, published
from perfkit.cache.remote.scripts import release
from perfkit.cache.remote.tier import SharedTier, is_refused
from perfkit.cache.remote.transport.link import Batch, Command, Operation, UnreachableError

if TYPE_CHECKING:
    from perfkit.cache.invalidation.relay import Relay

__all__ = ["Invalidations"]

AT_ONCE = 500


class Invalidations:
    """The relay's verbs for all hosts: here first, then on the server, then told on this host.

    This host is told last, as it must know whether the server has heard; through the server its workers hear of it too.
    """

    def __init__(self, relay: Relay, shared: SharedTier) -> None:
        """Invalidate what *relay* reaches, and on the server."""
        self._relay, self._shared, self._names = relay, shared, shared.names
        shared.link.replay = self.replay

    def tags(self, names: tuple[str, ...]) -> Operation[None]:
        """Make everything with one of these tags invalid."""
        yield from self._deliver({"tags": list(names)})

    def everything(self) -> Operation[None]:
        """Clear all namespaces."""
        yield from self._deliver({"all": True})

    def space(self, space: Space) -> Operation[None]:
        """Clear a namespace."""
        yield from self._deliver({"space": space.name})

    def keys(self, space: Space, keys: list[Any]) -> Operation[int]:
        """Remove *keys*; return how many were here or there."""
        gone = set(self._relay.remove(space, keys))
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            named = {name: key for key in some if (name := self._names.value(space.name, key)) is not None}
            payload, is_delivered = {"space": space.name, "keys": some}, True
            try:
                if named:
                    found = yield from look_many(self._names, self._shared.sealing, space.name, list(named))
                    gone |= {named[name] for name, one in found.items() if one.fresh_for > 0.0}
                    yield from self._bury(space.name, list(named), some)
            except UnreachableError:
                is_delivered = False
                self._shared.link.journal.add({"space": space.name, "keys": list(named.values())})
            except GeneratorExit:
                self._give_up({"space": space.name, "keys": keys[start:]})
                raise
            # What was fetched again while the server was told may be the old value.
            self._relay.remove(space, some)
            self._relay.tell(payload, is_delivered=is_delivered)
        return len(gone)

    def _bury(self, space: str, names: list[bytes], keys: list[Any]) -> Operation[None]:
        """Put a tombstone where each value was, so that no load that began before is stored over it."""
        life = int(FENCE * 1000)
        replies = yield Batch(
            *(("SET", name, tombstone(), "PX", life) for name in names), *message(self._shared, space, keys)
        )
        if is_refused(replies):
            # It is full. To delete needs no room; without its fence no load of the namespace is stored.
            replies = yield Batch(("UNLINK", *names, self._names.fence(space)), *message(self._shared, space, keys))
            if is_refused(replies):
                raise UnreachableError

    def pattern(self, space: Space, glob: Glob) -> Operation[int]:
        """Remove the text keys that *glob* matches; return how many there were, here or on the server."""
        removed = self._relay.match(space, glob)
        payload, is_delivered = {"space": space.name, "pattern": glob.pattern}, True
        there = 0
        try:
            there = yield from self._scan(space.name, glob)
        except UnreachableError:
            is_delivered = False
            self._shared.link.journal.add(payload)
        except GeneratorExit:
            self._give_up(payload)
            raise
        self._relay.match(space, glob)
        self._relay.tell(payload, is_delivered=is_delivered)
        return max(removed, there)

    def _scan(self, space: str, glob: Glob) -> Operation[int]:
        names, removed, cursor = self._names, 0, b"0"
        told = published(self._shared, {"space": space, "pattern": glob.pattern})
        yield Batch(("UNLINK", names.fence(space)), told)
        while True:
            scan = ("SCAN", cursor, "MATCH", names.matching(space, glob), "COUNT", 1000)
            (found,) = yield Batch(scan, renews=True)
            if isinstance(found, Exception):
                raise UnreachableError
            cursor, matching = found
            some = [name for name in matching if glob.matches(names.key_of(space, name))]
            if some:
                *starts, gone = yield Batch(
                    *(("GETRANGE", name, 0, 0) for name in some), ("UNLINK", *some), renews=True
                )
                if isinstance(gone, Exception):
                    raise UnreachableError
                removed += sum(isinstance(start, bytes) and is_value(start) for start in starts)
            if int(cursor) == 0:
                break
        # Who fetched one of them while they were looked for has kept it.
        yield Batch(told, renews=True)
        return removed

    def _deliver(self, payload: dict[str, Any]) -> Operation[None]:
        is_delivered = True
        self._relay.apply(payload)
        try:
            yield from self._send(payload)
        except UnreachableError:
            is_delivered = False
            self._shared.link.journal.add(payload)
        except GeneratorExit:
            self._give_up(payload)
            raise
        # What was fetched again while the server was told may be the old value.
        self._relay.apply(payload)
        self._relay.tell(payload, is_delivered=is_delivered)

    def _give_up(self, payload: dict[str, Any]) -> None:
        """Make up later for what was cancelled in the middle: half an invalidation would leave hosts apart."""
        self._shared.link.journal.add(payload)
        self._relay.apply(payload)
        self._relay.tell(payload, is_delivered=False)

    def _send(self, payload: dict[str, Any]) -> Operation[None]:
        """Do on the server what *payload* says.

        Raises:
            UnreachableError: It may not have been done.
        """
        names, space = self._names, payload.get("space", "")
        if "locks" in payload:
            yield Batch(*(release(lock, token) for lock, token in payload["locks"]))
            return
        if "keys" in payload:
            named = [name for key in payload["keys"] if (name := names.value(space, key)) is not None]
            # A change of these keys that was given up may still arrive; from now on it is not stored any more.
            yield from self._unlink([names.fence(space)])
            if named:
                yield from self._bury(space, named, payload["keys"])
            return
        if "pattern" in payload:
            yield from self._scan(space, Glob(payload["pattern"]))
            return
        if payload.get("all"):
            versions = [names.everything]
        elif "tags" in payload:
            versions = [names.tag(tag) for tag in payload["tags"]]
        else:
            versions = [names.space(space)]
        if versions:
            yield from self._unlink(versions, published(self._shared, payload))

    def _unlink(self, names: list[bytes], *told: Command) -> Operation[None]:
        replies = yield Batch(("UNLINK", *names), *told)
        if isinstance(replies[0], Exception):
            raise UnreachableError

    def replay(self) -> Operation[bool]:
        """Make up for what was not delivered, or just see whether the server answers; return whether it did."""
        journal = self._shared.link.journal
        payloads = journal.take()
        left = list(payloads)
        try:
            if not payloads:
                yield Batch(("PING",))
            for payload in payloads:
                yield from self._send(payload)
                left.remove(payload)
        except UnreachableError:
            return False
        finally:
            journal.put_back(left)
            journal.done()
        return True
