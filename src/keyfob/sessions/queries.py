"""SQL for the life of a session: opening, reading, changing claims, ending."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from keyfob.authority.models import Role
from keyfob.core.database import Executor, Tx
from keyfob.devices.device import Device
from keyfob.sessions.models import (
    EndReason,
    InsertedSession,
    LiveSession,
    SessionKind,
    SessionState,
    StoredSession,
)


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
    requires_verified: bool,
    password_hash: str | None,
    idle_since: datetime,
    most: int,
    kind: SessionKind,
) -> InsertedSession | None:
    """Open a session with the user's present role; None if the user may have none.

    None if the user is gone or blocked, has to choose a password or to verify the address first,
    has another password by now than the one that was checked (`password_hash`, if one was), or has
    a second factor that `amr` lacks: this holds for all ways of signing in.

    The user's row is locked FOR SHARE: a change that commits before is seen here, and a later one
    finds this session. Factors and further roles are read after the lock is taken: a transaction
    that adds one locks the row, but changes another table. `too_many`: there were `most` sessions
    or more before this one. Sign-ins at the same moment do not see each other; the next one does.
    """
    row = await tx.fetchrow(
        """
        WITH owner AS (
            SELECT id, role, sub_gen FROM users
             WHERE id = $2 AND status = 'active' AND NOT must_change_password
               AND (email_verified_at IS NOT NULL OR NOT $12)
               AND ($13::text IS NULL OR password_hash = $13)
               FOR SHARE
        )
        INSERT INTO sessions
               (id, user_id, role, sub_gen, secret_hash, rotated_at, last_activity_at, expires_at,
                amr, auth_time, login_at, ip_address, device_type, browser, os, platform,
                roles, role_ends, kind)
        SELECT $1, id, role, sub_gen, $3, $5, $5, $6,
               $4, $5, $5, $7::text::inet, $8, $9, $10, $11, further.names, further.ends, $16
          FROM owner, further_roles(owner.id, $5) AS further
         WHERE 'mfa' = ANY($4::text[]) OR NOT has_factor(id)
        RETURNING user_id, generation, role, sub_gen, auth_time, amr, expires_at,
                  roles, role_ends,
                  (SELECT count(*) >= $15 FROM (
                       SELECT FROM sessions
                        WHERE user_id = $2 AND ended_at IS NULL AND client_id IS NULL
                          AND expires_at > $5 AND last_activity_at > $14
                        LIMIT $15
                   ) AS live) AS too_many
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
        requires_verified,
        password_hash,
        idle_since,
        most,
        kind,
    )
    if row is None:
        return None
    *state, too_many = row
    return InsertedSession(state_of(state), too_many)


async def find_session(db: Executor, session_id: UUID) -> StoredSession | None:
    """Return a session, live or ended."""
    row = await db.fetchrow(
        """
        SELECT user_id, generation, role, sub_gen, auth_time, amr, expires_at, roles, role_ends,
               secret_hash, rotated_at || rotated_before AS used_at, last_activity_at, ended_at,
               ip_address, browser, os, kind
          FROM sessions WHERE id = $1
        """,
        session_id,
    )
    if row is None:
        return None
    *state, secret_hash, used_at, last_activity_at, ended_at, address, browser, system, kind = row
    return StoredSession(
        SessionKind(kind),
        state_of(state),
        secret_hash,
        tuple(used_at),
        last_activity_at,
        ended_at,
        address,
        browser,
        system,
    )


async def renew_session(
    tx: Tx,
    session_id: UUID,
    user_id: UUID,
    secret_hash: bytes,
    amr: Sequence[str],
    now: datetime,
) -> SessionState | None:
    """Give a live session a new salt, its next generation and a new `auth_time`.

    None if it has ended. Refresh tokens with the old salt are unknown from then on.
    """
    row = await tx.fetchrow(
        """
        UPDATE sessions
           SET secret_hash = $3, generation = generation + 1, rotated_at = $5,
               last_activity_at = $5, amr = $4, auth_time = $5
         WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $5
        RETURNING user_id, generation, role, sub_gen, auth_time, amr, expires_at,
                  roles, role_ends
        """,
        session_id,
        user_id,
        secret_hash,
        list(amr),
        now,
    )
    return state_of(row) if row else None


async def list_live_sessions(
    db: Executor, user_id: UUID, now: datetime, idle_ttl: timedelta
) -> list[LiveSession]:
    """Return the user's live sessions, newest first, but for those of apps."""
    rows = await db.fetch(
        """
        SELECT id, kind, ip_address, device_type, browser, os, platform, login_at,
               last_activity_at, LEAST(expires_at, last_activity_at + $3::interval) AS expires_at
          FROM sessions
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND client_id IS NULL
           AND last_activity_at + $3::interval > $2
         ORDER BY login_at DESC, id DESC
         LIMIT 1000
        """,
        user_id,
        now,
        idle_ttl,
    )
    return [LiveSession(**{**row, "kind": SessionKind(row["kind"])}) for row in rows]


async def update_roles_of_user(
    tx: Tx, user_id: UUID, sub_gen: int, role: Role, now: datetime, at_most: int
) -> int:
    """Copy the user's roles and generation to live sessions; return their number.

    Fewer than `at_most` means that no more are left.
    """
    return int(
        await tx.fetchval(
            """
            WITH due AS (
                SELECT id FROM sessions
                 WHERE user_id = $1 AND ended_at IS NULL AND sub_gen < $2
                 LIMIT $5 FOR NO KEY UPDATE
            ), changed AS (
                UPDATE sessions AS s
                   SET sub_gen = $2, role = $3, roles = further.names, role_ends = further.ends
                  FROM due, further_roles($1, $4) AS further
                 WHERE s.id = due.id
                RETURNING s.id
            )
            SELECT count(*) FROM changed
            """,
            user_id,
            sub_gen,
            role,
            now,
            at_most,
        )
    )


async def strengthen_session(
    tx: Tx, session_id: UUID, user_id: UUID, amr: Sequence[str], now: datetime
) -> None:
    """Add the methods that the session's user has just used, for its next refresh."""
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
    """Remove `mfa` from live sessions; return their number, and those with valid tokens.

    The latter come with their generation. Fewer than `at_most` means that no more are left.
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


async def end_reused_session(
    tx: Tx, session_id: UUID, generation: int, secret_hash: bytes, now: datetime, grace: timedelta
) -> bool:
    """End the session if this old generation is past its grace; False if it is not, or has ended.

    The grace begins with the use of that token, which is the rotation that ended its generation, as
    far back as rotations are recorded.
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
    """End live sessions of a user, except `but`, and return their number.

    Fewer than `at_most` means that no more are left.
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
    """Copy the subject's generation to the one session that continues."""
    await tx.execute(
        "UPDATE sessions SET sub_gen = $3 WHERE id = $1 AND user_id = $2",
        session_id,
        user_id,
        sub_gen,
    )


def state_of(values: Iterable[Any]) -> SessionState:
    """Return what the columns of a session's state hold, in the order of `SessionState`."""
    user_id, generation, role, *others = values
    return SessionState(user_id, generation, Role(role), *others)
