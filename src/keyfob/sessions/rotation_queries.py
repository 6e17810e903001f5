"""SQL for a refresh: sessions move to their next generation."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from keyfob.core.database import Database
from keyfob.sessions.models import SessionState
from keyfob.sessions.queries import state_of


async def rotate_session(
    db: Database,
    session_id: UUID,
    generation: int,
    secret_hash: bytes,
    now: datetime,
    idle_since: datetime,
) -> SessionState | None:
    """Move the session to its next generation; None if this token may not do so.

    One statement on one row by its primary key, no join, no indexed column: of fifty refreshes with
    one token, one moves the row. The times of the last five rotations stay in it.
    """
    rows = await db.fetch_hot(
        """
        UPDATE sessions
           SET generation = generation + 1, rotated_at = $4, last_activity_at = $4,
               rotated_before = (rotated_at || rotated_before)[1:4]
         WHERE id = $1 AND generation = $2 AND secret_hash = $3
           AND ended_at IS NULL AND expires_at > $4 AND last_activity_at > $5
        RETURNING user_id, generation, role, sub_gen, auth_time, amr, expires_at,
                  roles, role_ends
        """,
        session_id,
        generation,
        secret_hash,
        now,
        idle_since,
    )
    return state_of(rows[0]) if rows else None


async def keep_session(
    db: Database, session_id: UUID, secret_hash: bytes, now: datetime, idle_since: datetime
) -> SessionState | None:
    """Move the session of a token that stays to its next generation; None if it may not do so.

    As `rotate_session`, but for the generation: the token has none, and the secret decides.
    """
    rows = await db.fetch_hot(
        """
        UPDATE sessions
           SET generation = generation + 1, rotated_at = $3, last_activity_at = $3
         WHERE id = $1 AND secret_hash = $2
           AND ended_at IS NULL AND expires_at > $3 AND last_activity_at > $4
        RETURNING user_id, generation, role, sub_gen, auth_time, amr, expires_at,
                  roles, role_ends
        """,
        session_id,
        secret_hash,
        now,
        idle_since,
    )
    return state_of(rows[0]) if rows else None


async def rotate_sessions(
    db: Database, asked: Sequence[tuple[UUID, int, bytes]], now: datetime, idle_since: datetime
) -> dict[UUID, SessionState]:
    """Do as `rotate_session` for different sessions; return those that it moved, by their id.

    Asked for is each by its id, its generation and its secret's hash.

    A row that somebody else has locked is passed over: the statement waits for none, so it can
    neither be held up nor be part of a deadlock. A row that was changed meanwhile is judged, under
    the lock, as it is then.
    """
    ids, generations, secret_hashes = zip(*asked, strict=True)
    rows = await db.fetch_hot(
        """
        WITH asked AS (
            SELECT * FROM unnest($1::uuid[], $2::int[], $3::bytea[])
                       AS token (id, generation, secret_hash)
        ), held AS (
            SELECT s.id
              FROM asked JOIN sessions AS s USING (id)
             WHERE s.generation = asked.generation AND s.secret_hash = asked.secret_hash
               AND s.ended_at IS NULL AND s.expires_at > $4 AND s.last_activity_at > $5
               FOR NO KEY UPDATE OF s SKIP LOCKED
        )
        UPDATE sessions AS s
           SET generation = generation + 1, rotated_at = $4, last_activity_at = $4,
               rotated_before = (rotated_at || rotated_before)[1:4]
          FROM held
         WHERE s.id = held.id
        RETURNING s.id, user_id, generation, role, sub_gen, auth_time, amr, expires_at,
                  roles, role_ends
        """,
        ids,
        generations,
        secret_hashes,
        now,
        idle_since,
    )
    return {session_id: state_of(state) for session_id, *state in rows}
