"""The endpoints for clients, below /oauth2: form in, JSON out (RFC 6749)."""

from typing import Annotated, Any

from fastapi import Security
from fastapi.security import HTTPBasic
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.bodies import drop_null
from keyfob.core.forms import FORM, parse_form
from keyfob.core.http import Provided, client_address, may_refuse, router
from keyfob.core.http.hot import HotCall, hot_route
from keyfob.core.problems import NotFound, TooManyRequests, Unavailable
from keyfob.oauth.dpop.service import Proofs
from keyfob.oauth.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidClient,
    InvalidDpopProof,
    InvalidGrant,
    InvalidRequestObject,
    InvalidScope,
    InvalidTarget,
    SlowDown,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    UseDpopNonce,
)
from keyfob.oauth.metadata import Metadata
from keyfob.oauth.models import ClientRequest
from keyfob.oauth.pushed_requests import PushedRequests
from keyfob.oauth.shown_tokens import ShownTokens
from keyfob.oauth.token_endpoint import TokenEndpoint

routes = router("OAuth", prefix="/oauth2")
public = router("Service")

# Declares the scheme in OpenAPI; the header is read by `oauth.authentication`.
client_of = Security(
    HTTPBasic(
        auto_error=False,
        description="A client's id and secret; or both in the form, as it is registered",
        scheme_name="client",
    )
)
_Text = Annotated[str | None, Field(default=None, json_schema_extra=drop_null)]


class ClientForm(BaseModel):
    """The parameters that every form may have; unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore")

    client_id: _Text
    client_secret: _Text
    client_assertion: _Text
    client_assertion_type: _Text


class TokenForm(ClientForm):
    """The parameters of a request for a token."""

    grant_type: Annotated[str, Field(examples=["client_credentials"])]
    scope: _Text
    resource: Annotated[list[str] | None, Field(default=None, json_schema_extra=drop_null)]
    audience: Annotated[list[str] | None, Field(default=None, json_schema_extra=drop_null)]
    subject_token: _Text
    subject_token_type: _Text
    requested_token_type: _Text
    code: _Text
    redirect_uri: _Text
    code_verifier: _Text
    refresh_token: _Text
    device_code: _Text


class PushForm(ClientForm):
    """A request as an app's link has it (OAuth 2.1 section 4.1.1)."""

    request: _Text
    response_type: _Text
    redirect_uri: _Text
    scope: _Text
    state: _Text
    resource: Annotated[list[str] | None, Field(default=None, json_schema_extra=drop_null)]
    code_challenge: _Text
    code_challenge_method: _Text
    nonce: _Text
    response_mode: _Text
    prompt: _Text
    max_age: _Text
    acr_values: _Text
    claims: _Text
    login_hint: _Text
    id_token_hint: _Text
    ui_locales: _Text
    dpop_jkt: _Text


class ShownForm(ClientForm):
    """A token of any kind that a client presents."""

    token: str
    token_type_hint: _Text


def _without_null(schema: dict[str, Any]) -> None:
    del schema["default"]
    schema["anyOf"].remove({"type": "null"})


class Confirmation(BaseModel):
    """The key that a token is bound to (RFC 7800 section 3.1, RFC 9449 section 6)."""

    jkt: Annotated[str, Field(description="Its thumbprint (RFC 7638)")]


class Introspected(BaseModel):
    """The description of a valid token that is meant for the client (RFC 7662 section 2.2)."""

    active: bool
    scope: str | None = None
    client_id: str | None = None
    token_type: str | None = None
    sub: str | None = None
    aud: Annotated[list[str] | str | None, Field(default=None, json_schema_extra=_without_null)]
    iss: str | None = None
    exp: int | None = None
    iat: int | None = None
    jti: str | None = None
    sid: str | None = None
    auth_time: int | None = None
    acr: str | None = None
    amr: list[str] | None = None
    roles: list[str] | None = None
    cnf: Annotated[Confirmation | None, Field(default=None, json_schema_extra=_without_null)]
    act: Annotated[
        dict[str, Any] | None,
        Field(
            default=None,
            description="The client that acts for the subject, and in turn its own `act`",
            json_schema_extra=_without_null,
        ),
    ]


class Revoked(BaseModel):
    """An empty answer: it does not reveal whether there was such a token."""


class AccessTokenOut(BaseModel):
    """An access token for a client (RFC 6749 section 5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str | None = None
    issued_token_type: Annotated[str | None, Field(default=None, json_schema_extra=drop_null)]
    refresh_token: Annotated[str | None, Field(default=None, json_schema_extra=drop_null)]
    id_token: Annotated[str | None, Field(default=None, json_schema_extra=drop_null)]


async def request_of(call: HotCall) -> ClientRequest:
    """Return the request of a client; a good answer to a proof tells the next nonce."""
    proofs = call.headers(b"dpop")
    if proofs:
        call.tell(call.service(Proofs).headers())
    form = await call.read_form()
    return ClientRequest(form, call.header(b"authorization"), call.address, proofs)


def _refuses(*more: Any) -> Any:
    return may_refuse(InvalidClient, TooManyRequests, *more)


@hot_route(
    routes,
    "POST",
    "/token",
    response_model=AccessTokenOut,
    form=TokenForm,
    responses=_refuses(
        UnsupportedGrantType,
        UnauthorizedClient,
        InvalidGrant,
        InvalidScope,
        InvalidTarget,
        AuthorizationPending,
        SlowDown,
        AccessDenied,
        ExpiredToken,
        InvalidDpopProof,
        UseDpopNonce,
    ),
    dependencies=[client_of],
)
async def give_token(call: HotCall) -> bytes:
    """Issue an access token to a client, within its registered scope and resources.

    Without `resource`, the token is for the client's only resource; without `scope`, it gets all
    that the client may ask for there. A token exchange (RFC 8693) takes a `subject_token` that is
    meant for the client, and gives a token for another resource, within it.

    An app exchanges the code of its user (OAuth 2.1 section 4.1.3), and later its refresh token,
    and gets an ID token with them if its scope has `openid`. On a device without a browser, it asks
    with its `device_code` until its user has decided on another (RFC 8628 section 3.4).

    With the header `DPoP`, the token is bound to the key that it proves to hold (RFC 9449), and so
    are the refresh tokens of a public client.
    """
    return await call.service(TokenEndpoint).give(await request_of(call))


@hot_route(
    routes,
    "POST",
    "/introspect",
    response_model=Introspected,
    form=ShownForm,
    responses=_refuses(),
    dependencies=[client_of],
)
async def introspect_token(call: HotCall) -> bytes:
    """Describe a token to a client: an access token, a refresh token, or an API key.

    The token must be meant for the client: it was issued to it, or one of its resources is the
    audience. Everything else is `{"active": false}`, and so is a revoked token, at once.
    """
    return await call.service(ShownTokens).introspect(await request_of(call))


@hot_route(
    routes,
    "POST",
    "/revoke",
    response_model=Revoked,
    form=ShownForm,
    responses=_refuses(UnauthorizedClient),
    dependencies=[client_of],
)
async def revoke_token(call: HotCall) -> bytes:
    """Revoke a token: the session of a refresh token, an access token itself, or an API key.

    A client may revoke tokens that were issued to it, and tokens of sign-ins and API keys that are
    meant for it. The answer is the same for an unknown token.
    """
    return await call.service(ShownTokens).revoke(await request_of(call))


class PushedOut(BaseModel):
    """A stored request (RFC 9126 section 2.2)."""

    request_uri: Annotated[str, Field(description="For the browser, with `client_id`; counts once")]
    expires_in: Annotated[int, Field(description="Seconds in which the browser has to come")]


_FORM: dict[str, Any] = {
    "required": True,
    "content": {FORM: {"schema": PushForm.model_json_schema(by_alias=False)}},
}


@routes.post(
    "/par",
    status_code=201,
    response_model=PushedOut,
    responses=_refuses(
        UnauthorizedClient,
        UnsupportedResponseType,
        InvalidRequestObject,
        InvalidScope,
        InvalidTarget,
        InvalidDpopProof,
        UseDpopNonce,
        Unavailable,
    ),
    dependencies=[client_of],
    openapi_extra={"requestBody": _FORM},
)
async def push_request(
    request: Request,
    pushed: Annotated[PushedRequests, Provided(PushedRequests)],
    proofs: Annotated[Proofs, Provided(Proofs)],
) -> Response:
    """Store a request of an app, whose browser then brings `client_id` and `request_uri` alone.

    Nobody can change such a request, and nothing of it stands in an address (RFC 9126). With the
    header `DPoP`, its code is for the holder of that key alone.
    """
    form = parse_form(
        await request.body(), request.headers.get("content-type", ""), request.scope["query_string"]
    )
    shown = tuple(request.headers.getlist("dpop"))
    asked = ClientRequest(
        form, request.headers.get("authorization"), client_address(request), shown
    )
    body, told = await pushed.push(asked), proofs.headers() if shown else None
    return Response(body, 201, told, media_type="application/json")


def _described(words: str) -> Any:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {200: {"description": words, "content": content}}


def _answer(document: bytes) -> Response:
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(document, media_type="application/json", headers=headers)


ProvidedMetadata = Annotated[Metadata, Provided(Metadata)]


@public.get(
    "/.well-known/oauth-authorization-server",
    response_class=Response,
    responses=_described("Metadata of an authorization server (RFC 8414)"),
)
async def describe_authorization_server(metadata: ProvidedMetadata) -> Response:
    """Return where clients get tokens, and how. Also at the root of the host, with our path."""
    return _answer(metadata.server)


@public.get(
    "/.well-known/oauth-protected-resource",
    response_class=Response,
    responses=_described("Metadata of a protected resource (RFC 9728)"),
)
async def describe_own_api(metadata: ProvidedMetadata) -> Response:
    """Return whose tokens our own API takes. Also at the root of the host, with our path."""
    return _answer(metadata.resource)


@public.get(
    "/.well-known/openid-configuration",
    response_class=Response,
    responses=_described("The same document, where clients of OpenID Connect look for it"),
)
async def describe_openid_provider(metadata: ProvidedMetadata) -> Response:
    """Return how apps sign people in. Also at the root of the host, with our path."""
    return _answer(metadata.server)


@public.get("/.well-known/openid-configuration/{path:path}", include_in_schema=False)
@public.get("/.well-known/oauth-authorization-server/{path:path}", include_in_schema=False)
async def describe_authorization_server_at_the_root(
    path: str, metadata: ProvidedMetadata
) -> Response:
    """Return the same at the root of the host, for the path of our issuer alone."""
    _ensure_own(path, metadata)
    return _answer(metadata.server)


@public.get("/.well-known/oauth-protected-resource/{path:path}", include_in_schema=False)
async def describe_own_api_at_the_root(path: str, metadata: ProvidedMetadata) -> Response:
    """Return the same at the root of the host, for the path of our API alone."""
    _ensure_own(path, metadata)
    return _answer(metadata.resource)


def _ensure_own(path: str, metadata: Metadata) -> None:
    if path != metadata.path:
        raise NotFound
