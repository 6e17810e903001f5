"""The one lock on an account.

A transaction that changes an account, or what hangs on it, locks it first and once, and hands it on
as a value. Nobody else changes it before the commit, and nobody signs in meanwhile: what opens a
session, or begins the wait for a factor, shares the lock (FOR SHARE) in its own statement.

Locks are taken in one order, so that no two transactions can deadlock: the say about who
administers, where another account follows or the last administrator must stay; one's own account;
the one that is administered; a sign-up that waits (`lock_waiting`); then sessions, factors, links,
jobs of the outbox and the audit chain.
"""

from uuid import UUID

from keyfob.accounts import credential_queries, queries
from keyfob.accounts.email import Email
from keyfob.accounts.models import Account
from keyfob.core.database import Tx


async def lock(tx: Tx, user_id: UUID) -> Account | None:
    """Return an account and hold it until the commit; None if it is gone."""
    return await queries.lock_account(tx, user_id)


async def lock_by_email(tx: Tx, email: Email) -> Account | None:
    """Return the account with an address, as `lock` does."""
    return await queries.lock_account_by_email(tx, email.normal)


async def lock_with_admins(tx: Tx, user_id: UUID) -> Account | None:
    """Return an account as `lock` does, and have the say about who administers before it.

    For whoever administers, and for what may take the last administrator away.
    """
    await queries.lock_admins(tx)
    return await queries.lock_account(tx, user_id)


async def lock_waiting(tx: Tx, email: Email) -> UUID | None:
    """Return the id of the sign-up that waits with an address, and hold it; else None."""
    return await credential_queries.lock_waiting(tx, email.normal)
