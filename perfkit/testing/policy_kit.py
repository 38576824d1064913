"""The contract of an eviction policy, as tests: inherit `PolicyKit` and say how to make one.

class TestMyPolicy(PolicyKit):
    def make(self, max_size): return MyPolicy(max_size)
"""

from __future__ import annotations

import random

import pytest

from perfkit.cache.entry import Entry
from perfkit.cache.policies.policy import Policy

__all__ = ["PolicyKit"]

SIZE = 40


class PolicyKit:
    """Whatever it chooses by, a policy loses nobody, invents nobody and comes to an end."""

    def make(self, max_size: int) -> Policy:
        """Return a new policy of a cache of *max_size* entries."""
        raise NotImplementedError("A PolicyKit must know its policy. Define make(self, max_size).")

    def hit(self, policy: Policy, entry: Entry) -> None:
        """Use *entry* as a look-up does."""
        entry.hits += 1
        touch = getattr(policy, "touch", None)
        if touch is not None:
            touch(entry)

    def test_an_empty_policy_has_nobody_to_choose(self) -> None:
        with pytest.raises(LookupError):
            self.make(SIZE).remove()

    def test_each_entry_is_chosen_exactly_once(self) -> None:
        policy = self.make(SIZE)
        entries = [Entry(number, number) for number in range(SIZE)]
        for entry in entries:
            policy.add(entry)
        chosen = [policy.remove() for _ in entries]
        assert {id(entry) for entry in chosen} == {id(entry) for entry in entries}
        with pytest.raises(LookupError):
            policy.remove()

    def test_an_entry_that_was_removed_is_not_chosen(self) -> None:
        policy = self.make(SIZE)
        gone, kept = Entry("gone", 1), Entry("kept", 2)
        policy.add(gone)
        policy.add(kept)
        assert policy.remove(gone) is gone
        assert policy.remove() is kept

    def test_whoever_is_removed_is_not_alive(self) -> None:
        policy = self.make(SIZE)
        first, second = Entry("first", 1), Entry("second", 2)
        policy.add(first)
        policy.add(second)
        policy.remove(first)
        policy.remove()
        assert not first.is_alive
        assert not second.is_alive

    def test_a_removed_key_may_come_again(self) -> None:
        policy = self.make(SIZE)
        for _ in range(3):
            entry = Entry("again", 1)
            policy.add(entry)
            assert policy.remove() is entry

    def test_an_eviction_ends_even_if_everybody_is_in_use(self) -> None:
        policy = self.make(1000)
        entries = [Entry(number, number) for number in range(1000)]
        for entry in entries:
            policy.add(entry)
            for _ in range(5):
                self.hit(policy, entry)
        assert policy.remove() in entries

    def test_it_keeps_nobody_alive_who_left_long_ago(self) -> None:
        import gc
        import weakref

        class Value:
            """Something that can be watched."""

        policy = self.make(SIZE)

        def come_and_go(number: int) -> weakref.ref[Value]:
            entry = Entry(number, Value())
            policy.add(entry)
            policy.remove(entry)
            return weakref.ref(entry.value)

        values = [come_and_go(number) for number in range(20 * SIZE)]
        gc.collect()
        assert sum(value() is not None for value in values) <= 4 * SIZE

    @pytest.mark.parametrize("seed", range(20))
    def test_it_agrees_with_a_plain_list_about_who_is_in(self, seed: int) -> None:
        chance, policy = random.Random(seed), self.make(SIZE)
        members: list[Entry] = []
        for number in range(600):
            step = chance.random()
            if step < 0.5 or not members:
                if len(members) == SIZE:
                    members.remove(policy.remove())
                members.append(Entry(chance.randrange(3 * SIZE), number))
                policy.add(members[-1])
            elif step < 0.8:
                self.hit(policy, chance.choice(members))
            elif step < 0.9:
                members.remove(policy.remove())
            else:
                members.remove(policy.remove(chance.choice(members)))
        left = {id(policy.remove()) for _ in range(len(members))}
        assert left == {id(entry) for entry in members}
