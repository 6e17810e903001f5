"""Refusals as responses: RFC 9457 `application/problem+json`, and their place in OpenAPI."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from keyfob.core.problems import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    OAuthError,
    Problem,
)
from keyfob.core.telemetry import current_request_id

PROBLEM_JSON = "application/problem+json"

# Below this, requests and refusals have the form of RFC 6749.
OAUTH = "/oauth2/"
_OAUTH_BY_STATUS = {
    401: "invalid_token",  # RFC 6750 section 3.1, of an access token
    429: "temporarily_unavailable",
    500: "server_error",
    503: "temporarily_unavailable",
}
# RFC 6749 section 5.2 allows no others in a description.
_NOT_IN_A_DESCRIPTION = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")

F = TypeVar("F", bound=Callable[..., Any])

# Replaces messages of Pydantic that repeat part of the input, or name a class of ours.
_DETAILS = {
    "model_attributes_type": "Input should be an object",
    "model_type": "Input should be an object",
    "uuid_parsing": "Input should be a valid UUID",
}

_UNKNOWN = "There is a field that does not belong here"

# A name that programs give to a field, and not a password or a token sent in its place.
_PLAIN_NAME = re.compile(r"[a-z]{1,15}(_[a-z]{1,15}){0,2}|[a-z]{1,15}([A-Z][a-z]{1,15}){0,2}")
_MOST_NAMED = 3

_BY_STATUS: dict[int, type[Problem]] = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
}


def answer_for(problem: Problem, scope: Scope) -> Response:
    """Return the response for a refusal of a request, in the form that its path asks for."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if path.startswith(OAUTH):
        return _render_oauth(problem)
    answer = render_problem(problem)
    if problem.names_resource:
        challenge = answer.headers["WWW-Authenticate"]
        told = f'resource_metadata="{scope["app"].state.resource_metadata}"'
        comma = "," if "=" in challenge else ""  # RFC 9110 section 11.6.1
        answer.headers["WWW-Authenticate"] = f"{challenge}{comma} {told}"
    return answer


def oauth_error_of_status(status: int) -> str:
    """Return the `error` of a refusal that OAuth does not name (RFC 6749 section 5.2)."""
    return _OAUTH_BY_STATUS.get(status, OAuthError.code)


def _render_oauth(problem: Problem) -> Response:
    is_named = isinstance(problem, OAuthError)
    document = {
        "error": problem.code if is_named else oauth_error_of_status(problem.status),
        "error_description": _NOT_IN_A_DESCRIPTION.sub("'", problem.detail or problem.title),
    }
    return Response(
        json.dumps(document).encode(),
        status_code=problem.status,
        headers={"Cache-Control": "no-store", **problem.headers},
        media_type="application/json",
    )


def render_problem(problem: Problem) -> Response:
    """Return the response for a refusal, in the form of RFC 9457."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "request_id": current_request_id(),
    }
    if problem.detail:
        document["detail"] = problem.detail
    document.update(problem.extra)
    return Response(
        json.dumps(document, ensure_ascii=False).encode(errors="replace"),
        status_code=problem.status,
        headers=problem.headers,
        media_type=PROBLEM_JSON,
    )


async def on_problem(request: Request, problem: Exception) -> Response:
    """Answer a refusal that a route raised; the edge sees the reason in the scope."""
    if not isinstance(problem, Problem):
        raise problem
    request.scope["problem"] = problem
    return answer_for(problem, request.scope)


async def on_http_exception(request: Request, fault: Exception) -> Response:
    """Answer what the router refuses by itself: unknown path, unknown method."""
    if not isinstance(fault, HTTPException):
        raise fault
    refusal = _BY_STATUS.get(fault.status_code, BadRequest)
    if refusal is MethodNotAllowed:
        methods = _methods_of(request)
        allowed = MethodNotAllowed(f"Allowed: {methods}", headers={"Allow": methods})
        return answer_for(allowed, request.scope)
    return answer_for(refusal(headers=fault.headers), request.scope)


def _methods_of(request: Request) -> str:
    """Return the methods of all routes of a path; the router names only those of the first."""
    found: set[str] = set()
    for route in request.app.router.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    if "GET" in found:
        found.add("HEAD")  # the edge answers it
    return ", ".join(sorted(found))


async def on_invalid_input(_: Request, fault: Exception) -> Response:
    """Answer invalid input: where and why, without repeating it (it may be a password)."""
    if not isinstance(fault, RequestValidationError):
        raise fault
    return render_problem(InvalidInput(pointers(fault.errors())))


async def on_fault(request: Request, _: Exception) -> Response:
    """Answer an unexpected exception; the edge, which gets it next, logs it."""
    return answer_for(Problem(), request.scope)


def pointers(errors: Sequence[Mapping[str, Any]], *prefix: str) -> list[dict[str, str]]:
    """Convert Pydantic's errors to RFC 6901 pointers with a reason, without the input.

    The name of an unknown field is input, too. So the pointer leads to the object that contains it,
    and the reason includes only plain names; a thousand unknown fields give one entry.
    """
    found: dict[tuple[str, str], None] = {}
    unknown: dict[str, list[str]] = {}
    for error in errors:
        place = [*prefix, *error["loc"]]
        if error["type"] == "extra_forbidden":
            name = str(place.pop())
            unknown.setdefault(_pointer(place), []).append(name)
            continue
        detail = _DETAILS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
        found[_pointer(place), detail] = None
    for pointer, names in unknown.items():
        found[pointer, _tell_unknown(names)] = None
    return [{"pointer": pointer, "detail": detail} for pointer, detail in found]


def refuse_unknown_query(request: Request) -> None:
    """Refuse parameters of the query that the route does not have.

    For lists whose rows somebody acts on: a misspelt filter would be no filter.

    Raises:
        InvalidInput: there are some.
    """
    unknown = request.query_params.keys() - _names_in_query(request.scope["route"].dependant)
    if unknown:
        detail = _tell_unknown(sorted(unknown))
        raise InvalidInput([{"pointer": "/query", "detail": detail}])


def _names_in_query(dependant: Any) -> set[str]:
    own = {field.alias for field in dependant.query_params}
    return own.union(*map(_names_in_query, dependant.dependencies))


def _pointer(place: Sequence[object]) -> str:
    return "/" + "/".join(map(str, place))


def _tell_unknown(names: Sequence[str]) -> str:
    plain = [name for name in names if _PLAIN_NAME.fullmatch(name)][:_MOST_NAMED]
    if not plain:
        return _UNKNOWN
    return f"{_UNKNOWN}: {', '.join(plain)}{', ...' if len(plain) < len(names) else ''}"


def refuses(*problems: type[Problem]) -> Callable[[F], F]:
    """Declare the refusals of a route's dependency; OpenAPI lists them for all its routes."""

    def declare(dependency: F) -> F:
        dependency.__dict__["refuses"] = problems
        return dependency

    return declare


def refusals_of(dependency: object) -> Sequence[type[Problem]]:
    """Return the refusals that a dependency declares by `refuses`, decorator or property."""
    declared: Sequence[type[Problem]] = getattr(dependency, "refuses", ())
    return declared


def may_refuse(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Describe in OpenAPI the refusals of the route itself, one entry for each status.

    Its dependencies declare their own refusals.
    """
    by_status: dict[int | str, list[type[Problem]]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    return {status: describe(kinds) for status, kinds in by_status.items()}


def describe(kinds: Sequence[type[Problem]]) -> dict[str, Any]:
    """Describe refusals that share a status, with an example of each."""
    examples = {
        kind.code: {
            "summary": kind.title,
            "value": {
                "type": "about:blank",
                "title": kind.title,
                "status": kind.status,
                "code": kind.code,
                "request_id": "bm90IGEgc2VjcmV0",
            },
        }
        for kind in kinds
    }
    return {
        "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
        "content": {
            PROBLEM_JSON: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": examples,
            }
        },
    }
