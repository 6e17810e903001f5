"""For FastAPI: dependencies that find the caller of a route, and refuse whoever may not call it.

app = FastAPI()
protect(app, AsyncVerifier("https://auth.example.com/auth", audience="https://orders.example.com"))

@app.get("/orders")
async def list_orders(user: CurrentUser) -> list[str]: ...

@app.delete("/orders/{number}", dependencies=[require_role("admin")])
async def delete_order(number: int) -> None: ...
"""

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from starlette.responses import Response

from keyfob_client.answers import (
    Answer,
    Needs,
    answer_to,
    describe_resource,
    token_in,
)
from keyfob_client.errors import Refused
from keyfob_client.token import AccessToken
from keyfob_client.verifier import AsyncVerifier


def protect(
    app: FastAPI, verifier: AsyncVerifier, *, scopes: Collection[str] = (), name: str | None = None
) -> None:
    """Tell an app whose tokens its routes believe, and let it answer refusals.

    It also serves the metadata of this service (RFC 9728), which answers of 401 name.

    Args:
        app: the app; one that is mounted into another needs a call of its own.
        verifier: judges the tokens.
        scopes: the scopes of this service, for its metadata.
        name: its name for people, likewise.
    """
    app.state.keyfob = verifier

    async def refuse(_: Request, refused: Exception) -> Response:
        if not isinstance(refused, Refused):
            raise refused
        return _response(answer_to(refused, verifier))

    app.add_exception_handler(Refused, refuse)
    described = describe_resource(verifier, scopes=scopes, name=name)
    if described is not None:

        async def describe(_: Request) -> Response:
            return _response(described.answer)

        app.add_route(described.path, describe, include_in_schema=False)


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)


class _Bearer(SecurityBase):
    """Finds the token of a request; OpenAPI shows it as a bearer token."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(bearerFormat="JWT")
        self.scheme_name = "Keyfob"

    async def __call__(self, request: Request) -> AccessToken:
        verifier = _verifier_of(request)
        return await verifier.verify(
            token_in(request.headers.getlist("authorization"), verifier), request
        )


def _verifier_of(request: Request) -> AsyncVerifier:
    verifier = getattr(request.app.state, "keyfob", None)
    if not isinstance(verifier, AsyncVerifier):
        raise RuntimeError("keyfob_client.fastapi.protect(app, verifier) was not called")  # noqa: TRY004 - it was not called
    return verifier


CurrentToken = Annotated[AccessToken, Depends(_Bearer())]
"""The token of the caller, a person or a program."""


def _require(needs: Needs) -> Any:
    async def check(request: Request, token: CurrentToken) -> AccessToken:
        needs.check(token, now=_verifier_of(request).now())
        return token

    return Depends(check)


CurrentUser = Annotated[AccessToken, _require(Needs(user=True))]
"""The token of the caller, who is a person; programs that act for themselves are refused."""


def require_role(*roles: str) -> Any:
    """Return a dependency that refuses whoever has none of these roles; it gives the token."""
    return _require(Needs.of(role=roles))


def require_scope(*scope: str) -> Any:
    """Return a dependency that refuses a token without all of these scopes; it gives the token."""
    return _require(Needs.of(scope=scope))


def require_recent_sign_in(max_age: int = 300) -> Any:
    """Return a dependency that asks for a sign-in of the last `max_age` seconds (RFC 9470).

    An older one is answered 401 `insufficient_user_authentication`, which tells an app to have its
    user sign in once more. The dependency gives the token.
    """
    return _require(Needs.of(user=True, max_age=max_age))


def require_acr(*acr_values: str) -> Any:
    """Return a dependency that asks for a sign-in of one of these strengths, likewise."""
    return _require(Needs.of(user=True, acr=acr_values))
