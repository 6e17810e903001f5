"""SQL of factors and recovery codes."""

from uuid import UUID

from asyncpg import Record

from keyfob.core.database import Executor, Tx


async def list_factors(db: Executor, user_id: UUID) -> list[Record]:
    """Return a user's confirmed factors, oldest first."""
    return await db.fetch(
        """
        SELECT id, type, name, created_at, last_used_at FROM factors
         WHERE user_id = $1 AND confirmed_at IS NOT NULL
         ORDER BY created_at, id
        """,
        user_id,
    )


async def has_factor(db: Executor, user_id: UUID) -> bool:
    """Tell whether a user has a confirmed factor."""
    return bool(
        await db.fetchval(
            """
            SELECT EXISTS (
                SELECT FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL
            )
            """,
            user_id,
        )
    )


async def delete_factors(tx: Tx, user_id: UUID) -> int:
    """Remove all factors and recovery codes of a user; return how many factors were confirmed."""
    removed: int = await tx.fetchval(
        """
        WITH gone AS (
            DELETE FROM factors WHERE user_id = $1 RETURNING confirmed_at
        ), codes AS (
            DELETE FROM recovery_codes WHERE user_id = $1
        )
        SELECT count(confirmed_at) FROM gone
        """,
        user_id,
    )
    return removed
