"""Sessions and their tokens, for other rooms and for the API."""

import json
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, Field

from keyfob.authority.models import Role
from keyfob.devices.device import DeviceType
from keyfob.devices.source import Source


class EndReason(StrEnum):
    """The reason why a session ended; the login log uses the same words."""

    LOGOUT = "logout"
    LOGOUT_EVERYWHERE = "logout_everywhere"
    OWNER = "ended_by_owner"
    REUSE = "reuse"
    BLOCKED = "blocked"
    DELETED = "deleted"
    ADMIN = "ended_by_admin"
    FACTORS_RESET = "factors_reset"
    RECOVERED = "password_recovered"
    ADDRESS_PROVEN = "address_proven"
    TOO_MANY = "too_many_sessions"
    CLIENT = "ended_by_client"
    ADDRESS_MOVED = "address_moved"
    UNVERIFIED = "email_not_verified"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, no secret


class SessionKind(StrEnum):
    """The holder of a session: a program with tokens, a browser with a cookie, or an app.

    An app has what its user consented to: such a session is a grant to a client.
    """

    API = "api"
    BROWSER = "browser"
    APP = "app"


class AskedClaims(NamedTuple):
    """Names of claims that an app asks for one by one, at `userinfo` and in ID tokens."""

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()

    def to_json(self) -> str | None:
        """Return them as they are stored; None if there are none."""
        return json.dumps(self._asdict()) if any(self) else None

    @classmethod
    def of(cls, stored: str | None) -> Self:
        """Read what `to_json` has written."""
        told = json.loads(stored) if stored else {}
        return cls(**{name: tuple(names) for name, names in told.items()})


class AskingFrom(NamedTuple):
    """The device on which an app has asked for a grant, where that is not the user's browser."""

    ip_address: IPv4Address | IPv6Address | None
    browser: str | None
    os: str | None


class Granted(NamedTuple):
    """A user's grant to a client: `scope` at `audience`, and `claims` beyond those of the scope.

    `opened_from` is the session of the browser in which the user gave it. `jkt` is the key that its
    refresh tokens are bound to: of clients that could not be told from others without. `device` is
    where the app is, if not in that browser.
    """

    client_id: UUID
    opened_from: UUID
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    claims: AskedClaims = AskedClaims()
    jkt: str | None = None
    device: AskingFrom | None = None


class GrantOfUser(NamedTuple):
    """All grants of a user to one client; `is_offline` if some of it outlives a sign-out."""

    client_id: UUID
    sessions: int
    last_used_at: datetime
    is_offline: bool


class Ending(NamedTuple):
    """The end of one session of a user, or of several, usually all, if none is named.

    `source` is set if the owner ended it; the address of anybody else is not shown to the owner.
    """

    user_id: UUID
    reason: EndReason
    session_id: UUID | None = None
    source: Source | None = None


class Tokens(NamedTuple):
    """A session's tokens, after a sign-in or a refresh."""

    access_token: str
    refresh_token: str
    expires_in: int
    session_id: UUID


class TokensOut(BaseModel):
    """An access token for calls, and a refresh token for the next pair."""

    access_token: Annotated[str, Field(description="RFC 9068 JWT; send it as a Bearer token")]
    refresh_token: Annotated[str, Field(description="Valid for one refresh; keep it secret")]
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the type, no secret
    expires_in: Annotated[int, Field(description="Seconds until the access token expires")]
    session_id: UUID

    @classmethod
    def of(cls, tokens: Tokens) -> "TokensOut":
        return cls(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_in=tokens.expires_in,
            session_id=tokens.session_id,
        )


class LiveSession(NamedTuple):
    """A live session; it ends at `expires_at` at the latest."""

    id: UUID
    kind: SessionKind
    ip_address: IPv4Address | IPv6Address | None
    device_type: DeviceType
    browser: str | None
    os: str | None
    platform: str | None
    login_at: datetime
    last_activity_at: datetime
    expires_at: datetime


class SessionState(NamedTuple):
    """The claims of a session's present generation.

    `role_ends` contains the end of each of the further `roles`.
    """

    user_id: UUID
    generation: int
    role: Role
    sub_gen: int
    auth_time: datetime
    amr: list[str]
    expires_at: datetime
    roles: list[str]
    role_ends: list[datetime | None]


class StoredSession(NamedTuple):
    """A session, live or ended, and the times of its last rotations, newest first."""

    kind: SessionKind
    state: SessionState
    secret_hash: bytes
    used_at: tuple[datetime, ...]
    last_activity_at: datetime
    ended_at: datetime | None
    ip_address: IPv4Address | IPv6Address | None
    browser: str | None
    os: str | None


class LiveRefresh(NamedTuple):
    """The session of a refresh token that would be accepted now, and when it ends if unused."""

    session_id: UUID
    state: SessionState
    ends_at: datetime


class OpenedSession(NamedTuple):
    """A session whose user has just signed in, before its tokens are issued.

    `salt` is part of its refresh tokens: the row contains only a hash of it.
    """

    id: UUID
    salt: bytes
    state: SessionState


class InsertedSession(NamedTuple):
    """The state of a new session, and whether the user already had the most sessions."""

    state: SessionState
    too_many: bool


class SessionOut(BaseModel):
    """A session on one device."""

    id: UUID
    kind: Annotated[
        SessionKind, Field(description="`browser`: of our pages, with a cookie; `api`: with tokens")
    ]
    ip_address: str | None
    device_type: DeviceType
    browser: str | None
    os: str | None
    platform: str | None
    login_at: datetime
    last_activity_at: datetime
    expires_at: Annotated[datetime, Field(description="When it ends if it stays unused")]
    current: Annotated[bool, Field(description="Whether the call came from this session")]

    @classmethod
    def of(cls, session: LiveSession, current_id: UUID | None) -> "SessionOut":
        return cls(
            id=session.id,
            kind=session.kind,
            ip_address=str(session.ip_address) if session.ip_address else None,
            device_type=session.device_type,
            browser=session.browser,
            os=session.os,
            platform=session.platform,
            login_at=session.login_at,
            last_activity_at=session.last_activity_at,
            expires_at=session.expires_at,
            current=session.id == current_id,
        )
