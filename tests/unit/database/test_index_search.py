"""The search for indexes: what it asks a planner, what bounds it, and what it makes of constants and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from random import Random

import pytest

from perfkit.database.indexes.candidates import Candidates
from perfkit.database.indexes.costs.selectivity import selectivity, selectivity_of_condition
from perfkit.database.indexes.costs.sizes import distinct_keys, index_bytes
from perfkit.database.indexes.definition import Definition, Key
from perfkit.database.indexes.selection import Selection
from perfkit.database.indexes.statements.demand import EQUAL, FILTER, Access, Demand, Predicate
from perfkit.database.indexes.statements.groups import learn_groups
from perfkit.database.indexes.statements.leading import with_table_first
from perfkit.database.indexes.statements.reading import read_statement
from perfkit.database.schema.catalog import Catalog, Column, ForeignKey, Index, Table
from perfkit.database.schema.sample import PART_ROWS, PARTS, column_of


def key(name: str) -> Key:
    return Key(name, (name,))


def on(*names: str, where: str = "", include: tuple[str, ...] = ()) -> Definition:
    return Definition("t", tuple(map(key, names)), where, include)


class Planner:
    """A planner whose answers are known: each statement costs 1000, less what the best of its indexes saves."""

    verified_by = "planner"

    def __init__(self, savings: Sequence[dict[frozenset[Definition], float]], sizes: dict[Definition, int]) -> None:
        self.calls, self._savings, self._sizes = 0, savings, sizes

    def cost(self, number: int, definitions: frozenset[Definition]) -> float:
        self.calls += 1
        return 1000.0 - max((saved for some, saved in self._savings[number].items() if some <= definitions), default=0)

    def used(self, number: int, definitions: frozenset[Definition]) -> frozenset[Definition]:
        fitting = [(saved, sorted(some)) for some, saved in self._savings[number].items() if some <= definitions]
        return frozenset(max(fitting)[1]) if fitting else frozenset()

    def size(self, definition: Definition) -> int:
        return self._sizes[definition]

    def rows(self, number: int) -> float:
        return 0.0

    def names(self, number: int) -> frozenset[str]:
        return frozenset()


def chosen(
    savings: Sequence[dict[frozenset[Definition], float]],
    sizes: dict[Definition, int],
    budget: int | None = None,
    most_calls: int = 500,
) -> tuple[set[Definition], int]:
    demands = [Demand("", "", 1.0, accesses=[Access("t", "t", 0)]) for _ in savings]
    planner = Planner(savings, sizes)
    lists = [sorted({each for some in mine for each in some}) for mine in savings]
    selection = Selection(demands, lists, planner, most_calls=most_calls, budget=budget)
    return {each.definition for each in selection.choose()}, planner.calls


def alone(**savings: float) -> dict[frozenset[Definition], float]:
    return {frozenset({on(name)}): saved for name, saved in savings.items()}


A, B, C = on("a"), on("b"), on("c")
SIZES = {A: 1_000_000, B: 1_000_000, C: 1_000_000}


def test_little_gain_is_advised_within_a_budget_alone() -> None:
    savings = [alone(a=100.0)]
    assert chosen(savings, SIZES)[0] == set()
    assert chosen(savings, SIZES, budget=2_000_000)[0] == {A}
    assert chosen([alone(a=40.0)], SIZES, budget=2_000_000)[0] == set()


def test_what_two_statements_share_goes_before_what_serves_one_better() -> None:
    savings = [alone(a=500.0, b=700.0), alone(a=500.0, c=700.0)]
    assert chosen(savings, SIZES, budget=1_000_000)[0] == {A}
    assert chosen(savings, SIZES, budget=2_000_000)[0] == {B, C}


def test_what_serves_only_together_is_found_together_or_not_at_all() -> None:
    together = [{frozenset({A, B}): 900.0}]
    assert chosen(together, SIZES)[0] == {A, B}
    assert chosen(together, SIZES, budget=1_500_000)[0] == set()


def test_one_that_does_nearly_as_much_in_less_room_is_taken() -> None:
    wide = on("a", include=("x", "y", "z"))
    sizes = {A: 1_000_000, wide: 9_000_000}
    savings = [{frozenset({A}): 900.0, frozenset({wide}): 915.0}]
    assert chosen(savings, sizes)[0] == {A}


def test_a_small_gain_is_looked_at_again_once_it_is_a_large_part_of_what_is_left() -> None:
    # Alone b saves less than a twentieth of the statement, beside a a third of what is left of it.
    savings = [{frozenset({A}): 850.0, frozenset({B}): 48.0, frozenset({A, B}): 905.0}]
    assert chosen(savings, SIZES, budget=2_000_000)[0] == {A, B}


@pytest.mark.parametrize("most", [10, 40])
def test_questions_are_bounded(most: int) -> None:
    names = [on(name) for name in "abcdefghijklmnop"]
    savings = [{frozenset(pair): 500.0 + at} for at, pair in enumerate(combinations(names, 2))]
    _, calls = chosen(savings, dict.fromkeys(names, 1000), most_calls=most)
    _, free = chosen(savings, dict.fromkeys(names, 1000), most_calls=100_000)
    assert calls < free / 2


def test_the_same_savings_are_found_as_by_trying_everything() -> None:
    names = [on(name) for name in "abcde"]
    sizes = {name: 1_000_000 + 200_000 * at for at, name in enumerate(names)}
    savings = [alone(a=300.0, b=500.0), alone(b=200.0, c=600.0), alone(d=800.0, a=700.0), alone(e=300.0)]

    def worth(some: set[Definition]) -> float:
        planner = Planner(savings, sizes)
        return sum(1000.0 - planner.cost(number, frozenset(some)) for number in range(len(savings)))

    budget = 3_000_000
    everything = [set(some) for size in range(6) for some in combinations(names, size)]
    best = max(worth(some) for some in everything if sum(map(sizes.__getitem__, some)) <= budget)
    found, _ = chosen(savings, sizes, budget=budget)
    assert sum(map(sizes.__getitem__, found)) <= budget
    assert worth(found) >= 0.9 * best


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("SELECT 1 FROM a, t WHERE a.x = t.x", "SELECT 1 FROM t CROSS JOIN a WHERE a.x = t.x"),
        (
            "SELECT 1 FROM a JOIN t ON a.x = t.x LEFT JOIN b ON b.y = a.y WHERE t.z = $1",
            "SELECT 1 FROM t CROSS JOIN a LEFT JOIN b ON b.y = a.y WHERE t.z = $1 AND a.x = t.x",
        ),
        ("SELECT 1 FROM a CROSS JOIN T AS other", "SELECT 1 FROM T AS other CROSS JOIN a"),
        ("SELECT 1 FROM t, a", None),
        ("SELECT 1 FROM a LEFT JOIN t ON a.x = t.x", None),
        ("SELECT 1 FROM a NATURAL JOIN t", None),
        ("SELECT 1 FROM a JOIN t USING (x)", None),
        ("SELECT 1 FROM a, LATERAL (SELECT 1) l, t", None),
        ("SELECT 1 FROM a WHERE EXISTS (SELECT 1 FROM t)", None),
        ("SELECT 1 UNION SELECT 2", None),
    ],
)
def test_a_table_is_put_first_where_the_answer_stays_the_same(sql: str, first: str | None) -> None:
    assert with_table_first(sql, "t") == first


def test_constants_of_a_padded_type_are_known_by_their_letters() -> None:
    common = {"OPEN      ": 0.25, "DONE      ": 0.75}
    column = Column(name="state", type="character(10)", distinct=2, common=common, has_statistics=True)
    table = Table(name="t", rows=1000, columns={"state": column})
    assert selectivity(table, Predicate("state", EQUAL, ("state",), "OPEN")) == 0.25
    assert selectivity_of_condition(table, "state = 'OPEN'") == 0.25


def test_the_rows_of_a_list_and_of_several_constants_are_counted() -> None:
    common = {"a": 0.1, "b": 0.05, "c": 0.85}
    column = Column(name="state", type="text", distinct=3, common=common, has_statistics=True)
    flag = Column(name="done", type="boolean", distinct=2, common={"t": 0.9, "f": 0.1}, has_statistics=True)
    table = Table(name="t", rows=1000, columns={"state": column, "done": flag})
    assert selectivity_of_condition(table, "state IN ('a', 'b')") == pytest.approx(0.15)
    assert selectivity_of_condition(table, "\"state\" IN ('a', 'b') AND \"state\" = 'b'") == pytest.approx(0.0075)
    assert selectivity_of_condition(table, "NOT done AND state IN ('a', 'b')") == pytest.approx(0.015)


def catalog(**groups: object) -> Catalog:
    pairs = Table(
        name="pairs",
        rows=8_000,
        columns={name: Column(name=name) for name in ("one", "other")},
        indexes=(Index(name="pk", table="pairs", keys=("one", "other"), is_unique=True),),
    )
    names = {"a": 2_000.0, "b": 1_000.0, "c": 9.0}
    columns = {
        name: Column(name=name, type="integer", distinct=distinct, width=4.0, has_statistics=True)
        for name, distinct in names.items()
    }
    return Catalog("postgresql", [pairs, Table(name="t", rows=600_000, pages=9_000, columns=columns, **groups)])  # type: ignore[arg-type] # the test's own words


def test_columns_that_point_to_a_row_elsewhere_have_no_more_values_than_it_has_rows() -> None:
    keys = (key("a"), key("b"))
    free = catalog()
    table = free.table("t")
    assert table is not None
    assert distinct_keys(table, keys, table.rows) > 400_000
    before = index_bytes(table, Definition("t", keys), "postgresql")
    learn_groups(free, [read_statement("SELECT c FROM t JOIN pairs ON one = a AND other = b", 1, free)])
    table = free.table("t")
    assert table is not None
    assert table.groups == {frozenset({"a", "b"}): 8_000}
    assert distinct_keys(table, keys, table.rows) == pytest.approx(8_000)
    assert distinct_keys(table, (*keys, key("c")), table.rows) == pytest.approx(72_000, rel=0.01)
    assert index_bytes(table, Definition("t", keys), "postgresql") < 0.5 * before
    declared = catalog(foreign_keys=(ForeignKey(columns=("a", "b"), target="pairs"),))
    learn_groups(declared, [])
    assert declared.tables["t"].groups == {frozenset({"a", "b"}): 8_000}


def test_a_part_of_a_unique_key_tells_nothing_of_a_group() -> None:
    free = catalog()
    learn_groups(free, [read_statement("SELECT c FROM t JOIN pairs ON one = a WHERE other = 3", 1, free)])
    assert free.tables["t"].groups == {}


def test_two_columns_of_one_row_compared_are_no_range_to_look_up() -> None:
    [access] = read_statement("SELECT 1 FROM t WHERE a < b AND c = 3", 1, catalog()).accesses
    assert [(each.key, each.kind) for each in access.predicates] == [("a", FILTER), ("c", EQUAL)]


@pytest.mark.parametrize(
    ("sql", "conditions"),
    [
        ("SELECT a FROM t WHERE c IN (1, 2) AND b > 5", {"c IN (1, 2)"}),
        ("SELECT a FROM t WHERE c = 1 AND a = 2 AND b > 5", {"c = 1"}),
        ("SELECT a FROM t WHERE c = $1 AND b > 5", set()),
        ("SELECT a FROM t WHERE c IN (1, 2, 3, 4, 5, 6) AND b > 5", set()),
    ],
)
def test_partial_indexes_are_thought_of_for_rare_constants_alone(sql: str, conditions: set[str]) -> None:
    tables = catalog()
    demand = read_statement(sql, 1, tables)
    assert {each.where for each in Candidates(tables, [demand]).of(demand) if each.where} == conditions


@pytest.mark.parametrize(
    ("values", "distinct"),
    [
        ([row // 13 for row in range(40_000)], 40_000 / 13),  # neighbours are alike
        ([Random(row).randrange(3000) for row in range(40_000)], 3000),
        ([row % 60 for row in range(40_000)], 60),
        (list(range(40_000)), 40_000),
        ([row // 1000 for row in range(40_000)], 40),  # longer than a place
    ],
)
def test_neighbours_that_are_alike_do_not_hide_how_many_values_there_are(values: list[int], distinct: float) -> None:
    step = len(values) // PARTS
    sample = [value for part in range(PARTS) for value in values[part * step : part * step + PART_ROWS]]
    column = column_of("a", "integer", sample, len(values))
    assert column.distinct == pytest.approx(distinct, rel=0.15)


def test_a_value_that_was_seen_at_one_place_alone_is_not_called_common() -> None:
    values = [row // 13 for row in range(40_000)]
    step = len(values) // PARTS
    sample = [value for part in range(PARTS) for value in values[part * step : part * step + PART_ROWS]]
    assert column_of("a", "integer", sample, len(values)).common == {}
    assert column_of("a", "integer", [1] * 90 + [2] * 10, 100).common == {"1": 0.9, "2": 0.1}


def test_the_first_rows_alone_tell_as_much_of_neighbours_that_are_alike() -> None:
    values = [row // 13 for row in range(40_000)]
    assert column_of("a", "integer", values[: PARTS * PART_ROWS], 40_000).distinct == pytest.approx(3077, rel=0.15)
