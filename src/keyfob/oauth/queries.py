"""SQL for ids that may be used once."""

from datetime import datetime

from keyfob.core.database import Executor


async def spend_id(db: Executor, spent: bytes, expires_at: datetime, now: datetime) -> bool:
    """Spend an id, and tell whether it was free.

    One INSERT: of two requests with the same id, on whatever workers, only one can win.
    """
    was_free = await db.fetchval(
        """
        INSERT INTO spent_ids (id, expires_at) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET expires_at = EXCLUDED.expires_at
                     WHERE spent_ids.expires_at <= $3
        RETURNING true
        """,
        spent,
        expires_at,
        now,
    )
    return bool(was_free)


async def delete_spent_ids(db: Executor, before: datetime, at_most: int) -> int:
    """Delete ids that expired before a moment; return their number."""
    gone = await db.fetchval(
        """
        WITH gone AS (
            DELETE FROM spent_ids WHERE ctid IN (
                SELECT ctid FROM spent_ids WHERE expires_at <= $1 LIMIT $2
                   FOR UPDATE SKIP LOCKED
            ) RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        before,
        at_most,
    )
    return int(gone)


async def spend_proof(db: Executor, spent: bytes, expires_at: datetime, now: datetime) -> bool:
    """Spend a proof of a key as `spend_id` does, in a table of its own, which is not logged.

    A crash of PostgreSQL empties it, and no proof is good for more than minutes.
    """
    was_free = await db.fetchval(
        """
        INSERT INTO spent_proofs (id, expires_at) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET expires_at = EXCLUDED.expires_at
                     WHERE spent_proofs.expires_at <= $3
        RETURNING true
        """,
        spent,
        expires_at,
        now,
    )
    return bool(was_free)


async def delete_spent_proofs(db: Executor, before: datetime, at_most: int) -> int:
    """Delete proofs that nobody would take any more; return their number."""
    gone = await db.fetchval(
        """
        WITH gone AS (
            DELETE FROM spent_proofs WHERE ctid IN (
                SELECT ctid FROM spent_proofs WHERE expires_at <= $1 LIMIT $2
                   FOR UPDATE SKIP LOCKED
            ) RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        before,
        at_most,
    )
    return int(gone)
