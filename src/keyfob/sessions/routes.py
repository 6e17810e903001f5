"""Refreshing, signing out, and the caller's own sessions."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path
from pydantic import AliasChoices, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.bodies import Body
from keyfob.core.http import Provided, may_refuse, router
from keyfob.core.http.hot import HotCall, hot_route
from keyfob.core.http.problems import pointers
from keyfob.core.problems import InvalidInput, TooManyRequests
from keyfob.core.text import NoControlCharacters
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited
from keyfob.sessions.errors import InvalidRefreshToken, NotYourSession, SessionNotFound
from keyfob.sessions.models import SessionOut, TokensOut
from keyfob.sessions.own import OwnSessions
from keyfob.sessions.refresh import Refresh
from keyfob.sessions.service import Sessions

routes = router("Sessions")

SignedIn = Annotated[User, require()]
AnySignedIn = Annotated[User, require(factor=False)]  # for signing out
RefreshText = Annotated[
    str, Field(min_length=1, max_length=512, examples=["kfr_AV2lZ…"]), NoControlCharacters()
]


def _under_either_name(schema: dict[str, Any]) -> None:
    properties = schema["properties"]
    properties["refresh_token"] = {**properties["token"], "title": "Refresh Token"}
    schema["examples"] = [{"token": properties["token"]["examples"][0]}]
    del schema["required"]


class RefreshIn(Body):
    """A refresh token, under exactly one of two names."""

    model_config = ConfigDict(json_schema_extra=_under_either_name)

    token: Annotated[RefreshText, Field(validation_alias=AliasChoices("token", "refresh_token"))]


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class LogOutIn(Body):
    """The refresh token of the session to end, if it is not the calling one."""

    # Swagger UI's prepared example ends the calling session: a made-up token would be refused.
    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    token: Annotated[RefreshText, Field(json_schema_extra=_without_default)] = ""


_refresh_in = TypeAdapter(RefreshIn)


@hot_route(
    routes,
    "POST",
    "/refresh",
    response_model=TokensOut,
    body=RefreshIn,
    responses=may_refuse(InvalidRefreshToken, TooManyRequests),
)
async def refresh(call: HotCall) -> bytes:
    """Exchange a refresh token for the next pair of tokens.

    A used token returns the same successor again for a few seconds, so that a lost response signs
    nobody out. Using it later ends the session: somebody has a copy.
    """
    try:
        body = _refresh_in.validate_python(await call.read_json())
    except ValidationError as fault:
        raise InvalidInput(pointers(fault.errors(include_input=False), "body")) from None
    tokens = await call.service(Refresh).exchange(body.token)
    return to_json(
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "token_type": "bearer",
            "expires_in": tokens.expires_in,
            "session_id": tokens.session_id,
        }
    )


@routes.delete(
    "/logout",
    status_code=204,
    dependencies=[Depends(limited("logout", by="caller"))],
    responses=may_refuse(NotYourSession),
)
async def log_out(
    caller: AnySignedIn,
    source: RequestSource,
    own: Annotated[OwnSessions, Provided(OwnSessions)],
    body: LogOutIn | None = None,
) -> None:
    """Sign out here, or end the session of a refresh token of your own."""
    await own.log_out(caller, source, (body.token or None) if body else None)


@routes.delete(
    "/logout-all", status_code=204, dependencies=[Depends(limited("logout", by="caller"))]
)
async def log_out_everywhere(
    caller: AnySignedIn, source: RequestSource, own: Annotated[OwnSessions, Provided(OwnSessions)]
) -> None:
    """Sign out on every device."""
    await own.log_out_everywhere(caller, source)


@routes.get("/me/sessions", dependencies=[Depends(limited("me", by="caller"))])
async def list_own_sessions(
    caller: SignedIn, sessions: Annotated[Sessions, Provided(Sessions)]
) -> list[SessionOut]:
    """List the devices on which you are signed in, newest first."""
    return [
        SessionOut.of(record, caller.session_id)
        for record in await sessions.list_live(caller.user_id)
    ]


@routes.delete(
    "/me/sessions/{id}",
    status_code=204,
    dependencies=[Depends(limited("me", by="caller"))],
    responses=may_refuse(SessionNotFound),
)
async def end_own_session(
    session_id: Annotated[UUID, Path(alias="id")],
    caller: SignedIn,
    source: RequestSource,
    own: Annotated[OwnSessions, Provided(OwnSessions)],
) -> None:
    """Sign out on one device."""
    await own.end(caller, session_id, source)
