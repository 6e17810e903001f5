"""What the sessions room hands out."""

from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field

from keyfob.authority.models import Role
from keyfob.devices.device import DeviceType
from keyfob.devices.source import Source


class EndReason(StrEnum):
    """Why a session was ended; the login log tells by the same word."""

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
    ADDRESS_MOVED = "address_moved"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, no secret


class Ending(NamedTuple):
    """What ended one session of a user, or several where none is named: most often all.

    `source` is from where its owner did it: None where somebody else did, whose address is not the
    owner's to know.
    """

    user_id: UUID
    reason: EndReason
    session_id: UUID | None = None
    source: Source | None = None


class Tokens(NamedTuple):
    """A session's tokens, as a login or a refresh gives them."""

    access_token: str
    refresh_token: str
    expires_in: int
    session_id: UUID


class TokensOut(BaseModel):
    """An access token to call with, and a refresh token to get the next pair."""

    access_token: Annotated[str, Field(description="RFC 9068 JWT; send it as a Bearer token")]
    refresh_token: Annotated[str, Field(description="Good for one refresh; keep it secret")]
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
    """A session that is live; it expires at the latest then, sooner if it is ended."""

    id: UUID
    ip_address: IPv4Address | IPv6Address | None
    device_type: DeviceType
    browser: str | None
    os: str | None
    platform: str | None
    login_at: datetime
    last_activity_at: datetime
    expires_at: datetime


class SessionState(NamedTuple):
    """What the tokens of a session's present generation say.

    `role_ends` tells of each of the further `roles` when it ends.
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
    """A session, live or ended, and the times of its last rotations, the newest first."""

    state: SessionState
    secret_hash: bytes
    used_at: tuple[datetime, ...]
    last_activity_at: datetime
    ended_at: datetime | None
    ip_address: IPv4Address | IPv6Address | None
    browser: str | None
    os: str | None


class OpenedSession(NamedTuple):
    """A session of somebody who has just proven to be its user, before tokens are written of it.

    `salt` is what its refresh tokens are made with: the row keeps a hash of it alone.
    """

    id: UUID
    salt: bytes
    state: SessionState


class InsertedSession(NamedTuple):
    """What a session is that was opened, and whether there were as many already as may be."""

    state: SessionState
    too_many: bool


class SessionOut(BaseModel):
    """A sign-in on one device."""

    id: UUID
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
