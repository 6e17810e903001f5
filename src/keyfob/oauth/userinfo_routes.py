"""The calls of `userinfo`, for any origin: the token alone opens it."""

from typing import Annotated, Any

from fastapi import Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from keyfob.authority.errors import NotProven, ProofNonceNeeded
from keyfob.core.bodies import drop_null
from keyfob.core.http import may_refuse, router
from keyfob.core.http.hot import HotCall, hot_route
from keyfob.core.problems import BadRequest, TooManyRequests, Unauthenticated
from keyfob.oauth.dpop.service import Proofs
from keyfob.oauth.errors import InsufficientScope
from keyfob.oauth.userinfo import USERINFO_PATH, ShownInHeaders, UserInfo

routes = router("OAuth")

_PATH = USERINFO_PATH
# Declares the scheme in OpenAPI; the header is read by `UserInfo`.
_token = Security(
    HTTPBearer(
        auto_error=False,
        description="An access token of an app, for this address",
        scheme_name="app",
    )
)
_responses = may_refuse(
    Unauthenticated, NotProven, ProofNonceNeeded, InsufficientScope, TooManyRequests
)


class UserInfoForm(BaseModel):
    """The token, if it is not in the header."""

    access_token: Annotated[str | None, Field(default=None, json_schema_extra=drop_null)]


def _known(words: str) -> Any:
    return Field(default=None, description=words, json_schema_extra=drop_null)


class UserInfoOut(BaseModel):
    """The claims that the token's scope opens, as far as they are known."""

    sub: Annotated[str, Field(description="The user, the same for each app")]
    preferred_username: Annotated[str | None, _known("Of `profile`: the address, if it is proven")]
    name: Annotated[str | None, _known("Of `profile`")]
    locale: Annotated[str | None, _known("Of `profile`")]
    zoneinfo: Annotated[str | None, _known("Of `profile`: of the IANA database")]
    email: Annotated[str | None, _known("Of `email`; only a proven address")]
    email_verified: Annotated[bool | None, _known("Of `email`: true")]
    groups: Annotated[list[str] | None, _known("Of `groups`: the names of the user's roles")]


def _shown_in(call: HotCall) -> ShownInHeaders:
    proofs = call.headers(b"dpop")
    if proofs:
        call.tell(call.service(Proofs).headers())
    return ShownInHeaders(call.header(b"authorization"), call.method, proofs)


@hot_route(
    routes,
    "GET",
    _PATH,
    response_model=UserInfoOut,
    responses=_responses,
    dependencies=[_token],
)
async def tell_about_user(call: HotCall) -> bytes:
    """Tell an app about the user of its token, as far as its scope goes.

    The token was issued without `resource`, and its scope has `openid`. One that is bound to a key
    comes as `Authorization: DPoP`, with a proof (RFC 9449).
    """
    if (await call.read_form()).get("access_token") is not None:
        raise BadRequest("A token does not belong in the body of a GET")
    return await call.service(UserInfo).tell(_shown_in(call))


@hot_route(
    routes,
    "POST",
    _PATH,
    response_model=UserInfoOut,
    form=UserInfoForm,
    responses=_responses,
    dependencies=[_token],
)
async def tell_about_user_by_form(call: HotCall) -> bytes:
    """Tell the same where the token is in the header or in the form."""
    form = await call.read_form()
    return await call.service(UserInfo).tell(_shown_in(call), form.get("access_token"))
