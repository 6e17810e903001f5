"""SQL of what users change of their own accounts."""

from datetime import datetime
from uuid import UUID

from keyfob.accounts.models import PlannedErasure
from keyfob.accounts.queries import OTHERS_ADMINISTER
from keyfob.core.database import Executor, Tx
from keyfob.core.folding import fold_email, fold_name


async def update_profile(
    tx: Tx,
    user_id: UUID,
    *,
    name: str | None,
    sets_name: bool,
    locale: str | None,
    timezone: str | None,
    sets_timezone: bool,
    now: datetime,
) -> list[str]:
    """Change what is set of an account that is held, and return the fields that differ.

    Every worker hears of it at the commit.
    """
    changed = await tx.fetchval(
        """
        WITH before AS (
            SELECT id, name, locale, timezone FROM users WHERE id = $1
        ), changed AS (
            UPDATE users AS u
               SET name = CASE WHEN $3 THEN $2 ELSE b.name END,
                   locale = coalesce($4, b.locale),
                   timezone = CASE WHEN $6 THEN $5 ELSE b.timezone END,
                   name_folded = CASE WHEN $3 THEN $8 ELSE u.name_folded END,
                   updated_at = $7
              FROM before AS b WHERE u.id = b.id
            RETURNING u.id, array_remove(ARRAY[
                CASE WHEN u.name IS DISTINCT FROM b.name THEN 'name' END,
                CASE WHEN u.locale <> b.locale THEN 'locale' END,
                CASE WHEN u.timezone IS DISTINCT FROM b.timezone THEN 'timezone' END
            ], NULL) AS fields
        )
        SELECT fields FROM changed, LATERAL (SELECT pg_notify('keyfob', 'user ' || id)) AS told
        """,
        user_id,
        name,
        sets_name,
        locale,
        timezone,
        sets_timezone,
        now,
        fold_name(name),
    )
    return changed or []


async def replace_password(tx: Tx, user_id: UUID, old: str, new: str, now: datetime) -> bool:
    """Put a new hash in the place of a known one; False if that is not the account's any more.

    One UPDATE: of two changes that both knew the old password, one wins.
    """
    replaced = await tx.fetchval(
        """
        UPDATE users SET password_hash = $3, must_change_password = false, updated_at = $4
         WHERE id = $1 AND password_hash = $2
        RETURNING true
        """,
        user_id,
        old,
        new,
        now,
    )
    return bool(replaced)


async def update_email(tx: Tx, user_id: UUID, email: str, email_normal: str, now: datetime) -> None:
    """Give an account another address, which is proven, and tell every worker at the commit.

    Raises:
        UniqueViolationError: the address has an account; of two that want it at once, one gets it.
    """
    await tx.execute(
        """
        WITH changed AS (
            UPDATE users
               SET email = $2, email_normal = $3, email_verified_at = $4, updated_at = $4,
                   first_proven_at = coalesce(first_proven_at, $4), email_folded = $5
             WHERE id = $1
            RETURNING id
        )
        SELECT pg_notify('keyfob', 'user ' || id) FROM changed
        """,
        user_id,
        email,
        email_normal,
        now,
        fold_email(email, email_normal),
    )


async def plan_erasure(
    tx: Tx, user_id: UUID, requires_verified: bool, erase_at: datetime
) -> PlannedErasure | None:
    """Set when an account is to be erased, unless it is set; None if it must stay.

    An administrator who is to be erased is none to rely on.
    Lock it before; one that administers, with the administrators.
    """
    row = await tx.fetchrow(
        f"""
        WITH before AS (
            SELECT id, erase_at FROM users WHERE id = $1
        )
        UPDATE users AS u
           SET erase_at = coalesce(u.erase_at, $3)
          FROM before
         WHERE u.id = before.id
           AND (u.erase_at IS NOT NULL OR u.role <> 'admin' OR u.status <> 'active'
                OR {OTHERS_ADMINISTER})
        RETURNING u.erase_at, before.erase_at IS NULL AS is_new
        """,  # noqa: S608 - a constant of the users room
        user_id,
        requires_verified,
        erase_at,
    )
    return PlannedErasure(**row) if row else None


async def cancel_erasure(tx: Tx, user_id: UUID) -> bool:
    """Let an account stay; False if it was not to be erased."""
    cancelled = await tx.fetchval(
        "UPDATE users SET erase_at = NULL WHERE id = $1 AND erase_at IS NOT NULL RETURNING true",
        user_id,
    )
    return bool(cancelled)


async def list_due(db: Executor, now: datetime, limit: int, but: list[UUID]) -> list[UUID]:
    """Return whose time to be erased has come, the longest waiting first, but for some."""
    rows = await db.fetch(
        """
        SELECT id FROM users WHERE erase_at <= $1 AND id <> ALL ($3::uuid[])
         ORDER BY erase_at, id LIMIT $2
        """,
        now,
        limit,
        but,
    )
    return [row["id"] for row in rows]
