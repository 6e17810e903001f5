"""The password of an account, and the proof of its address."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from keyfob.accounts import credential_queries as queries
from keyfob.accounts.email import Email
from keyfob.accounts.models import AddressOwner, Forgotten, SignInAccount, SignUp, UnlockedAccount
from keyfob.accounts.queries import notify_user_changed
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.locales import Locale


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Reads and sets passwords, marks addresses as proven, and removes sign-ups that wait for that.

    What changes an account joins a transaction that holds it (`accounts.locks`).

    `requires_verified`: an account whose address is not proven opens nothing.
    """

    db: Database
    clock: Clock
    requires_verified: bool = False

    async def find_for_sign_in(self, email: Email) -> SignInAccount | None:
        """Return what a sign-in reads of the account with that address."""
        return await queries.find_for_sign_in(self.db, email.normal, self.requires_verified)

    async def find_address_owner(self, email: Email) -> AddressOwner | None:
        """Return whose an address is, without holding the account."""
        return await queries.find_address_owner(self.db, email.normal)

    async def find_unlocked(self, user_id: UUID) -> UnlockedAccount | None:
        """Return an account without holding it; None if it is gone."""
        return await queries.find_unlocked(self.db, user_id)

    async def set_password(self, tx: Tx, user_id: UUID, password_hash: str) -> None:
        """Set a password that the user chose: nobody need ask for another."""
        await queries.set_password_hash(tx, user_id, password_hash, self.clock.now())

    async def replace_password(self, tx: Tx, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Set a password in the place of the one that was proven; False if it is another by now."""
        return await queries.replace_password(tx, user_id, old_hash, new_hash, self.clock.now())

    async def improve_hash(self, tx: Tx, user_id: UUID, old: str, new: str) -> bool:
        """Keep a better hash of the same password; False if the hash is another by now."""
        return await queries.update_password_hash(tx, user_id, old, new)

    async def forget_password(self, tx: Tx, user_id: UUID) -> bool:
        """Leave an account without a password; False if it had none."""
        return await queries.delete_password_hash(tx, user_id, self.clock.now())

    async def take_sign_up(
        self, tx: Tx, user_id: UUID, password_hash: str, sign_up: SignUp | None
    ) -> bool:
        """Make a password that was checked the account's, with what its sign-up chose.

        True as well where it is the account's own already; False if that is another by now.

        Args:
            tx: the transaction that holds the account.
            user_id: whose it is.
            password_hash: what the password was checked against.
            sign_up: what it came with, if it is not the account's own.
        """
        return await queries.take_sign_up(tx, user_id, password_hash, sign_up)

    async def mark_verified(self, tx: Tx, user_id: UUID) -> None:
        """Write that the address is proven; what is there stays."""
        await queries.set_verified(tx, user_id, self.clock.now())
        await notify_user_changed(tx, user_id)

    async def start_afresh(self, tx: Tx, user_id: UUID, locale: Locale) -> Forgotten | None:
        """Write the first proof of an account, and forget what others may have typed into it.

        The password goes, and that it must be changed; a planned erasure; and unless an
        administrator alone can have typed them the name, the time zone and the spelling of the
        address, and the language is the prover's `locale`. Returns `password`, `erasure` and
        `name`: whether there was one to end. None if the account was proven before, which changes
        nothing.
        """
        ended = await queries.start_afresh(tx, user_id, locale, self.clock.now())
        if ended is not None:
            await notify_user_changed(tx, user_id)
        return ended

    async def is_waiting(self, user_id: UUID) -> bool:
        """Tell whether an account is a sign-up that waits."""
        return await queries.is_waiting(self.db, user_id)

    async def remove_waiting(
        self, tx: Tx, user_id: UUID, *, dead_for: timedelta | None = None
    ) -> bool:
        """Remove a held sign-up, with its links; False if it waits no longer.

        With `dead_for` also where a link of it has lived since.
        """
        before = self.clock.now() - dead_for if dead_for is not None else None
        removed = await queries.delete_waiting(tx, user_id, before)
        if removed:
            await notify_user_changed(tx, user_id)
        return removed

    async def list_abandoned(self, dead_for: timedelta, limit: int) -> list[UUID]:
        """Return sign-ups that wait and whose last link died so long ago, the oldest first."""
        return await queries.list_abandoned(self.db, self.clock.now() - dead_for, limit)
