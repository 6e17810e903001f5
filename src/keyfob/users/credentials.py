"""What a link that came by mail does to an account: it proves the address, and sets a password."""

from dataclasses import dataclass
from uuid import UUID

from asyncpg import Record

from keyfob.core.authority import Role
from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.users import credential_queries as queries
from keyfob.users.email import Email
from keyfob.users.models import Locale, Status
from keyfob.users.queries import notify_user_changed


@dataclass(frozen=True)
class Credentials:
    """Changes of password and proof of address. Each joins a transaction that holds the account.

    Whoever holds an account takes its links, factors and sessions after it, so that no two can
    deadlock.
    """

    clock: Clock

    async def hold(self, tx: Tx, user_id: UUID) -> Record | None:
        """Return an account and hold it until the commit; nobody can sign in meanwhile.

        With `id`, `email`, `email_normal`, `name`, `role`, `status`, `locale`, `has_password`,
        `is_verified`, `must_change_password`.
        """
        return await queries.hold_user(tx, user_id)

    async def hold_by_email(self, tx: Tx, email: Email) -> Record | None:
        """Return the account with an address, as `hold` does."""
        return await queries.hold_user_by_email(tx, email.normal)

    async def set_password(self, tx: Tx, user_id: UUID, password_hash: str) -> None:
        """Set a password that the user chose: nobody need ask for another."""
        await queries.set_password_hash(tx, user_id, password_hash, self.clock.now())

    async def verify_email(
        self, tx: Tx, user_id: UUID, *, first_password_hash: str | None = None
    ) -> None:
        """Write that the address is proven; a first password is for an account without any."""
        await queries.set_verified(tx, user_id, first_password_hash, self.clock.now())
        await notify_user_changed(tx, user_id)

    async def rewrite_sign_up(
        self, tx: Tx, user_id: UUID, email: Email, name: str | None, locale: Locale
    ) -> None:
        """Let a newer sign-up, not proven either, take the place of an older one."""
        await queries.rewrite_sign_up(
            tx, user_id, email=email.typed, name=name, locale=locale, now=self.clock.now()
        )


def is_waiting_sign_up(account: Record) -> bool:
    """Tell whether a held account is a sign-up that nobody has proven the address of yet.

    Threat: one that an administrator made for somebody has no password yet either, and perhaps a
    role; a stranger's sign-up must never get near it.
    """
    return (
        not account["has_password"]
        and not account["is_verified"]
        and not account["must_change_password"]
        and account["role"] == Role.USER
        and account["status"] == Status.ACTIVE
    )
