"""Accounts, as transactions see them and as the API shows them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from keyfob.accounts.email import Email
from keyfob.authority.models import Role
from keyfob.core.locales import Locale
from keyfob.core.text import NoControlCharacters

# Stands in the audit log for values that could not be erased from it later.
NOT_KEPT = "(not kept)"


class Status(StrEnum):
    """The status of an account; only active ones may sign in."""

    ACTIVE = "active"
    BLOCKED = "blocked"


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    Field(examples=["Ada Lovelace"]),
    NoControlCharacters(),
]


# The password policy counts code points; this bounds what is read at all.
PasswordIn = Annotated[
    SecretStr,
    Field(min_length=1, max_length=4096, examples=["correct horse"]),
    NoControlCharacters(),
]


class SignUp(NamedTuple):
    """The choices of somebody who signed up; the account gets them with this very password."""

    email: Email
    password_hash: str
    name: str | None
    locale: Locale


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """The values that an account begins with.

    `registered_itself`: only the person who typed the address says whose it is.
    `address_unvouched`: it has a password, and no administrator says whose it is.
    `must_change_password`: also set if an administrator made the account and its user has not
    chosen a password yet.
    """

    email: Email
    password_hash: str | None = None
    name: str | None = None
    role: Role = Role.USER
    status: Status = Status.ACTIVE
    locale: Locale = Locale.ENGLISH
    registered_itself: bool = False
    address_unvouched: bool = False
    is_verified: bool = False
    must_change_password: bool = False


class Account(NamedTuple):
    """An account that a transaction has locked (`accounts.locks`)."""

    id: UUID
    email: Email
    name: str | None
    locale: Locale
    role: Role
    status: Status
    password_hash: str | None
    is_verified: bool
    was_proven: bool  # at this address or another
    registered_itself: bool
    address_unvouched: bool  # typed by nobody of an administrator's rank
    must_change_password: bool
    erase_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Tell whether the account is not blocked."""
        return self.status is Status.ACTIVE

    def is_to_be_erased(self, now: datetime) -> bool:
        """Tell whether its owner asked for erasure and the grace period is over."""
        return self.erase_at is not None and self.erase_at <= now

    @property
    def owner_is_unknown(self) -> bool:
        """Tell whether nobody but the one who typed the address says whose it is.

        Threat: a program, or whoever may write users, makes an account at somebody's address with a
        password of its own, or moves its own there, and waits until an administrator gives it a
        role.
        """
        is_strangers = self.registered_itself and not self.was_proven
        return is_strangers or (self.address_unvouched and not self.is_verified)

    @property
    def is_waiting_sign_up(self) -> bool:
        """Tell whether it is a sign-up whose address nobody has verified yet.

        It has no password, so it never had a session. Threat: an account that an administrator made
        for somebody may have no password yet either, and perhaps a role; a stranger's sign-up must
        never be mixed up with it.
        """
        return (
            self.registered_itself
            and not self.was_proven
            and self.password_hash is None
            and not self.must_change_password
            and self.role is Role.USER
            and self.is_active
        )


class UnlockedAccount(NamedTuple):
    """An account as read before slow work; it is read again once it is locked.

    The hash is included even if nobody may sign in before the address is verified.
    """

    id: UUID
    email: Email
    name: str | None
    password_hash: str | None
    was_proven: bool


class SignInAccount(NamedTuple):
    """The parts of an account that a sign-in needs."""

    id: UUID
    status: Status
    password_hash: str | None
    waits_for_email: bool
    has_factor: bool


class Contact(NamedTuple):
    """The address, name and language for a mail to an account."""

    id: UUID
    email: Email
    name: str | None
    locale: Locale
    is_verified: bool


class AddressOwner(NamedTuple):
    """The account that an address belongs to.

    `is_strangers`: the account registered itself and has never proven an address.
    """

    id: UUID
    is_verified: bool
    is_strangers: bool
    status: Status


class Forgotten(NamedTuple):
    """The values that were removed when an account started afresh."""

    password: bool
    erasure: bool
    name: bool


class PlannedErasure(NamedTuple):
    """The time when an account is to be erased; `is_new` if it was set only now."""

    erase_at: datetime
    is_new: bool


class Profile(NamedTuple):
    """An account with its activity; `last_active_at` is None if it never had a session."""

    id: UUID
    email: str
    email_verified: bool
    name: str | None
    role: Role
    status: Status
    locale: Locale
    timezone: str | None
    created_at: datetime
    erase_at: datetime | None
    last_active_at: datetime | None
    total_active_seconds: float


class UserOut(BaseModel):
    """An account with its activity."""

    id: UUID
    email: str
    email_verified: Annotated[bool, Field(description="Whether the address is verified")]
    name: str | None
    role: Role
    status: Status
    locale: Annotated[Locale, Field(description="The language of mails")]
    timezone: Annotated[str | None, Field(description="Of the IANA database")]
    created_at: datetime
    last_active_at: datetime | None
    online: Annotated[bool, Field(description="Active within the last five minutes")]
    total_active_time: Annotated[int, Field(description="Seconds of activity in all")]

    @classmethod
    def of(cls, profile: Profile, now: datetime, online_within: timedelta) -> "UserOut":
        return cls(**cls.values_of(profile, now, online_within))

    @staticmethod
    def values_of(profile: Profile, now: datetime, online_within: timedelta) -> dict[str, Any]:
        last_active = profile.last_active_at
        return {
            "id": profile.id,
            "email": profile.email,
            "email_verified": profile.email_verified,
            "name": profile.name,
            "role": profile.role,
            "status": profile.status,
            "locale": profile.locale,
            "timezone": profile.timezone,
            "created_at": profile.created_at,
            "last_active_at": last_active,
            "online": last_active is not None and last_active > now - online_within,
            "total_active_time": int(profile.total_active_seconds),
        }


class OwnUserOut(UserOut):
    """The caller's own account."""

    erase_at: Annotated[
        datetime | None, Field(description="When it is erased, if its owner asked for that")
    ]

    @classmethod
    def of_own(cls, profile: Profile, now: datetime, online_within: timedelta) -> "OwnUserOut":
        user = UserOut.of(profile, now, online_within)
        return cls(**user.model_dump(), erase_at=profile.erase_at)
