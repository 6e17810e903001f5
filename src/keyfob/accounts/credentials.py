"""An account's password, and the verification of its address."""

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
    """Reads and sets passwords, marks addresses as verified, and removes waiting sign-ups.

    Methods that change an account join the transaction that has it locked (`accounts.locks`).

    `requires_verified`: nobody can sign in to an account whose address is not verified.
    """

    db: Database
    clock: Clock
    requires_verified: bool = False

    async def find_for_sign_in(self, email: Email) -> SignInAccount | None:
        """Return what a sign-in needs of the account with that address; None if there is none."""
        return await queries.find_for_sign_in(self.db, email.normal, self.requires_verified)

    async def find_address_owner(self, email: Email) -> AddressOwner | None:
        """Return the account that has an address, without locking it; None if there is none."""
        return await queries.find_address_owner(self.db, email.normal)

    async def find_unlocked(self, user_id: UUID) -> UnlockedAccount | None:
        """Return an account without locking it; None if it is gone."""
        return await queries.find_unlocked(self.db, user_id)

    async def set_password(self, tx: Tx, user_id: UUID, password_hash: str) -> None:
        """Set a password that the user chose, so that it need not be changed any more."""
        await queries.set_password_hash(tx, user_id, password_hash, self.clock.now())

    async def replace_password(self, tx: Tx, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Replace the password that was checked by a new one; False if it has changed since."""
        return await queries.replace_password(tx, user_id, old_hash, new_hash, self.clock.now())

    async def improve_hash(self, tx: Tx, user_id: UUID, old: str, new: str) -> bool:
        """Store a better hash of the same password; False if the hash has changed since."""
        return await queries.update_password_hash(tx, user_id, old, new)

    async def forget_password(self, tx: Tx, user_id: UUID) -> bool:
        """Remove an account's password; False if it had none."""
        return await queries.delete_password_hash(tx, user_id, self.clock.now())

    async def take_sign_up(
        self, tx: Tx, user_id: UUID, password_hash: str, sign_up: SignUp | None
    ) -> bool:
        """Give an account a password that was checked, and the other choices of its sign-up.

        Returns True also if the password is the account's already; False if it has another by now.

        Args:
            tx: the transaction that has the account locked.
            user_id: the id of the account.
            password_hash: the hash that the password was checked against.
            sign_up: the sign-up that the password came with; None if it is the account's own.
        """
        return await queries.take_sign_up(tx, user_id, password_hash, sign_up)

    async def mark_verified(self, tx: Tx, user_id: UUID) -> None:
        """Mark the address as verified and keep everything in the account."""
        await queries.set_verified(tx, user_id, self.clock.now())
        await notify_user_changed(tx, user_id)

    async def start_afresh(self, tx: Tx, user_id: UUID, locale: Locale) -> Forgotten | None:
        """Record the first proof of an account's address and remove what others may have typed.

        Removed are the password, with the demand to change it, and a planned erasure. The name, the
        time zone, the spelling of the address and the language are removed as well, unless only an
        administrator can have set them; the language becomes `locale`, that of whoever proves the
        address. Returns whether there was a password, an erasure and a name to remove. Returns
        None, and changes nothing, if the address was proven before.
        """
        ended = await queries.start_afresh(tx, user_id, locale, self.clock.now())
        if ended is not None:
            await notify_user_changed(tx, user_id)
        return ended

    async def is_waiting(self, user_id: UUID) -> bool:
        """Tell whether an account is a waiting sign-up."""
        return await queries.is_waiting(self.db, user_id)

    async def remove_waiting(
        self, tx: Tx, user_id: UUID, *, dead_for: timedelta | None = None
    ) -> bool:
        """Remove a locked sign-up, with its links; False if it no longer waits.

        With `dead_for`, only if all its links have been invalid for so long.
        """
        before = self.clock.now() - dead_for if dead_for is not None else None
        removed = await queries.delete_waiting(tx, user_id, before)
        if removed:
            await notify_user_changed(tx, user_id)
        return removed

    async def list_abandoned(self, dead_for: timedelta, limit: int) -> list[UUID]:
        """Return waiting sign-ups whose last link has been invalid for so long, oldest first."""
        return await queries.list_abandoned(self.db, self.clock.now() - dead_for, limit)
