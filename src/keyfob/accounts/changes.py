"""What is changed of an account, and what differs then."""

from dataclasses import dataclass, field
from typing import Any

from keyfob.accounts.email import Email
from keyfob.accounts.models import NOT_KEPT, Account, Status
from keyfob.authority.models import Role
from keyfob.core.telemetry import mask_email


@dataclass(frozen=True)
class ProfileChanges:
    """What to change of a profile; None of a field that is not in `sets` leaves it as it is."""

    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    sets: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Changes:
    """What to change of an account; None leaves it as it is, except `name` where `clears_name`."""

    role: Role | None = None
    status: Status | None = None
    name: str | None = None
    email: Email | None = None
    clears_name: bool = False

    def concern_access(self, account: Account) -> bool:
        """Tell whether they give an account another role, status or address, not a name alone."""
        return bool(
            (self.role and self.role != account.role)
            or (self.status and self.status != account.status)
            or (self.email and self.email.typed != account.email.typed)
        )

    def applied_to(self, account: Account) -> Account:
        """Return the account as it is after them: another address is unproven."""
        email = self.email or account.email
        return account._replace(
            role=self.role or account.role,
            status=self.status or account.status,
            name=self.name if self.clears_name or self.name else account.name,
            email=email,
            is_verified=account.is_verified and email.normal == account.email.normal,
        )


@dataclass(frozen=True)
class Change:
    """What differs, without personal data for the audit log; and the account as it is now."""

    old: dict[str, Any]
    new: dict[str, Any]
    account: Account

    @classmethod
    def between(cls, before: Account, after: Account) -> "Change":
        """Keep what differs; an address is masked and a name only marked, for erasure's sake."""
        old: dict[str, Any] = {}
        new: dict[str, Any] = {}
        if before.role is not after.role:
            old["role"], new["role"] = before.role, after.role
        if before.status is not after.status:
            old["status"], new["status"] = before.status, after.status
        if before.email.typed != after.email.typed:
            old["email"] = mask_email(before.email.typed)
            new["email"] = mask_email(after.email.typed)
        if before.name != after.name:
            old["name"], new["name"] = NOT_KEPT, NOT_KEPT
        return cls(old, new, after)
