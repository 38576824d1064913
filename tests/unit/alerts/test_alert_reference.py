"""The reference page of alerts says what the structs say."""

from __future__ import annotations

import re
from types import FunctionType

import msgspec
import pytest
from doc_pages import rows, section, text

from perfkit.alerts import AlertManager, Route, Rule, Slo
from perfkit.alerts.alert import AlertState
from perfkit.alerts.delivery.factory import SPECS
from perfkit.alerts.rules.slo import SPENDINGS, factor
from perfkit.core.component import Component

PAGE = text("docs/reference/alerts.md")


def first_cells(heading: str, table: int = 0) -> list[str]:
    """Return the first cells of one table below *heading*."""
    tables = [part for part in section(PAGE, heading).split("\n\n") if part.lstrip().startswith("|")]
    return [row[0].strip("`") for row in rows(tables[table])]


@pytest.mark.parametrize(
    ("kind", "heading", "table"),
    [(Rule, "## Fields of a rule", 0), (Slo, "## Fields of an objective", 0), (Route, "## Fields of a receiver", 1)],
)
def test_every_field_is_documented_and_nothing_else(kind: type[msgspec.Struct], heading: str, table: int) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(kind)}
    assert set(first_cells(heading, table)) == fields


def test_every_type_of_receiver_is_documented_with_its_fields() -> None:
    table = rows(section(PAGE, "## Fields of a receiver").partition("\n\n| field")[0])
    said = {row[0].strip("`"): row[1] for row in table}
    assert set(said) == set(SPECS)
    for kind, (spec, _) in SPECS.items():
        for field in spec.__struct_fields__:
            assert f"`{field}`" in said[kind]


def test_the_states_are_documented() -> None:
    assert first_cells("## States") == [str(state) for state in AlertState]


def test_the_table_of_burn_rates_is_the_one_in_force() -> None:
    said = [
        (row[0], float(row[3]), row[4]) for row in rows(section(PAGE, "## Fields of an objective")) if len(row) == 5
    ]
    month = 30 * 86_400.0
    assert said == [
        (f"{each.spent * 100:g} %", pytest.approx(factor(each, month)), str(each.severity)) for each in SPENDINGS
    ]


def test_every_call_of_the_manager_exists() -> None:
    named = {call for cell in first_cells("## Calls of the manager") for call in re.findall(r"(?:^|`)(\w+)\(", cell)}
    public = {
        name
        for name, value in vars(AlertManager).items()
        if isinstance(value, FunctionType) and not name.startswith("_") and name not in vars(Component)
    }
    assert named == public


def test_every_finding_is_documented() -> None:
    import inspect

    from perfkit.alerts import troubles

    source = inspect.getsource(troubles)
    for code, kind, _ in rows(section(PAGE, "## Findings")):
        assert f'code="{code}"' in source
        assert f"kind={kind.replace('`', chr(34))}" in source
    assert source.count('code="') == len(rows(section(PAGE, "## Findings")))
