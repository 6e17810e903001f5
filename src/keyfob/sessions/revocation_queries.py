"""SQL of revocations."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from keyfob.core.database import Executor, Tx
from keyfob.sessions.refresh_tokens import LAST_GENERATION


async def revoke(
    tx: Tx,
    revoked: Sequence[tuple[UUID, int]],
    now: datetime,
    expires_at: datetime,
) -> None:
    """Kill every access token of these sessions up to these generations, and tell every worker.

    Written in the transaction that causes it; announced at its commit.
    """
    if not revoked:
        return
    await tx.execute(
        """
        WITH written AS (
            INSERT INTO revocations AS r (session_id, generation, revoked_at, expires_at)
            SELECT session_id, generation, $3, $4
              FROM unnest($1::uuid[], $2::integer[]) AS t (session_id, generation)
             ORDER BY session_id
            ON CONFLICT (session_id) DO UPDATE
               SET generation = GREATEST(r.generation, EXCLUDED.generation),
                   revoked_at = EXCLUDED.revoked_at, expires_at = EXCLUDED.expires_at
            RETURNING session_id, generation
        )
        SELECT pg_notify('keyfob', 'revoked ' || session_id || ' ' || generation || ' '
                         || (extract(epoch FROM $3::timestamptz) * 1000)::bigint)
          FROM written
        """,
        [session_id for session_id, _ in revoked],
        [generation for _, generation in revoked],
        now,
        expires_at,
    )


async def revoke_sessions(
    tx: Tx, session_ids: Sequence[UUID], now: datetime, expires_at: datetime
) -> None:
    """Kill every access token of these sessions, of whatever generation."""
    await revoke(tx, [(session_id, LAST_GENERATION) for session_id in session_ids], now, expires_at)


async def list_revocations(db: Executor, now: datetime) -> list[Record]:
    """Return the revocations that could still meet a live access token."""
    return await db.fetch(
        "SELECT session_id, generation, expires_at FROM revocations WHERE expires_at > $1", now
    )
