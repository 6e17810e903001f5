"""The public keys."""

from typing import Annotated

from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.http import Provided, router
from keyfob.tokens.keyring import Keyring

routes = router("Service")


@routes.get(
    "/.well-known/jwks.json",
    response_class=Response,
    responses={
        200: {
            "description": "A JWK Set (RFC 7517)",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
async def jwks(_: Request, keyring: Annotated[Keyring, Provided(Keyring)]) -> Response:
    """Return the keys that verify access tokens: future, active and retiring ones."""
    return Response(
        keyring.jwks,
        media_type="application/json",
        headers={"Cache-Control": f"public, max-age={keyring.max_age}"},
    )
