"""SQL for the maintenance of sessions: activity, sessions beyond the limit, and old ones."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from keyfob.core.database import Executor, Tx
from keyfob.sessions.models import EndReason
from keyfob.sessions.refresh_tokens import LAST_GENERATION
from keyfob.sessions.revocation_queries import revoking


async def update_activity(
    db: Executor,
    sessions: Sequence[tuple[UUID, datetime]],
    users: Sequence[tuple[UUID, datetime, datetime, timedelta]],
    idle_gap: timedelta,
) -> None:
    """Write collected touches: (session, last touch), (user, first touch, last touch, counted).

    `counted` leaves out pauses longer than the idle gap. The pause before the first new touch
    counts too, if it is not longer; time that another worker has counted does not count again. The
    update is relative to the row, so two devices, or two workers, count the same minute once.
    """
    await db.execute(
        """
        WITH free_sessions AS (
            -- A session that is being changed right now is left alone: a rotation sets the time
            -- itself, and waiting here could meet a logout of all that waits for us.
            SELECT s.id, t.last_at
              FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, last_at)
              JOIN sessions AS s ON s.id = t.id AND s.ended_at IS NULL
               FOR NO KEY UPDATE OF s SKIP LOCKED
        ), touched_sessions AS (
            UPDATE sessions AS s SET last_activity_at = GREATEST(s.last_activity_at, f.last_at)
              FROM free_sessions AS f WHERE s.id = f.id
        ), held AS (
            SELECT a.user_id, t.first_at, t.last_at, t.counted
              FROM unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::interval[])
                   AS t (user_id, first_at, last_at, counted)
              JOIN user_activity AS a ON a.user_id = t.user_id
             ORDER BY a.user_id
               FOR NO KEY UPDATE OF a
        )
        UPDATE user_activity AS a
           SET last_active_at = GREATEST(a.last_active_at, h.last_at),
               total_active_seconds = a.total_active_seconds + GREATEST(0, extract(epoch FROM
                   CASE WHEN a.last_active_at >= h.first_at
                        THEN LEAST(h.counted, h.last_at - a.last_active_at)
                        WHEN a.last_active_at >= h.first_at - $7::interval
                        THEN h.counted + (h.first_at - a.last_active_at)
                        ELSE h.counted END))
          FROM held AS h
         WHERE a.user_id = h.user_id
        """,
        [session_id for session_id, _ in sessions],
        [at for _, at in sessions],
        [user_id for user_id, _, _, _ in users],
        [first for _, first, _, _ in users],
        [last for _, _, last, _ in users],
        [counted for _, _, _, counted in users],
        idle_gap,
    )


# Of people's own sign-ins: what apps have is counted apart (`grant_queries`).
_LIVE = (
    "user_id = $1 AND ended_at IS NULL AND client_id IS NULL"
    " AND expires_at > $2 AND last_activity_at > $3"
)


class EndedSession(NamedTuple):
    """A session that was ended, and whether it was revoked because a token may still be valid."""

    session_id: UUID
    is_revoked: bool


# A session that is being changed at this moment is skipped: it is in use, or another sign-in ends
# it.
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
    """End live sessions of a user beyond the `most` that were active last.

    The `newest` never ends, and at most `at_most` do. Sessions whose tokens may still be valid,
    since they were issued after a moment, are revoked until another moment.
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


async def list_crowded(
    db: Executor, after: UUID | None, most: int, at_once: int
) -> tuple[list[UUID], UUID | None]:
    """Check the next users in the order of their ids, and return those with more than `most`.

    Also returns the last id that was checked; None if none is left. Sessions that have expired but
    were not ended count here: such users are only examined more closely.
    """
    row = await db.fetchrow(
        """
        WITH seen AS (
            SELECT user_id, count(*) AS amount FROM sessions
             WHERE ended_at IS NULL AND client_id IS NULL AND user_id > $1
             GROUP BY user_id ORDER BY user_id LIMIT $3
        )
        SELECT coalesce(array_agg(user_id) FILTER (WHERE amount > $2), '{}') AS crowded,
               CASE WHEN count(*) = $3 THEN (SELECT user_id FROM seen ORDER BY user_id DESC LIMIT 1)
               END AS last
          FROM seen
        """,
        after or UUID(int=0),
        most,
        at_once,
    )
    return (row["crowded"], row["last"]) if row else ([], None)


async def list_unverified(
    db: Executor, after: UUID | None, now: datetime, at_once: int
) -> list[UUID]:
    """Return the next accounts without a verified address that have sessions or API keys."""
    rows = await db.fetch(
        """
        SELECT id FROM users AS u
         WHERE email_verified_at IS NULL AND id > $1
           AND (EXISTS (SELECT FROM sessions AS s
                         WHERE s.user_id = u.id AND s.ended_at IS NULL AND s.expires_at > $2)
                OR EXISTS (SELECT FROM api_keys AS k
                            WHERE k.user_id = u.id AND k.revoked_at IS NULL AND k.expires_at > $2))
         ORDER BY id LIMIT $3
        """,
        after or UUID(int=0),
        now,
        at_once,
    )
    return [row["id"] for row in rows]


async def delete_old(db: Executor, now: datetime, ended_before: datetime, batch: int) -> int:
    """Delete expired revocations and up to `batch` long-ended or expired sessions; return how many.

    A locked session is skipped: it is deleted with its account, or next time. Waiting for it with
    other rows of the account locked could deadlock with the deletion of the account.
    """
    await db.execute("DELETE FROM revocations WHERE expires_at < $1", now)
    tag = await db.execute(
        """
        WITH ended AS (
            SELECT id FROM sessions WHERE ended_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
        ), expired AS (
            SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM sessions WHERE id IN (SELECT id FROM ended UNION SELECT id FROM expired)
        """,
        ended_before,
        batch,
    )
    return int(tag.rpartition(" ")[2])


async def delete_ended_of_user(db: Executor, user_id: UUID, limit: int) -> int:
    """Delete up to `limit` of a user's ended sessions; return their number.

    Locks are handled as in `delete_old`. Revocations of their tokens are in other rows, and stay.
    """
    tag = await db.execute(
        """
        WITH ended AS (
            SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NOT NULL
             LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM sessions WHERE id IN (SELECT id FROM ended)
        """,
        user_id,
        limit,
    )
    return int(tag.rpartition(" ")[2])
