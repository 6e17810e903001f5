"""OpenAPI: what the code says, with the refusals that every route shares."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from keyfob.core.http.problems import PROBLEM_JSON, describe
from keyfob.core.problems import (
    BadRequest,
    BodyTooLarge,
    DatabaseUnavailable,
    InvalidInput,
    Problem,
    TooManyRequests,
    UnsupportedMediaType,
)
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
        "errors": {
            "description": "For 422: what does not fit, without repeating it",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}

_SHARED: list[type[Problem]] = [BadRequest, InvalidInput, DatabaseUnavailable]
_WITH_BODY: list[type[Problem]] = [BodyTooLarge, UnsupportedMediaType]


def describe_api(app: FastAPI, settings: Settings) -> None:
    """Let the app answer with our schema, made once."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_schema(app, settings)
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign] # FastAPI's documented way


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
    for operations in schema["paths"].values():
        for operation in operations.values():
            _complete(operation)
    parts = schema.setdefault("components", {}).setdefault("schemas", {})
    parts["Problem"] = _PROBLEM_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):
        parts.pop(unused, None)
    schemes = schema["components"].setdefault("securitySchemes", {})
    schemes.setdefault("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    return schema


def _complete(operation: dict[str, Any]) -> None:
    """Add the refusals that the edge may give to any request, merged with the route's own."""
    responses = operation["responses"]
    shared = _SHARED + (_WITH_BODY if "requestBody" in operation else [])
    if "429" in responses or "Service" not in operation.get("tags", []):
        shared = [*shared, TooManyRequests]
    for problem in shared:
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
    operation["responses"] = dict(sorted(responses.items()))
