"""SQL of mail: who gets one."""

from uuid import UUID

from asyncpg import Record

from keyfob.core.database import Executor


async def find_recipient(tx: Executor, user_id: UUID) -> Record | None:
    """Return address as typed, locale and name of an account, and whether the address is proven."""
    return await tx.fetchrow(
        "SELECT email, locale, name, email_verified_at IS NOT NULL AS is_verified"
        "  FROM users WHERE id = $1",
        user_id,
    )
