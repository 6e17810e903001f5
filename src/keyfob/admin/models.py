"""Bodies of requests and responses of the admin API."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, field_validator

from keyfob.accounts.email import EmailIn
from keyfob.accounts.models import Name, PasswordIn, Profile, Status, UserOut
from keyfob.audit.models import ListedEvent
from keyfob.authority.models import Role
from keyfob.core.bodies import Body, drop_null
from keyfob.sessions.models import SessionOut


def _drop_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


_ABSENT = Field(default=None, json_schema_extra=_drop_default)
_ABSENT_NOT_NULL = Field(default=None, json_schema_extra=drop_null)


class UserCreate(Body):
    """A new account; without a password, its user is invited by mail to choose one."""

    email: EmailIn
    password: PasswordIn | None = _ABSENT_NOT_NULL
    role: Role = Role.USER
    status: Status = Status.ACTIVE
    name: Name | None = None
    must_change_password: Annotated[
        bool, Field(description="The user has to choose another password at the first sign-in")
    ] = False

    @field_validator("password", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("should not be null; leave it out to invite")
        return value


class UserChange(Body):
    """Changes to an account; absent fields stay as they are. `name: null` clears the name."""

    role: Role | None = _ABSENT_NOT_NULL
    status: Status | None = _ABSENT_NOT_NULL
    email: EmailIn | None = _ABSENT_NOT_NULL
    name: Name | None = _ABSENT

    @field_validator("role", "status", "email", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("should not be null; leave it out instead")
        return value


class UserWithSessions(UserOut):
    """An account with its live sessions."""

    login_sessions: list[SessionOut]

    @classmethod
    def with_sessions(
        cls, user: Profile, sessions: list[SessionOut], now: datetime, online_within: timedelta
    ) -> "UserWithSessions":
        plain = UserOut.of(user, now, online_within)
        return cls(**plain.model_dump(), login_sessions=sessions)


class PartyOut(BaseModel):
    """The actor or the target of an event, by its present name."""

    kind: Literal["user", "client", "resource"]
    email: Annotated[str | None, Field(description="Of a user")]
    name: str | None


class AuditEventOut(BaseModel):
    """One administrative or security event."""

    id: UUID
    position: Annotated[int, Field(description="Place in the chain, without gaps")]
    at: datetime
    action: str
    actor_id: Annotated[UUID | None, Field(description="null: the service or its command line")]
    actor: Annotated[PartyOut | None, Field(description="null: the service, or it is no more")]
    target_id: UUID | None
    target: Annotated[PartyOut | None, Field(description="null: the service, or it is no more")]
    old_values: dict[str, Any]
    new_values: dict[str, Any]
    ip_address: str | None

    @staticmethod
    def values_of(listed: ListedEvent) -> dict[str, Any]:
        event, actor, target = listed
        return {
            **event._asdict(),
            "ip_address": str(event.ip_address) if event.ip_address else None,
            "actor": actor._asdict() if actor else None,
            "target": target._asdict() if target else None,
        }
