"""Adding, changing and deleting accounts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from keyfob.accounts import queries
from keyfob.accounts.changes import Change, Changes, ProfileChanges
from keyfob.accounts.email import LOCAL_DOMAIN, Email
from keyfob.accounts.errors import EmailTaken, LastAdmin, UnprovenRole, UserNotFound
from keyfob.accounts.models import NOT_KEPT, Account, Contact, NewAccount, PlannedErasure, Profile
from keyfob.accounts.profiles import Profiles
from keyfob.authority.models import Role
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.problems import InvalidInput
from keyfob.core.secrets import new_id


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Adds accounts, changes their address, role, status and profile, and deletes them.

    Methods that change an account join the transaction that has it locked (`accounts.locks`).
    Passwords and the verification of addresses belong to `Credentials`.

    `admins_need_proof`: an administrator whose address is not verified cannot administer.
    `takes_local`: accounts may have addresses that no mail from outside reaches.
    """

    db: Database
    clock: Clock
    profiles: Profiles
    admins_need_proof: bool = False
    takes_local: bool = False

    def ensure_fit(self, email: Email) -> None:
        """Refuse an address that no account may get; an account that has it already keeps it.

        Raises:
            InvalidInput: the address imitates another, cannot work, or is local and the settings do
                not allow local addresses.
        """
        why_not = email.why_not_new()
        if email.is_local and not self.takes_local:
            why_not = LOCAL_DOMAIN
        if why_not:
            raise InvalidInput([{"pointer": "/body/email", "detail": why_not}])

    async def get_profile(self, user_id: UUID) -> Profile:
        """Return an account with its activity.

        Raises:
            UserNotFound: there is none with that id.
        """
        profile = await queries.find_profile(self.db, user_id)
        if profile is None:
            raise UserNotFound
        return profile

    async def find_contact(self, db: Executor, user_id: UUID) -> Contact | None:
        """Return the contact data of an account; None if it is gone. `db` may be a transaction."""
        return await queries.find_contact(db, user_id)

    async def has_admin(self) -> bool:
        """Tell whether any administrator exists."""
        return await queries.has_admin(self.db)

    async def add_account(self, tx: Tx, new: NewAccount) -> UUID:
        """Add an account and return its id.

        Raises:
            EmailTaken: another account has the address in its normal form.
        """
        now = self.clock.now()
        user_id = new_id(now)
        if not await queries.insert_user(tx, user_id, new, now):
            raise EmailTaken
        return user_id

    async def change_account(
        self, tx: Tx, before: Account, changes: Changes, *, is_vouched: bool = True
    ) -> Change:
        """Change an account that is locked with the administrators, and return the difference.

        With `is_vouched`, an administrator says whose a new address is.

        Raises:
            EmailTaken: another account has the new address.
            LastAdmin: no administrator who can sign in would be left.
            UnprovenRole: the account would get a higher role, but its owner is not known.
        """
        _ensure_owner_is_known(before, changes.role)
        after = changes.applied_to(before)
        if after.email.normal != before.email.normal:
            after = after._replace(address_unvouched=not is_vouched)
        try:
            changed = await queries.update_user(tx, after, self.admins_need_proof, self.clock.now())
        except asyncpg.UniqueViolationError:
            raise EmailTaken from None
        if not changed:
            raise LastAdmin
        await queries.notify_user_changed(tx, after.id)
        return Change.between(before, after)

    async def change_profile(
        self, tx: Tx, user_id: UUID, changes: ProfileChanges
    ) -> dict[str, str]:
        """Change the profile of a locked account; return the fields that differ, for the audit log.

        Their values are left out, since they could not be erased from the audit chain later.
        """
        self.profiles.forget_after(tx, user_id)
        differ = await queries.update_profile(tx, user_id, changes, self.clock.now())
        return dict.fromkeys(differ, NOT_KEPT)

    async def change_email(self, tx: Tx, user_id: UUID, email: Email) -> None:
        """Give an account an address that was verified.

        Raises:
            EmailTaken: another account has the address; `tx` can then only be rolled back.
        """
        self.profiles.forget_after(tx, user_id)
        try:
            await queries.update_email(tx, user_id, email.typed, email.normal, self.clock.now())
        except asyncpg.UniqueViolationError:
            raise EmailTaken from None

    async def begin_generation(self, tx: Tx, user_id: UUID) -> int:
        """Begin the next generation of an account's tokens and return it; 0 if it is gone.

        The account is locked until the commit, so that nobody can sign in meanwhile.
        """
        return await queries.raise_sub_gen(tx, user_id)

    async def plan_erasure(self, tx: Tx, user_id: UUID, erase_at: datetime) -> PlannedErasure:
        """Set when an account is to be erased, unless that is set; lock it with the administrators.

        Raises:
            LastAdmin: no administrator who can sign in would be left.
        """
        plan = await queries.plan_erasure(tx, user_id, self.admins_need_proof, erase_at)
        if plan is None:
            raise LastAdmin
        if plan.is_new:
            self.profiles.forget_after(tx, user_id)
            await queries.notify_user_changed(tx, user_id)
        return plan

    async def cancel_erasure(self, tx: Tx, user_id: UUID) -> bool:
        """Cancel a planned erasure; False if none was planned."""
        cancelled = await queries.cancel_erasure(tx, user_id)
        if cancelled:
            self.profiles.forget_after(tx, user_id)
            await queries.notify_user_changed(tx, user_id)
        return cancelled

    async def list_due_erasures(self, limit: int, *, but: list[UUID]) -> list[UUID]:
        """Return accounts that are due to be erased, except `but`, the longest overdue first."""
        return await queries.list_due_erasures(self.db, self.clock.now(), limit, but)

    async def ensure_may_go(self, tx: Tx, account: Account) -> None:
        """Check, before any work, that `delete_account` will remove an account; same locks needed.

        Raises:
            LastAdmin: no administrator who can sign in would be left.
        """
        if not await queries.may_go(tx, account.id, self.admins_need_proof):
            raise LastAdmin

    async def delete_account(self, tx: Tx, account: Account) -> None:
        """Remove an account that is locked with the administrators, and all that belongs to it.

        Raises:
            LastAdmin: no administrator who can sign in would be left.
        """
        if not await queries.delete_user(tx, account.id, self.admins_need_proof):
            raise LastAdmin
        await queries.notify_user_changed(tx, account.id)


def _ensure_owner_is_known(account: Account, role: Role | None) -> None:
    """Refuse a higher role for an account whose owner nobody knows (`Account.owner_is_unknown`).

    Threat: a stranger signs up with somebody else's address, and an administrator promotes the
    account, believing it to be that person's.
    """
    if role and account.owner_is_unknown and not account.role.includes(role):
        raise UnprovenRole
