"""What to write instead, in SQL and in the words of the ORM."""

from __future__ import annotations

from perfkit.database.patterns.facts import Facts
from perfkit.database.patterns.observed import Relation

__all__ = ["advice", "of_n_plus_one", "of_write_in_loop"]

MOST_SOURCE = 300
"""Characters of FROM and WHERE that are shown in a fix."""


def advice(relation: Relation | None, facts: Facts, column: str) -> str:
    """Return the sentence that says what to do about a loop of queries."""
    if relation is None:
        return f"Load all of them with one query before the loop: WHERE {column or 'id'} IN (…), or a join."
    if relation.orm == "django":
        return f"Add {_django(relation)} to the query of {relation.model}."
    return f"Add .options({_sqlalchemy(relation)}) to the query of {relation.model}."


def of_n_plus_one(relation: Relation | None, facts: Facts, column: str) -> dict[str, str]:
    """Return the fix of a loop of queries by language."""
    table = facts.shape.tables[0]
    key = column or "id"
    if "GROUP" not in facts.shape.text and _aggregates(facts.shape.text):
        sql = f"SELECT {key}, … FROM {table} WHERE {key} IN (…) GROUP BY {key}"
    else:
        sql = f"SELECT …{_joined(facts) or f' FROM {table} WHERE {key} IN (…)'}"
    if relation is not None:
        orm = _django(relation) if relation.orm == "django" else f".options({_sqlalchemy(relation)})"
        return {"sql": sql, relation.orm: orm}
    if key == "id" or not key.endswith("_id"):
        return {
            "sql": sql,
            "django": f".select_related('{_singular(table)}')  # or Model.objects.in_bulk(ids)",
            "sqlalchemy": f".options(joinedload(Model.{_singular(table)}))  # or where(Model.id.in_(ids))",
        }
    return {
        "sql": sql,
        "django": f".prefetch_related('{_plain(table)}_set')  # sums and means: .annotate(…)",
        "sqlalchemy": f".options(selectinload(Model.{_plain(table)}s))  # sums and means: group_by(Model.{key})",
    }


def of_write_in_loop(verb: str, table: str) -> dict[str, str]:
    """Return the fix of a loop of writes by language."""
    match verb:
        case "INSERT" | "REPLACE" | "MERGE":
            return {
                "sql": f"INSERT INTO {table} (…) VALUES (…), (…), (…)",
                "django": "Model.objects.bulk_create(objects)",
                "sqlalchemy": "session.execute(insert(Model), [{…}, {…}])",
            }
        case "UPDATE":
            return {
                "sql": f"UPDATE {table} SET … FROM (VALUES (…), (…)) AS new (id, …) WHERE {table}.id = new.id",
                "django": "Model.objects.bulk_update(objects, ['field'])",
                "sqlalchemy": "session.execute(update(Model), [{'id': …, …}, …])",
            }
        case _:
            return {
                "sql": f"DELETE FROM {table} WHERE id IN (…)",
                "django": "Model.objects.filter(id__in=ids).delete()",
                "sqlalchemy": "session.execute(delete(Model).where(Model.id.in_(ids)))",
            }


def _joined(facts: Facts) -> str:
    """Return FROM and WHERE of a statement over several tables that asks for one value; empty for others."""
    source = facts.source
    if (
        len(facts.shape.tables) < 2
        or source.count("?") != 1
        or not source.endswith(" = ?")
        or len(source) > MOST_SOURCE
    ):
        return ""
    return source.removesuffix("= ?") + "IN (…)"


def _django(relation: Relation) -> str:
    call = "prefetch_related" if relation.is_many else "select_related"
    return f'.{call}("{relation.name}")'


def _sqlalchemy(relation: Relation) -> str:
    return f"{'selectinload' if relation.is_many else 'joinedload'}({relation.model}.{relation.name})"


def _aggregates(text: str) -> bool:
    return any(f"{name}(" in text.partition(" FROM ")[0] for name in ("count", "sum", "avg", "min", "max"))


def _plain(table: str) -> str:
    """Return the name without its schema; of Django's ``app_model`` the model."""
    return table.rpartition(".")[2].rpartition("_")[2]


def _singular(table: str) -> str:
    name = _plain(table)
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name
