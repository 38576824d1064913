"""What can be asked of our paths, one operation each: its parameters with their bounds, and all that it may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from perfkit.config import PerformanceConfig
from perfkit.dashboard import ACTIONS, PAGES, Action, Entry
from perfkit.dashboard.parameters import Choice, Decimal, Number, Parameter, Text
from perfkit.http.answers import served
from perfkit.http.dashboard.actions import ACTION_HEADER, are_enabled
from perfkit.http.health import HEALTH_JSON, MOST_TAGS
from perfkit.http.negotiate import MAX_NAMES
from perfkit.http.openapi.schemas import Schema, Schemas
from perfkit.http.recording.answers import LONGEST_ROUTE, LONGEST_WAIT, MOST_LISTED
from perfkit.metrics.exposition import Format
from perfkit.metrics.exposition.formats import content_type
from perfkit.recorder.kept import REASONS

__all__ = ["ALLOWED", "Operation", "operations"]

JSON = "application/json"

Security: TypeAlias = tuple[Mapping[str, list[str]], ...]

ALLOWED: Security = ({"bearer": []}, {"password": []}, {"query": []}, {"cookie": []})
"""Any of these opens, and so may the app's own access function and, in development, this very machine."""

EVERYBODY: Security = ({}, *ALLOWED)

SCRAPERS: Security = ALLOWED[:3]


PROBES = {
    "live": "Is this process to be kept",
    "ready": "May it get requests",
    "startup": "Is its start over",
}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path.

    Attributes:
        name: Its `operationId`.
        summary: What it does, in a few words.
        answers: Status → media type → schema; a name of `document.RESPONSES` for an answer that many give.
        form: The schema of the form that it takes; None for none.
        security: Who is answered.
    """

    path: str
    method: str = "get"
    name: str
    tag: str
    summary: str
    answers: Mapping[str, Mapping[str, Schema] | str]
    parameters: Sequence[Schema] = ()
    form: Schema | None = None
    security: Security = ALLOWED


def operations(config: PerformanceConfig, schemas: Schemas) -> Iterator[Operation]:
    """Yield all operations of a service with *config*."""
    http = served(config)
    prefix = http.prefix
    if http.dashboard_path is not None:
        mount = f"{prefix}{http.dashboard_path}"
        yield from _pages(mount, schemas)
        if config.recorder.enabled:
            yield from _kept(mount, schemas)
        if are_enabled(config):
            yield _act(mount, schemas)
        yield Operation(
            path=f"{mount}/api/openapi.json",
            name="openapi",
            tag="dashboard",
            summary="This document",
            answers={"200": {JSON: {"type": "object"}}, "304": "NotModified"},
        )
    if http.metrics_path is not None:
        yield _metrics(f"{prefix}{http.metrics_path}", schemas)
    if http.load_path is not None:
        yield Operation(
            path=f"{prefix}{http.load_path}",
            name="load",
            tag="metrics",
            summary="The load of this service, an ORCA report",
            answers={"200": {JSON: schemas.of("load")}},
            security=SCRAPERS,
        )
    if http.health_path is not None:
        yield from _health(f"{prefix}{http.health_path}", schemas)


def _pages(mount: str, schemas: Schemas) -> Iterator[Operation]:
    for entry in PAGES:
        if entry.has_document:
            yield Operation(
                path=entry.document_path(mount),
                name=f"page-{entry.name or 'overview'}",
                tag="dashboard",
                summary=_summary(entry),
                parameters=[_parameter(name, each) for name, each in entry.load().parameters.items()],
                answers={
                    "200": {JSON: schemas.of_page(entry)},
                    "304": "NotModified",
                    "406": "NotAcceptable",
                    "429": "TooMany",
                },
            )


def _summary(entry: Entry) -> str:
    page = entry.title or f"one {entry.name}"
    return f"The JSON of the page {page!r}" if entry.title else f"The JSON of the page of {page}"


def _parameter(name: str, parameter: Parameter) -> Schema:
    """Return one parameter of a query; what is outside of its bounds counts as unsaid, or as the nearer end."""
    return {"name": name, "in": "query", "required": False, "schema": _bounds(parameter)}


def _bounds(parameter: Parameter) -> Schema:
    if isinstance(parameter, Choice):
        return {"type": "string", "enum": list(parameter.words), "default": parameter.default}
    if isinstance(parameter, Number | Decimal):
        return {
            "type": "integer" if isinstance(parameter, Number) else "number",
            "minimum": parameter.least,
            "maximum": parameter.most,
            "default": parameter.default,
        }
    assert isinstance(parameter, Text)
    return {"type": "string", "maxLength": parameter.longest, "default": parameter.default}


def _kept(mount: str, schemas: Schemas) -> Iterator[Operation]:
    common = {"400": "BadRequest", "406": "NotAcceptable", "429": "TooMany"}
    wait: Schema = {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT}
    moment: Schema = {"type": "number", "minimum": 0}
    yield Operation(
        path=f"{mount}/api/requests",
        name="requests",
        tag="dashboard",
        summary="Kept requests, the newest first, of all workers",
        parameters=[
            _query("route", {"type": "string", "maxLength": LONGEST_ROUTE}, "A template, or its method in front"),
            _query("status", {"type": "string", "pattern": "^([1-5]([0-9][0-9]|xx)|0)$"}, "A status, or a class: 5xx"),
            _query("reason", {"type": "string", "enum": list(REASONS)}, "Why it was kept"),
            _query("min_seconds", {**wait, "default": 0}, "Or longer"),
            _query("max_seconds", wait, "Or shorter"),
            _query("from", moment, "Unix seconds: those that ended after it"),
            _query("to", moment, "Unix seconds: those that ended then or before"),
            _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": 100}, "At most"),
        ],
        answers={"200": {JSON: schemas.of("requests")}, **common},
    )
    yield Operation(
        path=f"{mount}/api/request",
        name="request",
        tag="dashboard",
        summary="One kept request, whole",
        parameters=[{**_query("id", {"type": "string", "pattern": "^[0-9a-f]{16}$"}, "Its id"), "required": True}],
        answers={"200": {JSON: schemas.of("request")}, "404": "Gone", **common},
    )


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _act(mount: str, schemas: Schemas) -> Operation:
    return Operation(
        path=f"{mount}/act",
        method="post",
        name="act",
        tag="dashboard",
        summary="Do what a button of the dashboard does",
        parameters=[
            {
                "name": ACTION_HEADER,
                "in": "header",
                "required": False,
                "description": "1: answer with JSON, not by sending on to the page.",
                "schema": {"type": "string", "enum": ["1"]},
            },
            {
                "name": "sec-fetch-site",
                "in": "header",
                "required": False,
                "description": "Browsers say it by themselves; without it Origin must name the host.",
                "schema": {"type": "string", "enum": ["same-origin"]},
            },
        ],
        form={"oneOf": [_action_form(word, action) for word, action in ACTIONS.items()]},
        answers={
            "200": {JSON: schemas.of("done")},
            "303": "Back",
            "400": "BadRequest",
            "403": "Forbidden",
            "409": {JSON: schemas.of("done")},
            "429": "TooMany",
        },
    )


def _action_form(word: str, action: Action) -> Schema:
    token = {"type": "string", "description": "From the form of a page", "pattern": "^[0-9a-f]{64}$"}
    properties: dict[str, Any] = {"do": {"const": word}, "token": token, "back": {"type": "string", "maxLength": 2000}}
    properties |= {name: _bounds(each) for name, each in action.fields.items()}
    return {"type": "object", "title": word, "required": ["do", "token"], "properties": properties}


def _metrics(path: str, schemas: Schemas) -> Operation:
    kinds: dict[str, Schema] = {content_type(each).partition(";")[0]: {"type": "string"} for each in Format}
    names = {"type": "array", "items": {"type": "string"}, "maxItems": MAX_NAMES}
    return Operation(
        path=path,
        name="metrics",
        tag="metrics",
        summary="All metrics of all workers",
        parameters=[
            _query("format", {"type": "string", "enum": [str(each) for each in Format]}, "Wins over Accept"),
            {**_query("name[]", names, "Only these metrics"), "explode": True, "style": "form"},
        ],
        answers={"200": {**kinds, JSON: schemas.of("metrics")}, "400": "BadRequest"},
        security=SCRAPERS,
    )


def _health(mount: str, schemas: Schemas) -> Iterator[Operation]:
    word, standard = schemas.of("status"), {"type": "object"}
    told: Callable[[Schema], dict[str, Schema]] = lambda schema: {JSON: schema, HEALTH_JSON: standard}  # noqa: E731
    both = told({"anyOf": [schemas.health_details, word]})
    tags = {"type": "array", "items": {"type": "string"}, "maxItems": MOST_TAGS}
    yield Operation(
        path=mount,
        name="health",
        tag="health",
        summary="How the service is: a word for everybody, details for those allowed",
        parameters=[{**_query("tag", tags, "For those allowed: only checks with a tag"), "explode": True}],
        answers={"200": both, "404": "NoSuchTag", "503": both},
        security=EVERYBODY,
    )
    for name, said in PROBES.items():
        yield Operation(
            path=f"{mount}/{name}",
            name=f"health-{name}",
            tag="health",
            summary=said,
            answers={"200": told(word), "503": told(word)},
            security=({},),
        )
    for method, name, said in (("post", "drain", "Say not ready, in all workers"), ("delete", "resume", "End that")):
        yield Operation(
            path=f"{mount}/drain",
            method=method,
            name=name,
            tag="health",
            summary=said,
            parameters=[
                {
                    "name": "x-perfkit-command",
                    "in": "header",
                    "required": True,
                    "description": "Any value: no page of another site can send it.",
                    "schema": {"type": "string"},
                }
            ],
            answers={"202": {JSON: schemas.of("drain")}},
        )
