"""Adding and changing accounts."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from keyfob.accounts import queries
from keyfob.accounts.email import LOCAL_DOMAIN, Email
from keyfob.accounts.errors import EmailTaken, LastAdmin, UnprovenRole, UserNotFound
from keyfob.accounts.models import NOT_KEPT, Account, Profile, SignInAccount, Status
from keyfob.core.authority import Role
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.locales import Locale
from keyfob.core.problems import InvalidInput
from keyfob.core.secrets import new_id
from keyfob.core.telemetry import mask_email


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


@dataclass(frozen=True)
class Users:
    """The accounts. Where addresses are to be proven, one that is not opens nothing.

    `takes_local`: an account may have an address that no mail from outside reaches.
    """

    db: Database
    clock: Clock
    requires_verified: bool = False
    takes_local: bool = False

    def ensure_fit(self, email: Email) -> None:
        """Refuse an address that no account is to get; who has one already keeps it.

        Raises:
            InvalidInput: it passes for another's, no mail can be addressed to it, or none from
                outside reaches it and the settings do not take such.
        """
        why_not = email.why_not_new()
        if email.is_local and not self.takes_local:
            why_not = LOCAL_DOMAIN
        if why_not:
            raise InvalidInput([{"pointer": "/body/email", "detail": why_not}])

    async def get(self, user_id: UUID) -> Profile:
        """Return an account with its activity.

        Raises:
            UserNotFound: there is none with that id.
        """
        profile = await queries.find_profile(self.db, user_id)
        if profile is None:
            raise UserNotFound
        return profile

    async def find_credentials(self, email: Email) -> SignInAccount | None:
        """Return what a sign-in reads of the account with that address."""
        return await queries.find_credentials(self.db, email.normal, self.requires_verified)

    async def improve_hash(self, tx: Tx, user_id: UUID, old: str, new: str) -> bool:
        """Keep a better hash of the same password; False if the hash is another by now."""
        return await queries.update_password_hash(tx, user_id, old, new)

    async def has_admin(self) -> bool:
        """Tell whether any administrator exists."""
        return await queries.has_admin(self.db)

    async def add(
        self,
        tx: Tx,
        email: Email,
        password_hash: str | None,
        *,
        name: str | None = None,
        role: Role = Role.USER,
        status: Status = Status.ACTIVE,
        locale: Locale = Locale.ENGLISH,
        registered_itself: bool = False,
        is_verified: bool = False,
        must_change_password: bool = False,
    ) -> UUID:
        """Add an account and return its id.

        `registered_itself`: nobody but whoever typed the address says whose it is.
        `must_change_password` also marks an account that was made for somebody who has not chosen
        a password yet.

        Raises:
            EmailTaken: the address, in its normal form, has one.
        """
        now = self.clock.now()
        user_id = new_id(now)
        added = await queries.insert_user(
            tx,
            user_id=user_id,
            email=email.typed,
            email_normal=email.normal,
            name=name,
            role=role,
            status=status,
            password_hash=password_hash,
            locale=locale,
            is_verified=is_verified,
            registered_itself=registered_itself,
            must_change_password=must_change_password,
            now=now,
        )
        if not added:
            raise EmailTaken
        return user_id

    async def begin_generation(self, tx: Tx, user_id: UUID) -> int:
        """Begin the next generation of an account's tokens and return it; 0 if it is gone.

        It is held until the commit: nobody can sign in meanwhile.
        """
        return await queries.raise_sub_gen(tx, user_id)

    async def change(self, tx: Tx, before: Account, changes: Changes) -> Change:
        """Change an account that is locked with the administrators, and return what differs.

        Raises:
            EmailTaken: the new address has an account.
            LastAdmin: nobody would be left who can sign in and administer.
            UnprovenRole: the account would get a role, and nobody knows whose it is.
        """
        _ensure_owner_is_known(before, changes.role)
        after = changes.applied_to(before)
        try:
            changed = await queries.update_user(tx, after, self.requires_verified, self.clock.now())
        except asyncpg.UniqueViolationError:
            raise EmailTaken from None
        if not changed:
            raise LastAdmin
        await queries.notify_user_changed(tx, after.id)
        return _difference(before, after)

    async def ensure_may_go(self, tx: Tx, account: Account) -> None:
        """Refuse, before any work, an account that `delete` would refuse; it is locked likewise.

        Raises:
            LastAdmin: nobody would be left who can sign in and administer.
        """
        if not await queries.may_go(tx, account.id, self.requires_verified):
            raise LastAdmin

    async def delete(self, tx: Tx, account: Account) -> None:
        """Remove an account that is locked with the administrators, and all that hangs on it.

        Raises:
            LastAdmin: nobody would be left who can sign in and administer.
        """
        if not await queries.delete_user(tx, account.id, self.requires_verified):
            raise LastAdmin
        await queries.notify_user_changed(tx, account.id)


def _ensure_owner_is_known(account: Account, role: Role | None) -> None:
    """Refuse a higher role for an account that registered itself and has proven no address.

    Threat: a stranger signs up with somebody's address, and the administrator promotes that
    somebody.
    """
    if role and account.owner_is_unknown and not account.role.includes(role):
        raise UnprovenRole


def _difference(before: Account, after: Account) -> Change:
    """Keep what differs; an address is masked and a name only marked, for erasure's sake."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    if before.role is not after.role:
        old["role"], new["role"] = before.role, after.role
    if before.status is not after.status:
        old["status"], new["status"] = before.status, after.status
    if before.email.typed != after.email.typed:
        old["email"], new["email"] = mask_email(before.email.typed), mask_email(after.email.typed)
    if before.name != after.name:
        old["name"], new["name"] = NOT_KEPT, NOT_KEPT
    return Change(old, new, after)
