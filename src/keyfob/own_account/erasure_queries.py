"""SQL for erasures: it reads other rooms' data about a person, and writes nothing."""

from uuid import UUID

from keyfob.core.database import Executor


async def has_more_than(db: Executor, user_id: UUID, amount: int) -> bool:
    """Tell whether a log, or the ended sessions, have more than so many rows of a person."""
    return bool(
        await db.fetchval(
            """
            SELECT EXISTS (SELECT FROM login_events WHERE user_id = $1 OFFSET $2)
                OR EXISTS (SELECT FROM audit_events WHERE actor_id = $1 OFFSET $2)
                OR EXISTS (
                       SELECT FROM sessions WHERE user_id = $1 AND ended_at IS NOT NULL OFFSET $2
                   )
            """,
            user_id,
            amount,
        )
    )
