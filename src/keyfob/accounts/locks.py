"""The one lock on an account.

A transaction that changes an account, or rows that belong to it, locks the account first and once,
and passes it on as a value. Until the commit nobody else changes it, and nobody signs in: a
statement that opens a session or begins a pending login shares the lock (FOR SHARE).

All transactions take locks in this order, so that no two can deadlock: the lock on the set of
administrators, if another account is locked afterwards or the last administrator must stay; the
caller's own account; the account that is administered; a waiting sign-up (`lock_waiting`); then
sessions, factors, links, jobs of the outbox and the audit chain.
"""

from uuid import UUID

from keyfob.accounts import credential_queries, queries
from keyfob.accounts.email import Email
from keyfob.accounts.models import Account
from keyfob.core.database import Tx


async def lock(tx: Tx, user_id: UUID) -> Account | None:
    """Return an account, locked until the commit; None if it is gone."""
    return await queries.lock_account(tx, user_id)


async def lock_by_email(tx: Tx, email: Email) -> Account | None:
    """Return the account with an address, locked until the commit; None if there is none."""
    return await queries.lock_account_by_email(tx, email.normal)


async def lock_with_admins(tx: Tx, user_id: UUID) -> Account | None:
    """Lock the set of administrators, then an account, and return the account.

    For changes made by administrators, and for those that may remove the last administrator. None
    if the account is gone.
    """
    await queries.lock_admins(tx)
    return await queries.lock_account(tx, user_id)


async def lock_admins(tx: Tx) -> None:
    """Hold the lock on the administrators, where no account is locked yet."""
    await queries.lock_admins(tx)


async def lock_waiting(tx: Tx, email: Email) -> UUID | None:
    """Return the id of the waiting sign-up with an address, locked; None if there is none."""
    return await credential_queries.lock_waiting(tx, email.normal)
