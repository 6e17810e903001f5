"""SQL of sessions."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from keyfob.core.authority import Role
from keyfob.core.database import Database, Executor, Tx
from keyfob.devices.device import Device
from keyfob.sessions.models import (
    LiveSession,
    OpenedSession,
    RenewedSession,
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
) -> OpenedSession | None:
    """Open a session with the user's present role; None if the user may have none.

    None if the user is gone or blocked, has to choose a password or to prove the address first, has
    another password by now than the one that was checked (`password_hash`, if it was one), or has a
    second factor that `amr` does not tell of: whatever way somebody signs in, it ends here.

    The user's row is locked FOR SHARE: a change that commits first is seen here, and one that comes
    later finds this session. Factors are looked at once the lock is held: whoever adds one holds
    the row, and changes another table. `too_many`: there were `most` before this one, or more.
    Sign-ins at the same moment do not see each other; the next one does.
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
                amr, auth_time, login_at, ip_address, device_type, browser, os, platform)
        SELECT $1, id, role, sub_gen, $3, $5, $5, $6,
               $4, $5, $5, $7::text::inet, $8, $9, $10, $11
          FROM owner
         WHERE 'mfa' = ANY($4::text[]) OR NOT has_factor(id)
        RETURNING role, sub_gen,
                  (SELECT count(*) >= $15 FROM (
                       SELECT FROM sessions
                        WHERE user_id = $2 AND ended_at IS NULL
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
    )
    return OpenedSession(Role(row["role"]), row["sub_gen"], row["too_many"]) if row else None


async def rotate_session(
    db: Database,
    session_id: UUID,
    generation: int,
    secret_hash: bytes,
    now: datetime,
    idle_since: datetime,
) -> SessionState | None:
    """Move the session to its next generation; None if this token is not the one to do it.

    One statement on one row by its primary key, no join, no indexed column: of fifty refreshes
    with one token, one moves the row. The times of the last five rotations stay in it.
    """
    row = await db.fetchrow_hot(
        """
        UPDATE sessions
           SET generation = generation + 1, rotated_at = $4, last_activity_at = $4,
               rotated_before = (rotated_at || rotated_before)[1:4]
         WHERE id = $1 AND generation = $2 AND secret_hash = $3
           AND ended_at IS NULL AND expires_at > $4 AND last_activity_at > $5
        RETURNING user_id, generation, role, sub_gen, auth_time, amr, expires_at
        """,
        session_id,
        generation,
        secret_hash,
        now,
        idle_since,
    )
    return _state(row) if row else None


async def find_session(db: Executor, session_id: UUID) -> StoredSession | None:
    """Return a session, live or ended."""
    row = await db.fetchrow(
        """
        SELECT user_id, generation, role, sub_gen, auth_time, amr, expires_at,
               secret_hash, rotated_at || rotated_before AS used_at, last_activity_at, ended_at,
               ip_address, browser, os
          FROM sessions WHERE id = $1
        """,
        session_id,
    )
    if row is None:
        return None
    *state, secret_hash, used_at, last_activity_at, ended_at, address, browser, system = row
    return StoredSession(
        _state(state),
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
) -> RenewedSession | None:
    """Give a live session another salt, its next generation and a new `auth_time`.

    None if it has ended. A refresh token of the old salt is unknown from then on.
    """
    row = await tx.fetchrow(
        """
        UPDATE sessions
           SET secret_hash = $3, generation = generation + 1, rotated_at = $5,
               last_activity_at = $5, amr = $4, auth_time = $5
         WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $5
        RETURNING generation, role, sub_gen, expires_at
        """,
        session_id,
        user_id,
        secret_hash,
        list(amr),
        now,
    )
    if row is None:
        return None
    return RenewedSession(row["generation"], Role(row["role"]), row["sub_gen"], row["expires_at"])


async def list_live_sessions(
    db: Executor, user_id: UUID, now: datetime, idle_ttl: timedelta
) -> list[LiveSession]:
    """Return the user's live sessions, newest first."""
    rows = await db.fetch(
        """
        SELECT id, ip_address, device_type, browser, os, platform, login_at, last_activity_at,
               LEAST(expires_at, last_activity_at + $3::interval) AS expires_at
          FROM sessions
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
           AND last_activity_at + $3::interval > $2
         ORDER BY login_at DESC, id DESC
         LIMIT 1000
        """,
        user_id,
        now,
        idle_ttl,
    )
    return [LiveSession(**row) for row in rows]


def _state(values: Iterable[Any]) -> SessionState:
    user_id, generation, role, *others = values
    return SessionState(user_id, generation, Role(role), *others)
