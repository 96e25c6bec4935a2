"""The OpenAPI document, made from the route table and the wire types: nothing is said twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

import appliance
from appliance.gateway.problems import CONTENT_TYPE, ProblemBody, status_of
from appliance.gateway.route import PREFIX, Route

__all__ = ["codes_of", "document"]

_REF = "#/components/schemas/{name}"
_PATH_NAME = re.compile(r"{(\w+)}")
_SEQ = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}


def codes_of(route: Route) -> set[str]:
    """Every problem code that the route may answer; `internal` aside."""
    codes = {"bad-request", "database-unavailable", *route.errors}
    if route.auth:
        codes |= {"unauthorized", "suspended"}
    if route.request is not None:
        codes |= {"invalid-body", "body-too-large"}
    if _PATH_NAME.search(route.path) or route.request is not None:
        codes.add("not-found")
    if route.idempotent:
        codes.add("idempotency-mismatch")
    return codes


def document(routes: Sequence[Route], server: str) -> dict[str, Any]:
    types = {t for r in routes for t in (r.request, r.answer) if t is not None}
    ordered = sorted(types, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components([*ordered, ProblemBody], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stowbay",
            "version": appliance.__version__,
            "description": "Answers may gain fields; requests with unknown fields are refused. "
            "Every answer carries X-Request-Id.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                str(status): _problem(status)
                for status in sorted({status_of(c) for r in routes for c in codes_of(r)})
            },
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
    }


def _operation(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {str(route.status): _good(route)}
    for status, meaning in route.others:
        responses[str(status)] = {"description": meaning, "headers": _headers(route)}
    for status in sorted({status_of(code) for code in codes_of(route)}):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    operation: dict[str, Any] = {
        "operationId": route.handler.__module__.rpartition(".")[2] + "_" + route.handler.__name__,
        "summary": route.summary,
        "description": "Problem codes: " + ", ".join(sorted(codes_of(route))) + ".",
        "tags": [route.tag],
        "parameters": list(_parameters(route)),
        "responses": responses,
        "security": [{"token": []}] if route.auth else [],
    }
    if route.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(route.request)}},
        }
    return operation


def _parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name in _PATH_NAME.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    fields = {field.encode_name: field for field in msgspec.structs.fields(route.query)}
    for name, schema in _properties(route.query).items():
        yield {
            "name": name,
            "in": "query",
            "required": fields[name].required,
            "schema": _without_null(schema),
        }
    if route.reads:
        yield {
            "name": "Stowbay-Seq",
            "in": "header",
            "required": False,
            "schema": _SEQ,
            "description": "The highest seq of the space that was seen: the answer is no older.",
        }
    if route.idempotent:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
            "description": "The same key with the same request does the work once.",
        }


def _good(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.summary, "headers": _headers(route)}
    if route.answer is not None:
        answer["content"] = {"application/json": {"schema": _ref(route.answer)}}
    return answer


def _headers(route: Route) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"schema": {"type": "string"}}}
    if route.writes:
        headers["Stowbay-Seq"] = {"schema": _SEQ}
    return headers


def _problem(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"schema": {"type": "string"}}}
    if status in (429, 503):
        headers["Retry-After"] = {"schema": {"type": "integer"}, "description": "Seconds."}
    return {
        "description": "A problem; its code says which.",
        "headers": headers,
        "content": {CONTENT_TYPE: {"schema": _ref(ProblemBody)}},
    }


def _properties(kind: type[msgspec.Struct]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([kind], ref_template=_REF)
    properties: dict[str, Any] = components[kind.__name__]["properties"]
    return properties


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is absent or a text, never null."""
    if "anyOf" not in schema:
        return {k: v for k, v in schema.items() if not (k == "default" and v is None)}
    kept = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    assert len(kept) == 1, schema
    return dict(kept[0])


def _ref(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}
