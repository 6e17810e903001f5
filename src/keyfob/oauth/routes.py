"""The endpoints for clients, below /oauth2: form in, JSON out (RFC 6749)."""

from typing import Annotated, Any

from fastapi import Security
from fastapi.security import HTTPBasic
from pydantic import BaseModel, ConfigDict, Field

from keyfob.core.bodies import drop_null
from keyfob.core.http import may_refuse, router
from keyfob.core.http.hot import HotCall, hot_route
from keyfob.core.problems import TooManyRequests
from keyfob.oauth.errors import (
    InvalidClient,
    InvalidScope,
    InvalidTarget,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from keyfob.oauth.models import ClientRequest
from keyfob.oauth.token_endpoint import TokenEndpoint

routes = router("OAuth", prefix="/oauth2")

# Declares the scheme in OpenAPI; the header is read by `oauth.authentication`.
_client = Security(
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


class AccessTokenOut(BaseModel):
    """An access token for a client (RFC 6749 section 5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str | None = None


async def _request_of(call: HotCall) -> ClientRequest:
    return ClientRequest(await call.read_form(), call.header(b"authorization"), call.address)


def _refuses(*more: Any) -> Any:
    return may_refuse(InvalidClient, TooManyRequests, *more)


@hot_route(
    routes,
    "POST",
    "/token",
    response_model=AccessTokenOut,
    form=TokenForm,
    responses=_refuses(UnsupportedGrantType, UnauthorizedClient, InvalidScope, InvalidTarget),
    dependencies=[_client],
)
async def give_token(call: HotCall) -> bytes:
    """Issue an access token to a client, within its registered scope and resources.

    Without `resource`, the token is for the client's only resource; without `scope`, it gets all
    that the client may ask for there.
    """
    return await call.service(TokenEndpoint).give(await _request_of(call))
