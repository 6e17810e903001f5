"""The endpoint at which clients register themselves (RFC 7591 section 3)."""

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import Response

from keyfob.core.bodies import drop_null
from keyfob.core.http import Provided, may_refuse, router
from keyfob.core.http.strict import read_json
from keyfob.core.problems import InvalidInput, NotFound, Unauthenticated
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited
from keyfob.oauth.errors import (
    InvalidClientMetadata,
    InvalidRedirectUri,
)
from keyfob.oauth.registration import DynamicRegistration

routes = router("OAuth", prefix="/oauth2")

_Absent = Field(default=None, json_schema_extra=drop_null)


class ClientMetadata(BaseModel):
    """The metadata of a client (RFC 7591 section 2); unknown members are ignored."""

    redirect_uris: list[str]
    client_name: Annotated[str | None, _Absent]
    application_type: Annotated[str | None, _Absent]
    token_endpoint_auth_method: Annotated[str | None, _Absent]
    grant_types: Annotated[list[str] | None, _Absent]
    response_types: Annotated[list[str] | None, _Absent]
    scope: Annotated[str | None, _Absent]
    jwks: Annotated[dict[str, Any] | None, _Absent]
    jwks_uri: Annotated[str | None, _Absent]
    id_token_signed_response_alg: Annotated[str | None, _Absent]
    dpop_bound_access_tokens: Annotated[bool | None, _Absent]


class RegisteredOut(ClientMetadata):
    """The metadata that were registered, and are enforced from now on."""

    client_id: str
    client_id_issued_at: int
    client_secret: Annotated[str | None, _Absent]
    client_secret_expires_at: Annotated[int | None, _Absent]


@routes.post(
    "/register",
    status_code=201,
    response_model=RegisteredOut,
    responses=may_refuse(InvalidRedirectUri, InvalidClientMetadata, Unauthenticated, NotFound),
    dependencies=[Depends(limited("register-client", by="address"))],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ClientMetadata.model_json_schema()}},
        }
    },
)
async def register_client(
    request: Request,
    source: RequestSource,
    registration: Annotated[DynamicRegistration, Provided(DynamicRegistration)],
) -> Response:
    """Register a client that nobody here knows, if the settings allow it (RFC 7591).

    Its users are asked for consent each time. It gets no scope of our own API, always uses PKCE,
    and is forgotten after a day if no user has let it have anything. With
    `KEYFOB_DYNAMIC_REGISTRATION=token` the request needs an initial access token:
    `Authorization: Bearer kfi_...`.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    shown = token.strip() if scheme.lower() == "bearer" else None
    try:
        told = await read_json(request)
    except InvalidInput:
        raise InvalidClientMetadata("The body has more values than any client needs") from None
    made = await registration.register(told, token=shown, source=source)
    return Response(
        to_json(made), 201, {"Cache-Control": "no-store"}, media_type="application/json"
    )
