"""Changes to an account or a profile, and the difference that they make."""

from dataclasses import dataclass, field
from typing import Any

from keyfob.accounts.email import Email
from keyfob.accounts.models import NOT_KEPT, Account, Status
from keyfob.authority.models import Role
from keyfob.core.locales import Locale
from keyfob.core.telemetry import mask_email


@dataclass(frozen=True)
class ProfileChanges:
    """Changes to a profile; None leaves a field as it is, unless `sets` names the field."""

    name: str | None = None
    locale: Locale | None = None
    timezone: str | None = None
    sets: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Changes:
    """Changes to an account; None leaves a field as it is, but `clears_name` clears the name."""

    role: Role | None = None
    status: Status | None = None
    name: str | None = None
    email: Email | None = None
    clears_name: bool = False

    def concern_access(self, account: Account) -> bool:
        """Tell whether the role, the status or the address would change, and not the name alone."""
        return bool(
            (self.role and self.role != account.role)
            or (self.status and self.status != account.status)
            or (self.email and self.email.typed != account.email.typed)
        )

    def applied_to(self, account: Account) -> Account:
        """Return the account as it is after the changes; a new address is not verified yet."""
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
    """The difference that a change made, without personal data, and the account as it is now."""

    old: dict[str, Any]
    new: dict[str, Any]
    account: Account

    @classmethod
    def between(cls, before: Account, after: Account) -> "Change":
        """Return the difference for the audit log, from which nothing can be erased later.

        Addresses are masked, and names only marked.
        """
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
