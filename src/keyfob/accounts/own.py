"""What users change of their own accounts."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from keyfob.accounts import own_queries, queries
from keyfob.accounts.email import Email
from keyfob.accounts.errors import EmailTaken, LastAdmin
from keyfob.accounts.models import NOT_KEPT, PlannedErasure, UnlockedAccount
from keyfob.accounts.profiles import Profiles
from keyfob.core.clock import Clock
from keyfob.core.database import Executor, Tx


@dataclass(frozen=True)
class ProfileChanges:
    """What to change of a profile; None of a field that is not in `sets` leaves it as it is."""

    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    sets: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class OwnAccounts:
    """Accounts, as their owners change them. Everything but `find` joins a transaction.

    `requires_verified`: one whose address is not proven opens nothing.
    """

    profiles: Profiles
    clock: Clock
    requires_verified: bool = False

    async def find(self, db: Executor, user_id: UUID) -> UnlockedAccount | None:
        """Return an account without holding it; None if it is gone."""
        return await queries.find_unlocked(db, user_id)

    async def change_profile(
        self, tx: Tx, user_id: UUID, changes: ProfileChanges
    ) -> dict[str, str]:
        """Change the profile of an account that is held; return what differs, for the audit log.

        The fields are only marked: erasure could not take out of the chain what they say.
        """
        self.profiles.forget_after(tx, user_id)
        differ = await own_queries.update_profile(
            tx,
            user_id,
            name=changes.name,
            sets_name="name" in changes.sets,
            locale=changes.locale,
            timezone=changes.timezone,
            sets_timezone="timezone" in changes.sets,
            now=self.clock.now(),
        )
        return dict.fromkeys(differ, NOT_KEPT)

    async def replace_password(self, tx: Tx, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Set a password in the place of the one that was proven; False if it is another by now."""
        return await own_queries.replace_password(tx, user_id, old_hash, new_hash, self.clock.now())

    async def change_email(self, tx: Tx, user_id: UUID, email: Email) -> None:
        """Give an account an address that was proven.

        Raises:
            EmailTaken: the address has an account; `tx` can only be rolled back then.
        """
        self.profiles.forget_after(tx, user_id)
        try:
            await own_queries.update_email(tx, user_id, email.typed, email.normal, self.clock.now())
        except asyncpg.UniqueViolationError:
            raise EmailTaken from None

    async def plan_erasure(self, tx: Tx, user_id: UUID, erase_at: datetime) -> PlannedErasure:
        """Say when an account is to be erased, unless it was said before; lock it with the admins.

        Raises:
            LastAdmin: nobody would be left who can sign in and administer.
        """
        plan = await own_queries.plan_erasure(tx, user_id, self.requires_verified, erase_at)
        if plan is None:
            raise LastAdmin
        if plan.is_new:
            self.profiles.forget_after(tx, user_id)
            await queries.notify_user_changed(tx, user_id)
        return plan

    async def cancel_erasure(self, tx: Tx, user_id: UUID) -> bool:
        """Let an account stay; False if it was not to be erased."""
        cancelled = await own_queries.cancel_erasure(tx, user_id)
        if cancelled:
            self.profiles.forget_after(tx, user_id)
            await queries.notify_user_changed(tx, user_id)
        return cancelled

    async def list_due(self, db: Executor, limit: int, *, but: list[UUID]) -> list[UUID]:
        """Return whose time to be erased has come, the longest waiting first, but for some."""
        return await own_queries.list_due(db, self.clock.now(), limit, but)
