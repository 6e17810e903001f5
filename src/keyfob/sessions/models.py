"""What the sessions room hands out."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from asyncpg import Record
from pydantic import BaseModel, Field

from keyfob.core.origin import Origin


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

    `origin` is from where its owner did it: None where somebody else did, whose address is not the
    owner's to know.
    """

    user_id: UUID
    reason: EndReason
    session_id: UUID | None = None
    origin: Origin | None = None


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


DeviceType = Literal["mobile", "tablet", "desktop", "bot", "unknown"]


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
    def of(cls, record: Record, current_id: UUID | None) -> "SessionOut":
        address = record["ip_address"]
        return cls(
            id=record["id"],
            ip_address=str(address) if address else None,
            device_type=record["device_type"],
            browser=record["browser"],
            os=record["os"],
            platform=record["platform"],
            login_at=record["login_at"],
            last_activity_at=record["last_activity_at"],
            expires_at=record["idle_expires_at"],
            current=record["id"] == current_id,
        )
