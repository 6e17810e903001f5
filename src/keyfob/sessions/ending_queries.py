"""SQL of what ends sessions, or changes all of a user's."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from keyfob.core.database import Tx
from keyfob.sessions.models import EndReason
from keyfob.sessions.refresh_tokens import LAST_GENERATION
from keyfob.sessions.revocation_queries import revoking


async def end_reused_session(
    tx: Tx, session_id: UUID, generation: int, secret_hash: bytes, now: datetime, grace: timedelta
) -> bool:
    """End the session if this old generation is past its grace; False if it is not, or ended.

    Each has the grace of its own use: of the rotation that ended it, as far back as those are kept.
    """
    ended = await tx.fetchval(
        """
        UPDATE sessions
           SET ended_at = $4, end_reason = 'reuse'
         WHERE id = $1 AND secret_hash = $3 AND ended_at IS NULL AND generation > $2
           AND ($5::interval = '0' OR coalesce(
                   (rotated_at || rotated_before)[generation - $2]
                       <= $4::timestamptz - $5::interval, true))
        RETURNING true
        """,
        session_id,
        generation,
        secret_hash,
        now,
        grace,
    )
    return bool(ended)


async def end_session(
    tx: Tx, session_id: UUID, user_id: UUID, now: datetime, reason: EndReason
) -> bool:
    """End one live session of that user; False if there is none."""
    ended = await tx.fetchval(
        """
        UPDATE sessions SET ended_at = $3, end_reason = $4
         WHERE id = $1 AND user_id = $2 AND ended_at IS NULL
        RETURNING true
        """,
        session_id,
        user_id,
        now,
        reason,
    )
    return bool(ended)


async def end_sessions_of_user(
    tx: Tx, user_id: UUID, now: datetime, reason: EndReason, but: UUID | None, at_most: int
) -> int:
    """End live sessions of a user, except perhaps one, and return how many.

    Fewer than `at_most`: there are no more.
    """
    return int(
        await tx.fetchval(
            """
            WITH due AS (
                SELECT id FROM sessions
                 WHERE user_id = $1 AND ended_at IS NULL AND ($4::uuid IS NULL OR id <> $4)
                 LIMIT $5 FOR NO KEY UPDATE
            ), ended AS (
                UPDATE sessions AS s SET ended_at = $2, end_reason = $3
                  FROM due WHERE s.id = due.id
                RETURNING s.id
            )
            SELECT count(*) FROM ended
            """,
            user_id,
            now,
            reason,
            but,
            at_most,
        )
    )


async def follow_subject(tx: Tx, session_id: UUID, user_id: UUID, sub_gen: int) -> None:
    """Carry the subject's generation into the one session that is left."""
    await tx.execute(
        "UPDATE sessions SET sub_gen = $3 WHERE id = $1 AND user_id = $2",
        session_id,
        user_id,
        sub_gen,
    )


_LIVE = "user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND last_activity_at > $3"


class EndedSession(NamedTuple):
    """A session that was ended, and whether it was revoked: a token of it may still be alive."""

    session_id: UUID
    is_revoked: bool


# One that is being changed right now is passed over: it is in use, or another sign-in ends it.
_END_BEYOND = f"""
WITH due AS (
    SELECT id FROM sessions
     WHERE {_LIVE} AND id IS DISTINCT FROM $4
     ORDER BY last_activity_at, id
     LIMIT GREATEST(0, LEAST((SELECT count(*) FROM sessions WHERE {_LIVE}) - $5, $6))
       FOR NO KEY UPDATE SKIP LOCKED
), ended AS (
    UPDATE sessions AS s SET ended_at = $2, end_reason = '{EndReason.TOO_MANY}'
      FROM due WHERE s.id = due.id
    RETURNING s.id, s.rotated_at > $7 AS meets_tokens
), revoked AS (
    SELECT id, {LAST_GENERATION} AS generation FROM ended WHERE meets_tokens
), {revoking("revoked", "'session'", "$2::timestamptz", "$8")}
SELECT id, meets_tokens FROM ended, (SELECT count(*) FROM told) AS everybody
"""  # noqa: S608 - constants


async def end_beyond(
    tx: Tx,
    user_id: UUID,
    *,
    now: datetime,
    idle_since: datetime,
    newest: UUID | None,
    most: int,
    at_most: int,
    issued_after: datetime,
    expires_at: datetime,
) -> list[EndedSession]:
    """End those live sessions of a user beyond the `most` that were active last.

    Never the `newest`, and at most so many at once. Those whose tokens may still be alive, which
    were issued after a moment, are revoked until another.
    """
    rows = await tx.fetch(
        _END_BEYOND,
        user_id,
        now,
        idle_since,
        newest,
        most,
        at_most,
        issued_after,
        expires_at,
    )
    return [EndedSession(row["id"], row["meets_tokens"]) for row in rows]
