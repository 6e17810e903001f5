"""SQL of sessions and revocations."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from keyfob.core.database import Executor, Tx
from keyfob.sessions.devices import Device
from keyfob.sessions.models import EndReason
from keyfob.sessions.refresh_tokens import LAST_GENERATION

_SESSION_COLUMNS = """
    id, user_id, ip_address, device_type, browser, os, platform, login_at, last_activity_at,
    LEAST(expires_at, last_activity_at + $3::interval) AS idle_expires_at
"""


async def insert_session(
    tx: Tx,
    *,
    session_id: UUID,
    user_id: UUID,
    secret_hash: bytes,
    amr: Sequence[str],
    now: datetime,
    expires_at: datetime,
    address: str | None,
    device: Device,
) -> Record | None:
    """Open a session with the user's present role; None if the user is gone or blocked.

    The user's row is locked FOR SHARE: a change of role or status that commits first is seen
    here, and one that comes later finds this session.
    """
    return await tx.fetchrow(
        """
        WITH owner AS (
            SELECT id, role FROM users WHERE id = $2 AND status = 'active' FOR SHARE
        )
        INSERT INTO sessions
               (id, user_id, role, secret_hash, rotated_at, last_activity_at, expires_at, amr,
                auth_time, login_at, ip_address, device_type, browser, os, platform)
        SELECT $1, id, role, $3, $5, $5, $6, $4, $5, $5, $7::text::inet, $8, $9, $10, $11 FROM owner
        RETURNING role
        """,
        session_id,
        user_id,
        secret_hash,
        list(amr),
        now,
        expires_at,
        address,
        device.device_type,
        device.browser,
        device.os,
        device.platform,
    )


async def rotate_session(
    db: Executor,
    session_id: UUID,
    generation: int,
    secret_hash: bytes,
    now: datetime,
    idle_since: datetime,
) -> Record | None:
    """Move the session to its next generation; None if this token is not the one to do it.

    One statement on one row by its primary key, no join, no indexed column: of fifty refreshes
    with one token, one moves the row.
    """
    return await db.fetchrow(
        """
        UPDATE sessions
           SET generation = generation + 1, rotated_at = $4, last_activity_at = $4
         WHERE id = $1 AND generation = $2 AND secret_hash = $3
           AND ended_at IS NULL AND expires_at > $4 AND last_activity_at > $5
        RETURNING user_id, generation, role, auth_time, amr
        """,
        session_id,
        generation,
        secret_hash,
        now,
        idle_since,
    )


async def find_session(db: Executor, session_id: UUID) -> Record | None:
    """Return the row, live or ended."""
    return await db.fetchrow("SELECT * FROM sessions WHERE id = $1", session_id)


async def end_reused_session(
    tx: Tx, session_id: UUID, generation: int, secret_hash: bytes, now: datetime, grace: timedelta
) -> UUID | None:
    """End the session if this old generation is past its grace; return the user, else None."""
    return await tx.fetchval(
        """
        UPDATE sessions
           SET ended_at = $4, end_reason = 'reuse'
         WHERE id = $1 AND secret_hash = $3 AND ended_at IS NULL
           AND (generation > $2 + 1 OR (generation = $2 + 1 AND rotated_at <= $4 - $5::interval))
        RETURNING user_id
        """,
        session_id,
        generation,
        secret_hash,
        now,
        grace,
    )


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
    tx: Tx, user_id: UUID, now: datetime, reason: EndReason
) -> list[UUID]:
    """End every live session of a user and return their ids."""
    rows = await tx.fetch(
        """
        UPDATE sessions SET ended_at = $2, end_reason = $3
         WHERE user_id = $1 AND ended_at IS NULL
        RETURNING id
        """,
        user_id,
        now,
        reason,
    )
    return [row["id"] for row in rows]


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


async def list_live_sessions(
    db: Executor, user_id: UUID, now: datetime, idle_ttl: timedelta
) -> list[Record]:
    """Return the user's live sessions, newest first."""
    return await db.fetch(
        f"""
        SELECT {_SESSION_COLUMNS} FROM sessions
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
           AND last_activity_at + $3::interval > $2
         ORDER BY login_at DESC, id DESC
         LIMIT 1000
        """,  # noqa: S608 - a constant of this file
        user_id,
        now,
        idle_ttl,
    )


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


async def update_activity(
    db: Executor,
    sessions: Sequence[tuple[UUID, datetime]],
    users: Sequence[tuple[UUID, datetime, datetime]],
    idle_gap: timedelta,
) -> None:
    """Write collected touches: (session, last touch) and (user, first touch, last touch).

    A user's active time grows from the last known touch to the newest, unless the pause before
    the first new touch was longer than the idle gap: then only what the new touches span counts.
    Relative to the row, so two devices, or two workers, count the same minute once.
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
            SELECT a.user_id, t.first_at, t.last_at
              FROM unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[])
                   AS t (user_id, first_at, last_at)
              JOIN user_activity AS a ON a.user_id = t.user_id
             ORDER BY a.user_id
               FOR NO KEY UPDATE OF a
        )
        UPDATE user_activity AS a
           SET last_active_at = GREATEST(a.last_active_at, h.last_at),
               total_active_seconds = a.total_active_seconds + GREATEST(0, extract(epoch FROM
                   CASE WHEN a.last_active_at >= h.first_at - $6::interval
                        THEN h.last_at - a.last_active_at
                        ELSE h.last_at - h.first_at END))
          FROM held AS h
         WHERE a.user_id = h.user_id
        """,
        [session_id for session_id, _ in sessions],
        [at for _, at in sessions],
        [user_id for user_id, _, _ in users],
        [first for _, first, _ in users],
        [last for _, _, last in users],
        idle_gap,
    )


async def delete_old(db: Executor, now: datetime, ended_before: datetime, batch: int) -> int:
    """Drop spent revocations and up to `batch` long-ended or expired sessions; return how many."""
    await db.execute("DELETE FROM revocations WHERE expires_at < $1", now)
    tag = await db.execute(
        """
        DELETE FROM sessions WHERE id IN (
            (SELECT id FROM sessions WHERE ended_at < $1 LIMIT $2)
            UNION
            (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2)
        )
        """,
        ended_before,
        batch,
    )
    return int(tag.rpartition(" ")[2])
