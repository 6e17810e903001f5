"""Models of the export, only for the API description.

A worker loads them only when OpenAPI is requested: the document is written row by row without them.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from keyfob.accounts.models import Status
from keyfob.authority.models import Role
from keyfob.core.locales import Locale
from keyfob.devices.device import DeviceType
from keyfob.login_log.models import Outcome, Reason
from keyfob.mfa.models import FactorType

BeforeFirstProof = Annotated[
    bool,
    Field(description="From before the first proof of an address: perhaps a stranger's"),
]


class ExportedAccount(BaseModel):
    """The account as stored."""

    id: UUID
    email: Annotated[str, Field(description="As it was typed")]
    email_normal: Annotated[str, Field(description="As it is compared")]
    email_verified_at: datetime | None
    first_proven_at: Annotated[
        datetime | None, Field(description="When an address of the account was first proven")
    ]
    registered_itself: Annotated[bool, Field(description="Otherwise made by an administrator")]
    name: str | None
    role: Role
    status: Status
    locale: Locale
    timezone: str | None
    has_password: bool
    must_change_password: bool
    created_at: datetime
    updated_at: datetime
    last_active_at: datetime | None
    total_active_time: Annotated[int, Field(description="Seconds")]
    erase_at: Annotated[datetime | None, Field(description="When it is to be erased")]


class ExportedFactor(BaseModel):
    """A factor, without its secrets."""

    id: UUID
    type: FactorType
    name: str
    created_at: datetime
    confirmed_at: Annotated[datetime | None, Field(description="null: not confirmed yet")]
    last_used_at: datetime | None
    backed_up: bool | None


class ExportedRole(BaseModel):
    """A further role."""

    role: str
    given_at: datetime
    expires_at: Annotated[datetime | None, Field(description="null: for good")]


class ExportedKey(BaseModel):
    """An API key, valid or ended, without the key itself."""

    id: UUID
    name: str
    scope: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class ExportedConsent(BaseModel):
    """An app that the person lets have something."""

    client_id: UUID
    name: str
    scope: list[str]
    audience: list[str]
    given_at: datetime


class ExportedLink(BaseModel):
    """A sent and unused link, without its token."""

    kind: str
    email: Annotated[str | None, Field(description="The address that it proves")]
    created_at: datetime
    expires_at: datetime


class ExportedJob(BaseModel):
    """A mail or another job that is not done yet."""

    kind: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None
    attempts: int
    failed_at: datetime | None


class _ExportedDevice(BaseModel):
    ip_address: str | None
    device_type: DeviceType
    browser: str | None
    os: str | None
    platform: str | None


class ExportedSignIn(_ExportedDevice):
    """A pending login."""

    amr: list[str]
    created_at: datetime
    expires_at: datetime


class ExportedSession(_ExportedDevice):
    """A session, live or ended."""

    id: UUID
    amr: Annotated[list[str], Field(description="How it was signed in (RFC 8176)")]
    login_at: datetime
    auth_time: datetime
    last_activity_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    before_first_proof: BeforeFirstProof


class ExportedLogin(_ExportedDevice):
    """An attempt to sign in."""

    id: UUID
    at: datetime
    outcome: Outcome
    reason: Reason
    session_id: UUID | None
    before_first_proof: BeforeFirstProof


class ExportedEvent(BaseModel):
    """An event that the person caused, or that concerned the person."""

    position: int
    id: UUID
    at: datetime
    action: str
    by: Literal["you", "an administrator", "the service"]
    about: Literal["you", "somebody else", "the service"]
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None
    ip_address: Annotated[str | None, Field(description="If the person acted")]


class ExportOut(BaseModel):
    """Everything stored about a person, without secrets."""

    exported_at: datetime
    account: ExportedAccount
    factors: list[ExportedFactor]
    recovery_codes_left: int
    roles: Annotated[list[ExportedRole], Field(description="Further roles")]
    api_keys: list[ExportedKey]
    consents: Annotated[list[ExportedConsent], Field(description="What apps may have")]
    links: list[ExportedLink]
    pending_sign_ins: list[ExportedSignIn]
    queued: Annotated[list[ExportedJob], Field(description="Mails and other jobs")]
    sessions: Annotated[list[ExportedSession], Field(description="The oldest first")]
    logins: Annotated[list[ExportedLogin], Field(description="The newest first")]
    audit: Annotated[list[ExportedEvent], Field(description="The newest first")]
