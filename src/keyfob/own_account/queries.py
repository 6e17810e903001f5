"""SQL for exports and erasures: it reads what all rooms store about a person, and writes nothing.

What an export reads holds no secrets.
"""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from keyfob.core.database import Executor, Tx

# Columns as the document shows them.
Row: TypeAlias = dict[str, Any]


async def find_person(tx: Tx, user_id: UUID) -> Row | None:
    """Return the account with its activity."""
    found = await tx.fetchrow(
        """
        SELECT u.id, u.email, u.email_normal, u.email_verified_at, u.first_proven_at,
               u.registered_itself, u.name, u.role, u.status,
               u.locale, u.timezone, u.created_at, u.updated_at, u.erase_at,
               u.password_hash IS NOT NULL AS has_password, u.must_change_password,
               NULLIF(a.last_active_at, '-infinity') AS last_active_at,
               coalesce(a.total_active_seconds, 0)::bigint AS total_active_time
          FROM users AS u LEFT JOIN user_activity AS a ON a.user_id = u.id
         WHERE u.id = $1
        """,
        user_id,
    )
    return dict(found) if found else None


async def list_factors(tx: Tx, user_id: UUID) -> list[Row]:
    """Return the factors, also unconfirmed ones, without their secrets."""
    return await _list(
        tx,
        """
        SELECT id, type, name, created_at, confirmed_at, last_used_at, backed_up
          FROM factors WHERE user_id = $1 ORDER BY created_at, id
        """,
        user_id,
    )


async def count_recovery_codes(tx: Tx, user_id: UUID) -> int:
    """Return the number of unused recovery codes."""
    return int(await tx.fetchval("SELECT count(*) FROM recovery_codes WHERE user_id = $1", user_id))


async def list_api_keys(tx: Tx, user_id: UUID, after: UUID | None, limit: int) -> list[Row]:
    """Return a page of the API keys, oldest first, including ended ones, without their digests."""
    return await _list(
        tx,
        """
        SELECT id, name, scope, created_at, expires_at, last_used_at, revoked_at
          FROM api_keys
         WHERE user_id = $1 AND id > $2
         ORDER BY id LIMIT $3
        """,
        user_id,
        after or UUID(int=0),
        limit,
    )


async def list_consents(tx: Tx, user_id: UUID) -> list[Row]:
    """Return what apps may have, with their names."""
    return await _list(
        tx,
        """
        SELECT client_id, name, audience, given_at,
               ARRAY(SELECT DISTINCT regexp_replace(given, '^.* ', '')
                       FROM unnest(consents.scope) AS given ORDER BY 1) AS scope
          FROM consents JOIN clients ON id = client_id WHERE user_id = $1 ORDER BY given_at, id
        """,
        user_id,
    )


async def list_roles(tx: Tx, user_id: UUID) -> list[Row]:
    """Return the further roles, also those that have just ended."""
    return await _list(
        tx,
        """
        SELECT role, given_at, expires_at FROM user_roles WHERE user_id = $1 ORDER BY role
        """,
        user_id,
    )


async def list_links(tx: Tx, user_id: UUID) -> list[Row]:
    """Return sent and unused links, without their tokens.

    Threat: how long a job took tells whether an address has an account; so whole seconds, also of
    jobs.
    """
    return await _list(
        tx,
        """
        SELECT kind, email, date_trunc('second', created_at) AS created_at,
               date_trunc('second', expires_at) AS expires_at
          FROM one_time_tokens AS link WHERE user_id = $1 ORDER BY link.created_at
        """,
        user_id,
    )


async def list_pending_logins(tx: Tx, user_id: UUID) -> list[Row]:
    """Return the pending logins."""
    return await _list(
        tx,
        """
        SELECT amr, created_at, expires_at, host(ip_address) AS ip_address, device_type, browser,
               os, platform
          FROM pending_logins WHERE user_id = $1 ORDER BY created_at
        """,
        user_id,
    )


async def list_jobs(tx: Tx, user_id: UUID) -> list[Row]:
    """Return mails and other jobs that are not done yet, without their contents."""
    return await _list(
        tx,
        """
        SELECT kind, date_trunc('second', created_at) AS created_at,
               date_trunc('second', due_at) AS due_at,
               date_trunc('second', expires_at) AS expires_at, attempts,
               date_trunc('second', failed_at) AS failed_at
          FROM outbox AS job WHERE user_id = $1 ORDER BY job.created_at, id
        """,
        user_id,
    )


async def list_sessions(tx: Tx, user_id: UUID, after: UUID | None, limit: int) -> list[Row]:
    """Return a page of the sessions, oldest first, including ended ones."""
    return await _list(
        tx,
        """
        SELECT id, host(ip_address) AS ip_address, device_type, browser, os, platform, amr,
               login_at, auth_time,
               last_activity_at, expires_at, ended_at, end_reason,
               login_at < (SELECT first_proven_at FROM users WHERE id = $1) IS TRUE
               AS before_first_proof
          FROM sessions
         WHERE user_id = $1 AND id > $2
         ORDER BY id LIMIT $3
        """,
        user_id,
        after or UUID(int=0),
        limit,
    )


async def list_logins(
    tx: Tx, user_id: UUID, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """Return a page of the login log, newest first."""
    before_at, before_id = before or (None, UUID(int=0))
    return await _list(
        tx,
        """
        SELECT id, at, outcome, reason, host(ip_address) AS ip_address, device_type, browser, os,
               platform, session_id,
               at < (SELECT first_proven_at FROM users WHERE id = $1) IS TRUE
               AS before_first_proof
          FROM login_events
         WHERE user_id = $1 AND (at, id) < (coalesce($2, 'infinity'::timestamptz), $3)
         ORDER BY at DESC, id DESC LIMIT $4
        """,
        user_id,
        before_at,
        before_id,
        limit,
    )


async def list_events(tx: Tx, user_id: UUID, before: int | None, limit: int) -> list[Row]:
    """Return a page of the audit log, newest first: events by the person or about the person.

    For events about others only the fact is shown, and for events by others only their capacity.
    The IP address is the actor's, so it is shown only if the person was the actor.
    """
    return await _list(
        tx,
        """
        WITH found AS (
            (SELECT * FROM audit_events
              WHERE actor_id = $1 AND position < coalesce($2, 9223372036854775807)
              ORDER BY position DESC LIMIT $3)
            UNION
            (SELECT * FROM audit_events
              WHERE target_id = $1 AND position < coalesce($2, 9223372036854775807)
              ORDER BY position DESC LIMIT $3)
        )
        SELECT position, id, at, action,
               CASE WHEN actor_id = $1 THEN 'you'
                    WHEN actor_id IS NULL THEN 'the service' ELSE 'an administrator' END AS by,
               CASE WHEN target_id = $1 THEN 'you'
                    WHEN target_id IS NULL THEN 'the service' ELSE 'somebody else' END AS about,
               CASE WHEN target_id = $1 OR target_id IS NULL THEN old_values END AS old_values,
               CASE WHEN target_id = $1 OR target_id IS NULL THEN new_values END AS new_values,
               CASE WHEN actor_id = $1 THEN host(ip_address) END AS ip_address
          FROM found ORDER BY position DESC LIMIT $3
        """,
        user_id,
        before,
        limit,
    )


async def _list(tx: Tx, query: str, *args: object) -> list[Row]:
    return [dict(row) for row in await tx.fetch(query, *args)]


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
