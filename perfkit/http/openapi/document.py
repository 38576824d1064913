"""The OpenAPI document of a service: what its settings serve, and nothing else.

Source: OpenAPI Specification 3.1.1. The server of the paths is told relative to the document's own place, so the
document is right behind any prefix that a proxy puts in front.
"""

from __future__ import annotations

from typing import Any

import msgspec

from perfkit.config import PerformanceConfig
from perfkit.http.answers import served
from perfkit.http.openapi.operations import Operation, operations
from perfkit.http.openapi.schemas import Schemas
from perfkit.snapshot import SCHEMA_VERSION

__all__ = ["RESPONSES", "document", "encoded"]

DESCRIPTION = (
    "What perfkit answers itself in an app. Whoever is not allowed gets the app's own 404. Each document has its "
    "`version`: a field may join within a version; one that goes or changes its meaning raises it. "
    f"`Accept: application/json; version={SCHEMA_VERSION}` has a later perfkit answer 406 rather than what the "
    "reader does not know. Times are seconds, sizes bytes, ratios 0 to 1. A parameter of a page that is out of its "
    "bounds counts as unsaid, or as the nearer end."
)


def _text(description: str, **headers: str) -> dict[str, Any]:
    told = {name: {"description": said, "schema": {"type": "string"}} for name, said in headers.items()}
    made: dict[str, Any] = {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {**made, "headers": told} if told else made


RESPONSES: dict[str, dict[str, Any]] = {
    "BadRequest": _text("A sentence that says what is allowed."),
    "Forbidden": _text("The visitor may look but not act, or the form is not from a page of ours; nothing was done."),
    "Gone": _text("The request is not kept (any more), or the visitor is not allowed: then it is the app's own 404."),
    "NoSuchTag": _text("No check has the tag."),
    "NotAcceptable": _text("The reader wants another version of the JSON."),
    "NotModified": {"description": "The reader has it: If-None-Match named the ETag of what would be sent."},
    "TooMany": _text("Too many of these from one address.", **{"retry-after": "Seconds."}),
    "Back": {
        "description": "Done, or not: the page that the form was on says so.",
        "headers": {"location": {"description": "Relative, with ?done=.", "schema": {"type": "string"}}},
    },
}
"""Answers that several operations give."""

SECURITY: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token."},
    "password": {"type": "http", "scheme": "basic", "description": "The token as password, any user."},
    "query": {"type": "apiKey", "in": "query", "name": "t", "description": "The token; swapped for a cookie."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "perfkit-00000000",
        "description": "What ?t= was swapped for; the end of the name is another for each token.",
    },
}


def document(config: PerformanceConfig) -> dict[str, Any]:
    """Return the document of a service with *config*. It takes some 10 ms."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations(config, schemas):
        paths.setdefault(operation.path, {})[operation.method] = _told(operation)
    return {
        "openapi": "3.1.1",
        "info": {"title": "perfkit", "version": str(SCHEMA_VERSION), "description": DESCRIPTION},
        "servers": [{"url": _up(config), "description": "The root of the app, from where this document lies."}],
        "tags": [
            {"name": "dashboard", "description": "What the pages show, as JSON, and what their buttons do."},
            {"name": "metrics", "description": "For scrapers and load balancers."},
            {"name": "health", "description": "For orchestrators and people."},
        ],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": {name: told for name, told in RESPONSES.items() if _is_used(name, paths)},
            "securitySchemes": SECURITY,
        },
    }


def encoded(config: PerformanceConfig) -> bytes:
    """Return the document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(document(config)), indent=1) + b"\n"


def _told(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": list(operation.security),
        "responses": {status: _answer(each) for status, each in sorted(operation.answers.items())},
    }
    if operation.parameters:
        told["parameters"] = list(operation.parameters)
    if operation.form is not None:
        content = {"application/x-www-form-urlencoded": {"schema": operation.form}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _answer(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        return {"$ref": f"#/components/responses/{given}"}
    return {"description": "The answer.", "content": {kind: {"schema": schema} for kind, schema in given.items()}}


def _is_used(name: str, paths: dict[str, dict[str, Any]]) -> bool:
    reference = {"$ref": f"#/components/responses/{name}"}
    return any(reference in each["responses"].values() for methods in paths.values() for each in methods.values())


def _up(config: PerformanceConfig) -> str:
    """Return the way from the document to the root of the app."""
    http = served(config)
    place = f"{http.prefix}{http.dashboard_path or ''}/api/openapi.json"
    return "/".join([".."] * (place.count("/") - 1))
