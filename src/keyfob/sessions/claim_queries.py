"""SQL of what a session tells of its user."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from keyfob.core.database import Tx


async def update_role_of_user(tx: Tx, user_id: UUID, sub_gen: int, role: str, at_most: int) -> int:
    """Copy the user's new role and generation into live sessions; return into how many.

    Fewer than `at_most`: there are no more.
    """
    return int(
        await tx.fetchval(
            """
            WITH due AS (
                SELECT id FROM sessions
                 WHERE user_id = $1 AND ended_at IS NULL AND sub_gen < $2
                 LIMIT $4 FOR NO KEY UPDATE
            ), changed AS (
                UPDATE sessions AS s SET sub_gen = $2, role = $3
                  FROM due WHERE s.id = due.id
                RETURNING s.id
            )
            SELECT count(*) FROM changed
            """,
            user_id,
            sub_gen,
            role,
            at_most,
        )
    )


async def strengthen_session(
    tx: Tx, session_id: UUID, user_id: UUID, amr: Sequence[str], now: datetime
) -> None:
    """Write that the session's user has just proven more; its next refresh tells so."""
    await tx.execute(
        """
        UPDATE sessions SET amr = $3, auth_time = $4
         WHERE id = $1 AND user_id = $2 AND ended_at IS NULL
        """,
        session_id,
        user_id,
        list(amr),
        now,
    )


async def weaken_sessions(
    tx: Tx, user_id: UUID, but: UUID | None, issued_after: datetime, at_most: int
) -> tuple[int, list[tuple[UUID, int]]]:
    """Take `mfa` from live sessions; return of how many, and those whose tokens may be alive.

    Each with its generation. Fewer than `at_most`: there are no more that have it.
    """
    rows = await tx.fetch(
        """
        WITH due AS (
            SELECT id FROM sessions
             WHERE user_id = $1 AND ended_at IS NULL AND 'mfa' = ANY(amr)
               AND ($2::uuid IS NULL OR id <> $2)
             LIMIT $4 FOR NO KEY UPDATE
        )
        UPDATE sessions AS s SET amr = array_remove(amr, 'mfa')
          FROM due WHERE s.id = due.id
        RETURNING s.id, s.generation, s.rotated_at > $3 AS may_live
        """,
        user_id,
        but,
        issued_after,
        at_most,
    )
    return len(rows), [(row["id"], row["generation"]) for row in rows if row["may_live"]]
