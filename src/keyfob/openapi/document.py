"""The OpenAPI document of the routes, with the refusals that all of them share."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from keyfob.core.forms import FORM
from keyfob.core.http.kept import Kept
from keyfob.core.http.problems import (
    OAUTH,
    PROBLEM_JSON,
    describe,
    oauth_error_of_status,
    refusals_of,
)
from keyfob.core.problems import (
    BadRequest,
    BodyTooLarge,
    DatabaseUnavailable,
    InvalidInput,
    OAuthError,
    Problem,
    Unavailable,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from keyfob.limits.requests import Limited
from keyfob.openapi.portable import make_portable
from keyfob.own_account.export_models import ExportOut
from keyfob.settings import Settings

_DESCRIPTION = """
Authentication and user management for teams that run several services.

Sign in with `POST /login`, call with `Authorization: Bearer <access_token>`, and exchange the
refresh token with `POST /refresh` when the access token has expired. On this page, a sign-in that
you try authorises the calls after it; the **Authorize** button takes any access token.

Every refusal is an RFC 9457 problem with a stable `code`. Each path is served with and without the
prefix; a trailing slash is accepted.
"""

_PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": "A refusal (RFC 9457). Rely on `code`; `title` may be reworded.",
    "type": "object",
    "required": ["type", "title", "status", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "reason": {"description": "For `weak_password`: the reason", "type": "string"},
        "token": {
            "description": "For `password_change_required`: the token for /recover/confirm",
            "type": "string",
        },
        "mfa_token": {
            "description": "For `mfa_required`: the token for /login/mfa",
            "type": "string",
        },
        "expires_in": {
            "description": "For `mfa_required`: seconds until the token expires",
            "type": "integer",
        },
        "factors": {
            "description": "For `mfa_required`: the factors that may be presented",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "type", "name"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "type": {"enum": ["totp", "passkey"]},
                    "name": {"type": "string"},
                },
            },
        },
        "max_age": {
            "description": "For `insufficient_user_authentication`: seconds (RFC 9470)",
            "type": "integer",
        },
        "acr_values": {
            "description": "For `insufficient_user_authentication`: the needed `acr`",
            "type": "string",
        },
        "errors": {
            "description": "For 422: the invalid parts, without repeating them",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}

_OAUTH_ERROR_SCHEMA = {
    "title": "OAuthError",
    "description": "A refusal of a call of OAuth (RFC 6749 section 5.2). Rely on `error`.",
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}

_HEADERS = {
    "X-Request-ID": "The id of the request, also in the log",
    "WWW-Authenticate": "How to authenticate (RFC 6750)",
    "Retry-After": "Seconds to wait",
    "Link": "The next page (RFC 8288); absent on the last one",
    "RateLimit": "The rest of each limit, and its duration; absent if limits are off",
    "RateLimit-Policy": "The limits that apply to the caller; absent if limits are off",
}
_RATE = ("RateLimit", "RateLimit-Policy")
_ON_STATUS = {
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After", *_RATE),
    "503": ("Retry-After",),
}


def describe_api(app: FastAPI, settings: Settings) -> None:
    """Make the app serve our schema, built once, in a thread, since it takes a while."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_schema(app, settings)
        return app.openapi_schema

    def in_bytes() -> bytes:
        return json.dumps(schema(), ensure_ascii=False, separators=(",", ":")).encode()

    app.openapi = schema  # type: ignore[method-assign] # FastAPI's documented way
    if settings.openapi:
        kept = Kept(in_bytes, "application/json", "no-cache")
        app.add_api_route("/openapi.json", kept.answer, include_in_schema=False)


def build_schema(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    schema = get_openapi(
        title=app.title,
        version=app.version,
        summary="Self-hosted authentication",
        description=_DESCRIPTION,
        routes=app.routes,
        servers=[{"url": settings.root_path or "/"}],
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    depended_on = _dependencies_of(app)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, depended_on[method.upper(), path])
    components = schema["components"]
    components["schemas"] = {**_export_schemas(), **components["schemas"]}
    components["schemas"]["Problem"] = _PROBLEM_SCHEMA
    components["schemas"]["OAuthError"] = _OAUTH_ERROR_SCHEMA
    components["headers"] = {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in _HEADERS.items()
    }
    make_portable(schema)
    _drop_unused(schema)
    return schema


def _complete(operation: dict[str, Any], path: str, depends_on: Iterable[object]) -> None:
    """Add to an operation what it shares with others: refusals, and headers of its answers."""
    for dependency in depends_on:
        _add_refusals(operation, *refusals_of(dependency))
        if isinstance(dependency, Limited):
            operation["responses"]["429"]["description"] += f". {dependency.in_words}"
    _add_shared_refusals(operation)
    if path.startswith(OAUTH):
        _tell_as_oauth(operation)
    _add_headers(operation)


def _dependencies_of(app: FastAPI) -> dict[tuple[str, str], list[object]]:
    """Return the direct and indirect dependencies of each route."""
    return {
        (method, route.path_format): list(_walk(route.dependant))
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def _walk(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _walk(inner)


def _export_schemas() -> dict[str, Any]:
    """Return the schema of the response of /me/export, which the app has no model of."""
    schema = ExportOut.model_json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    return {**schema.pop("$defs"), "ExportOut": schema}


def _add_shared_refusals(operation: dict[str, Any]) -> None:
    """Add the refusals of the edge, which any request may get, to the route's own."""
    responses = operation["responses"]
    has_body = "requestBody" in operation
    away = Unavailable if "Service" in operation["tags"] else DatabaseUnavailable
    shared: list[type[Problem]] = [BadRequest, away]
    if has_body:
        shared += [BodyTooLarge, UnsupportedEncoding]
    if has_body and FORM not in operation["requestBody"]["content"]:
        shared += [UnsupportedMediaType, InvalidInput]
    if operation.get("parameters"):
        shared.append(InvalidInput)
    _add_refusals(operation, *shared)
    operation["responses"] = dict(sorted(responses.items()))


def _add_refusals(operation: dict[str, Any], *problems: type[Problem]) -> None:
    responses = operation["responses"]
    for problem in problems:
        status = str(problem.status)
        ours = describe([problem])
        given = responses.get(status)
        if given is None or PROBLEM_JSON not in given.get("content", {}):
            if given is None or status == "422":
                responses[status] = ours
            continue
        examples = given["content"][PROBLEM_JSON]["examples"]
        if problem.code not in examples:
            examples.update(ours["content"][PROBLEM_JSON]["examples"])
            given["description"] += "; " + ours["description"]


def _tell_as_oauth(operation: dict[str, Any]) -> None:
    """Describe the refusals of a call of OAuth in the form that they have there."""
    named = {kind.code for kind in OAuthError.__subclasses__()}
    for status, response in operation["responses"].items():
        told = response.get("content", {}).pop(PROBLEM_JSON, None)
        if told is None:
            continue
        by_status = oauth_error_of_status(int(status))
        examples = {
            code: {
                "summary": example["summary"],
                "value": {
                    "error": code if code in named else by_status,
                    "error_description": example["summary"],
                },
            }
            for code, example in told["examples"].items()
        }
        schema = {"$ref": "#/components/schemas/OAuthError"}
        response["content"]["application/json"] = {"schema": schema, "examples": examples}


def _add_headers(operation: dict[str, Any]) -> None:
    limited = "429" in operation["responses"]
    paged = any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ()))
    for status, response in operation["responses"].items():
        names = ["X-Request-ID", *_ON_STATUS.get(status, ())]
        if status.startswith("2"):
            names += [*(_RATE if limited else ()), *(["Link"] if paged else ())]
        ours = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        response["headers"] = {**response.get("headers", {}), **ours}


def _drop_unused(schema: dict[str, Any]) -> None:
    """Remove schemas that nothing refers to: FastAPI's own errors, and our inner types."""
    schemas = schema["components"]["schemas"]
    text = json.dumps(schema)
    while unused := [name for name in schemas if f'"#/components/schemas/{name}"' not in text]:
        for name in unused:
            del schemas[name]
        text = json.dumps(schema)
