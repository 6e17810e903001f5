"""SQL of the locks on accounts."""

from uuid import UUID

from asyncpg import Record

from keyfob.accounts.email import Email
from keyfob.accounts.models import Account, Status
from keyfob.core.authority import Role
from keyfob.core.database import Tx
from keyfob.core.locales import Locale

_ACCOUNT = """
    SELECT id, email, email_normal, name, locale, role, status, password_hash,
           email_verified_at IS NOT NULL AS is_verified, first_proven_at IS NOT NULL AS was_proven,
           registered_itself, must_change_password, erase_at
      FROM users
"""
# Any constant that no other advisory lock of ours uses.
_ADMINS_LOCK = 0x6B66_6164


async def lock(tx: Tx, user_id: UUID) -> Account | None:
    """Return the account and hold it until the commit."""
    row = await tx.fetchrow(f"{_ACCOUNT} WHERE id = $1 FOR UPDATE", user_id)
    return _account(row) if row else None


async def lock_by_email(tx: Tx, email_normal: str) -> Account | None:
    """Return the account with that address and hold it until the commit."""
    row = await tx.fetchrow(f"{_ACCOUNT} WHERE email_normal = $1 FOR UPDATE", email_normal)
    return _account(row) if row else None


async def lock_admins(tx: Tx) -> None:
    """Have the say about who administers until the commit; nobody else has it meanwhile.

    One lock, and not the administrators' rows: who they are is known for sure only to its holder.
    Threat: whoever locked the rows that there were, and meets one more who was promoted meanwhile,
    waits for somebody who waits for the first.
    """
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _ADMINS_LOCK)


def _account(row: Record) -> Account:
    return Account(
        id=row["id"],
        email=Email(row["email"], row["email_normal"]),
        name=row["name"],
        locale=Locale(row["locale"]),
        role=Role(row["role"]),
        status=Status(row["status"]),
        password_hash=row["password_hash"],
        is_verified=row["is_verified"],
        was_proven=row["was_proven"],
        registered_itself=row["registered_itself"],
        must_change_password=row["must_change_password"],
        erase_at=row["erase_at"],
    )
