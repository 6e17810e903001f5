"""SQL of what a session tells of its user."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from keyfob.core.database import Tx


async def update_role_of_user(tx: Tx, user_id: UUID, role: str) -> list[tuple[UUID, int]]:
    """Copy the user's new role into their live sessions; return each with its generation."""
    rows = await tx.fetch(
        """
        UPDATE sessions SET role = $2 WHERE user_id = $1 AND ended_at IS NULL
        RETURNING id, generation
        """,
        user_id,
        role,
    )
    return [(row["id"], row["generation"]) for row in rows]


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


async def weaken_sessions(tx: Tx, user_id: UUID, but: UUID | None) -> list[tuple[UUID, int]]:
    """Take `mfa` from the user's live sessions; return each that had it, with its generation."""
    rows = await tx.fetch(
        """
        UPDATE sessions SET amr = array_remove(amr, 'mfa')
         WHERE user_id = $1 AND ended_at IS NULL AND 'mfa' = ANY(amr)
           AND ($2::uuid IS NULL OR id <> $2)
        RETURNING id, generation
        """,
        user_id,
        but,
    )
    return [(row["id"], row["generation"]) for row in rows]
