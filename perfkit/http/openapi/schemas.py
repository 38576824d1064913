"""JSON schemas of what our paths answer, made from the types that they encode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict, get_type_hints

import msgspec

from perfkit.core.status import Status
from perfkit.dashboard import PAGES, Done, Entry
from perfkit.dashboard.documents import contract
from perfkit.health.snapshot import HealthSnapshot
from perfkit.http.recording.answers import UNTOLD, KeptKind
from perfkit.metrics.exposition.structured import FamilyDocument
from perfkit.recorder.kept import KeptExchange
from perfkit.schema import schemas_of

__all__ = ["Schema", "Schemas"]

Schema: TypeAlias = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"


class StatusWord(TypedDict):
    """What health says to everybody: one word, and nothing else."""

    status: Status


class DrainWord(TypedDict):
    """What all workers were told: ``draining`` or ``serving``."""

    status: str


class About(TypedDict):
    """Whose health it is."""

    service: str
    release: str | None


class KeptList(TypedDict):
    """Kept requests, the newest first, without what only one of them by itself has."""

    version: int
    requests: list[KeptShort]  # type: ignore[valid-type]  # made from the fields of another


class KeptOne(TypedDict):
    """One kept request, whole."""

    version: int
    request: KeptExchange


KeptShort = msgspec.defstruct(
    "KeptShort",
    [
        *((name, hint) for name, hint in get_type_hints(KeptExchange).items() if name not in UNTOLD),
        ("kinds", dict[str, KeptKind]),
    ],
    namespace={"__doc__": "A kept request in short; `kinds` has the number and the seconds of its spans by kind."},
)


class Schemas:
    """All schemas that the document needs: asked for by what they describe.

    Attributes:
        components: By its name each schema that others refer to.
    """

    def __init__(self) -> None:
        """Make all of them."""
        self._pages = {entry.name: _document_type(entry) for entry in PAGES if entry.has_document}
        fixed: Mapping[str, Any] = {
            "status": StatusWord,
            "drain": DrainWord,
            "about": About,
            "health": HealthSnapshot,
            "metrics": list[FamilyDocument],
            "load": dict[str, float | dict[str, float]],
            "requests": KeptList,
            "request": KeptOne,
            "done": Done,
            "envelope": contract.Envelope,
            "absent": contract.AbsentDocument,
        }
        found, self.components = schemas_of(*fixed.values(), *self._pages.values(), reference=REFERENCE)
        self._fixed = dict(zip(fixed, found, strict=False))
        envelope = self.components.pop("Envelope")
        for name in ("AbsentDocument", *(each.__name__ for each in self._pages.values())):
            self.components[name] = _joined(envelope, self.components[name])
        about = self.components.pop("About")
        self.components["HealthDetails"] = _joined(about, self.components["HealthSnapshot"])

    def of(self, what: str) -> Schema:
        """Return the schema of one of the answers that are no page's."""
        return self._fixed[what]

    def of_page(self, entry: Entry) -> Schema:
        """Return the schema of the JSON of a page."""
        own = _referred(self._pages[entry.name].__name__)
        return {"anyOf": [own, _referred("AbsentDocument")]} if entry.component else own

    @property
    def health_details(self) -> Schema:
        """What health says to those allowed."""
        return _referred("HealthDetails")


def _document_type(entry: Entry) -> type:
    """Return what the page says that its JSON is."""
    found: type = get_type_hints(entry.load().document, localns=vars(contract))["return"]
    return found


def _referred(name: str) -> Schema:
    return {"$ref": REFERENCE.format(name=name)}


def _joined(first: Schema, second: Schema) -> Schema:
    """Return the object that has the fields of both; its words are those of the second."""
    return {
        **second,
        "properties": {**first["properties"], **second["properties"]},
        "required": [*first["required"], *second["required"]],
    }
