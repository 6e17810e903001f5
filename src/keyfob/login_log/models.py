"""The login log, as it is written and as the API shows it."""

from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field

from keyfob.devices.device import DeviceType


class Outcome(StrEnum):
    """The outcome of an attempt; or the end of sessions, which earlier attempts had opened."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    ENDED = "ended"


class Reason(StrEnum):
    """The reason of an outcome, or of an end of sessions: each `EndReason` is one, too."""

    PASSWORD = "password"  # noqa: S105 - a reason, no secret
    PASSWORD_AND_CODE = "password_and_code"  # noqa: S105 - a reason, no secret
    PASSWORD_AND_RECOVERY_CODE = "password_and_recovery_code"  # noqa: S105 - likewise
    PASSWORD_AND_PASSKEY = "password_and_passkey"  # noqa: S105 - likewise
    PASSKEY = "passkey"
    REAUTHENTICATED = "reauthenticated"
    REGISTERED = "registered"
    UNKNOWN_EMAIL = "unknown_email"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason, no secret
    WRONG_FACTOR = "wrong_factor"
    FACTOR_NOT_SHOWN = "factor_not_shown"
    WRONG_PASSKEY = "wrong_passkey"
    BLOCKED = "account_blocked"
    THROTTLED = "too_many_attempts"
    CLIENT_LEFT = "client_left"
    UNVERIFIED = "email_not_verified"
    PASSWORD_CHANGE_REQUIRED = "password_change_required"  # noqa: S105 - a reason, no secret
    RECOVERED = "recovered"
    LOGOUT = "logout"
    LOGOUT_EVERYWHERE = "logout_everywhere"
    ENDED_BY_OWNER = "ended_by_owner"
    ENDED_BY_ADMIN = "ended_by_admin"
    FACTORS_RESET = "factors_reset"
    ACCOUNT_BLOCKED = "blocked"
    DELETED = "deleted"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, no secret
    PASSWORD_RECOVERED = "password_recovered"  # noqa: S105 - likewise
    ADDRESS_PROVEN = "address_proven"
    ADDRESS_MOVED = "address_moved"
    REUSE = "reuse"
    TOO_MANY_SESSIONS = "too_many_sessions"
    ENDED_BY_CLIENT = "ended_by_client"


class Seen(NamedTuple):
    """Earlier sign-ins of an account: from this network, from such a device, at all."""

    network: bool = False
    device: bool = False
    ever: bool = False


class LoggedAttempt(NamedTuple):
    """A line of the login log, for reading; `email` is the account's, or the masked one logged.

    `name` and `email` of an account are the present ones.
    """

    id: UUID
    at: datetime
    outcome: Outcome
    reason: Reason
    user_id: UUID | None
    email: str | None
    name: str | None
    ip_address: IPv4Address | IPv6Address | None
    device_type: DeviceType
    browser: str | None
    os: str | None
    platform: str | None
    session_id: UUID | None


class LoginFilter(NamedTuple):
    """The lines to list; None means any. They are from `since` on, and from before `until`."""

    user_id: UUID | None = None
    outcome: Outcome | None = None
    reason: Reason | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    browser: str | None = None
    os: str | None = None


class LoginEventOut(BaseModel):
    """One attempt to sign in, or an end of sessions."""

    id: UUID
    at: datetime
    outcome: Outcome
    reason: Reason
    user_id: UUID | None
    email: Annotated[str | None, Field(description="Masked if no account matched")]
    name: str | None
    ip_address: str | None
    device_type: DeviceType
    browser: str | None
    os: str | None
    platform: str | None
    session_id: Annotated[
        UUID | None, Field(description="null if several sessions ended, usually all")
    ]

    @staticmethod
    def values_of(attempt: LoggedAttempt) -> dict[str, Any]:
        address = str(attempt.ip_address) if attempt.ip_address else None
        return {**attempt._asdict(), "ip_address": address}
