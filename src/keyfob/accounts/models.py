"""The user, as the API shows one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from keyfob.accounts.email import Email
from keyfob.authority.models import Role
from keyfob.core.locales import Locale
from keyfob.core.text import NoControlCharacters

# In the place of what erasure could not take out of the audit log again.
NOT_KEPT = "(not kept)"


class Status(StrEnum):
    """Whether an account may sign in."""

    ACTIVE = "active"
    BLOCKED = "blocked"


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    Field(examples=["Ada Lovelace"]),
    NoControlCharacters(),
]


# Length in code points is the password policy's business; this bounds what is read at all.
PasswordIn = Annotated[
    SecretStr,
    Field(min_length=1, max_length=4096, examples=["correct horse"]),
    NoControlCharacters(),
]


class SignUp(NamedTuple):
    """What somebody chose who signed up, and what becomes the account's with this very password."""

    email: Email
    password_hash: str
    name: str | None
    locale: str


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """What an account begins with.

    `registered_itself`: nobody but whoever typed the address says whose it is.
    `must_change_password` also marks an account that was made for somebody who has not chosen a
    password yet.
    """

    email: Email
    password_hash: str | None = None
    name: str | None = None
    role: Role = Role.USER
    status: Status = Status.ACTIVE
    locale: Locale = Locale.ENGLISH
    registered_itself: bool = False
    is_verified: bool = False
    must_change_password: bool = False


class Account(NamedTuple):
    """An account that a transaction holds (`accounts.locks`)."""

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
    must_change_password: bool
    erase_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Tell whether it is not blocked."""
        return self.status is Status.ACTIVE

    def is_to_be_erased(self, now: datetime) -> bool:
        """Tell whether its owner wished so, and the time of grace is over."""
        return self.erase_at is not None and self.erase_at <= now

    @property
    def owner_is_unknown(self) -> bool:
        """Tell whether nobody but whoever typed the address says whose it is."""
        return self.registered_itself and not self.was_proven

    @property
    def is_waiting_sign_up(self) -> bool:
        """Tell whether it is a sign-up that nobody has proven the address of yet.

        It has no password, so it never had a session. Threat: one that an administrator made for
        somebody has no password yet either, and perhaps a role; a stranger's sign-up must never get
        near it.
        """
        return (
            self.owner_is_unknown
            and self.password_hash is None
            and not self.must_change_password
            and self.role is Role.USER
            and self.is_active
        )


class UnlockedAccount(NamedTuple):
    """What is read of an account before something slow, and asked again once it is held.

    The hash also where nobody may sign in before the proof of the address.
    """

    id: UUID
    email: Email
    name: str | None
    password_hash: str | None
    was_proven: bool


class SignInAccount(NamedTuple):
    """What a sign-in reads of an account.

    There is no hash, and so no password that matches, while it `waits_for_email`: the address is to
    be proven first.
    """

    id: UUID
    status: Status
    password_hash: str | None
    waits_for_email: bool
    has_factor: bool


class Contact(NamedTuple):
    """How to write to an account."""

    email: str
    name: str | None
    locale: Locale
    is_verified: bool


class AddressOwner(NamedTuple):
    """Whose an address is.

    `is_strangers`: whoever registered it has proven no address yet.
    """

    id: UUID
    is_verified: bool
    is_strangers: bool
    status: Status


class Forgotten(NamedTuple):
    """What was there of an account that starts afresh."""

    password: bool
    erasure: bool
    name: bool


class PlannedErasure(NamedTuple):
    """When an account is to be erased, and whether that was said only now."""

    erase_at: datetime
    is_new: bool


class Profile(NamedTuple):
    """An account with its activity; `last_active_at` None: it was never signed in."""

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
    email_verified: Annotated[bool, Field(description="Whether the address was proven")]
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
        last_active = profile.last_active_at
        return cls(
            id=profile.id,
            email=profile.email,
            email_verified=profile.email_verified,
            name=profile.name,
            role=profile.role,
            status=profile.status,
            locale=profile.locale,
            timezone=profile.timezone,
            created_at=profile.created_at,
            last_active_at=last_active,
            online=last_active is not None and last_active > now - online_within,
            total_active_time=int(profile.total_active_seconds),
        )


class OwnUserOut(UserOut):
    """The caller's own account."""

    erase_at: Annotated[
        datetime | None, Field(description="When it is erased, where its owner asked for that")
    ]

    @classmethod
    def of_own(cls, profile: Profile, now: datetime, online_within: timedelta) -> "OwnUserOut":
        user = UserOut.of(profile, now, online_within)
        return cls(**user.model_dump(), erase_at=profile.erase_at)
