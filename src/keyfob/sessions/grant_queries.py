"""SQL for grants: sessions of apps, which rest on the session of a browser."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from keyfob.core.database import Executor, Tx
from keyfob.sessions.models import (
    AskedClaims,
    EndReason,
    Granted,
    GrantOfUser,
    SessionKind,
    SessionState,
)
from keyfob.sessions.queries import state_of

_OFFLINE = "'offline_access' = ANY(scope)"


async def insert_grant(
    tx: Tx,
    *,
    session_id: UUID,
    user_id: UUID,
    granted: Granted,
    secret_hash: bytes,
    now: datetime,
    expires_at: datetime,
) -> SessionState | None:
    """Open a session of an app.

    None if the user, or the browser's session, is not live any more, or that one lacks a factor
    that the user has. The user's row is locked FOR SHARE, as when a user signs in. When and how
    they have proven who they are is what the browser's session says, and so is the device, unless
    the grant names one.
    """
    device = granted.device
    row = await tx.fetchrow(
        f"""
        WITH owner AS (
            SELECT id, role, sub_gen FROM users
             WHERE id = $2 AND status = 'active' AND NOT must_change_password FOR SHARE
        ), browser AS (
            SELECT amr, auth_time, ip_address, device_type, browser, os, platform FROM sessions
             WHERE id = $3 AND user_id = $2 AND kind = '{SessionKind.BROWSER}'
               AND ended_at IS NULL AND expires_at > $5 FOR SHARE
        )
        INSERT INTO sessions
               (id, user_id, role, sub_gen, secret_hash, rotated_at, last_activity_at, expires_at,
                amr, auth_time, login_at, ip_address, device_type, browser, os, platform,
                roles, role_ends, kind, client_id, opened_from, scope, audience, claims, jkt)
        SELECT $1, id, role, sub_gen, $4, $5, $5, $6,
               amr, auth_time, $5,
               CASE WHEN $12 THEN $13::inet ELSE ip_address END,
               CASE WHEN $12 THEN 'unknown' ELSE device_type END,
               CASE WHEN $12 THEN $14::text ELSE browser.browser END,
               CASE WHEN $12 THEN $15::text ELSE os END,
               CASE WHEN $12 THEN NULL ELSE platform END,
               further.names, further.ends, '{SessionKind.APP}', $7, $3, $8, $9,
               $10::text::jsonb, $11
          FROM owner, browser, further_roles(owner.id, $5) AS further
         WHERE 'mfa' = ANY(amr) OR NOT has_factor(id)
        RETURNING user_id, generation, role, sub_gen, auth_time, amr, expires_at, roles, role_ends
        """,  # noqa: S608 - constants
        session_id,
        user_id,
        granted.opened_from,
        secret_hash,
        now,
        expires_at,
        granted.client_id,
        list(granted.scope),
        list(granted.audience),
        granted.claims.to_json(),
        granted.jkt,
        device is not None,
        *(device or (None, None, None)),
    )
    return state_of(row) if row else None


async def find_granted(db: Executor, session_id: UUID, now: datetime) -> Granted | None:
    """Return what an app was granted with a session; None if it has ended, or its browser's has.

    A grant with `offline_access` does not depend on the browser.
    """
    row = await db.fetchrow(
        f"""
        SELECT client_id, opened_from, scope, audience, claims::text, jkt FROM sessions AS s
         WHERE id = $1 AND kind = '{SessionKind.APP}' AND ended_at IS NULL
           AND ({_OFFLINE} OR EXISTS (
                   SELECT FROM sessions AS b
                    WHERE b.id = s.opened_from AND b.ended_at IS NULL AND b.expires_at > $2))
        """,  # noqa: S608 - constants
        session_id,
        now,
    )
    if row is None:
        return None
    client_id, opened_from, scope, audience, claims, jkt = row
    return Granted(
        client_id, opened_from, tuple(scope), tuple(audience), AskedClaims.of(claims), jkt
    )


async def end_grants_from(
    tx: Tx, opened_from: Sequence[UUID], now: datetime, reason: EndReason
) -> list[UUID]:
    """End what apps got in sessions of browsers, unless it may outlive them; return the ids."""
    rows = await tx.fetch(
        f"""
        UPDATE sessions SET ended_at = $2, end_reason = $3
         WHERE opened_from = ANY($1) AND ended_at IS NULL AND NOT {_OFFLINE}
        RETURNING id
        """,  # noqa: S608 - constants
        list(opened_from),
        now,
        reason,
    )
    return [row["id"] for row in rows]


async def end_grants_of(
    tx: Tx, user_id: UUID, client_id: UUID, now: datetime, reason: EndReason
) -> list[UUID]:
    """End all that an app has of a user, and return the ids."""
    rows = await tx.fetch(
        """
        UPDATE sessions SET ended_at = $3, end_reason = $4
         WHERE user_id = $1 AND client_id = $2 AND ended_at IS NULL
        RETURNING id
        """,
        user_id,
        client_id,
        now,
        reason,
    )
    return [row["id"] for row in rows]


async def end_grants_of_client(
    tx: Executor, client_id: UUID, before: datetime, now: datetime, reason: EndReason, at_most: int
) -> int:
    """End what an app got until a moment, of whomever, and return the number of grants.

    Fewer than `at_most` means that no more are left.
    """
    rows = await tx.fetch(
        """
        UPDATE sessions SET ended_at = $3, end_reason = $4
         WHERE id IN (
             SELECT id FROM sessions
              WHERE client_id = $1 AND ended_at IS NULL AND login_at <= $2
              ORDER BY id LIMIT $5 FOR NO KEY UPDATE)
        RETURNING 1
        """,
        client_id,
        before,
        now,
        reason,
        at_most,
    )
    return len(rows)


async def delete_older_grants(
    tx: Tx, user_id: UUID, client_id: UUID, *, most: int, most_ended: int
) -> list[UUID]:
    """Delete what an app has of a user beyond the `most` that were used last; return their ids.

    Of grants that have ended, those of all apps of the user beyond `most_ended` go with them.
    """
    rows = await tx.fetch(
        """
        WITH ranked AS (
            SELECT id, ended_at IS NULL AS is_live,
                   row_number() OVER (PARTITION BY ended_at IS NULL
                        ORDER BY coalesce(ended_at, last_activity_at) DESC, id DESC) AS place
              FROM sessions
             WHERE user_id = $1 AND client_id IS NOT NULL
               AND (client_id = $2 OR ended_at IS NOT NULL)
        ), beyond AS (
            SELECT id FROM sessions
             WHERE id IN (SELECT id FROM ranked
                           WHERE place > CASE WHEN is_live THEN $3::integer ELSE $4 END)
               FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM sessions WHERE id IN (SELECT id FROM beyond) RETURNING id, ended_at
        )
        SELECT id FROM gone WHERE ended_at IS NULL
        """,
        user_id,
        client_id,
        most,
        most_ended,
    )
    return [row["id"] for row in rows]


async def list_grants(
    db: Executor, user_id: UUID, now: datetime, idle_since: datetime
) -> Sequence[GrantOfUser]:
    """Return, by client, what apps have of a user now, and when it was last used."""
    rows = await db.fetch(
        f"""
        SELECT client_id, count(*) AS sessions, max(last_activity_at) AS last_used_at,
               bool_or({_OFFLINE}) AS is_offline
          FROM sessions
         WHERE user_id = $1 AND client_id IS NOT NULL AND ended_at IS NULL
           AND expires_at > $2 AND last_activity_at > $3
         GROUP BY client_id
        """,  # noqa: S608 - constants
        user_id,
        now,
        idle_since,
    )
    return [GrantOfUser(*row) for row in rows]
