"""SQL of the account."""

from datetime import datetime
from uuid import UUID

from keyfob.accounts.email import Email
from keyfob.accounts.models import Account, Profile, SignInAccount, Status, UnlockedAccount
from keyfob.core.database import Executor, Tx
from keyfob.core.folding import fold_email, fold_name

# Of an account `u` that is to lose its role, its status or its address, or to go: whether another
# administrator can be relied on. That is one who can sign in without anybody's having to read a
# mail first, or has proven to read it, and who means to stay. $2: addresses must be proven.
OTHERS_ADMINISTER = """
    EXISTS (SELECT FROM users AS other
             WHERE other.role = 'admin' AND other.status = 'active' AND other.erase_at IS NULL
               AND other.id <> u.id
               AND (other.email_verified_at IS NOT NULL
                    OR (other.password_hash IS NOT NULL AND NOT $2)))
"""
_MAY_GO = f"id = $1 AND (role <> 'admin' OR status <> 'active' OR {OTHERS_ADMINISTER})"


async def insert_user(
    tx: Tx,
    *,
    user_id: UUID,
    email: str,
    email_normal: str,
    name: str | None,
    role: str,
    status: str,
    password_hash: str | None,
    locale: str,
    is_verified: bool,
    registered_itself: bool,
    must_change_password: bool,
    now: datetime,
) -> bool:
    """Add an account; False if the address is taken. Of a hundred at once, one is added."""
    inserted = await tx.fetchval(
        """
        WITH added AS (
            INSERT INTO users (id, email, email_normal, name, role, status, password_hash,
                               created_at, updated_at, locale, email_verified_at,
                               first_proven_at, must_change_password, registered_itself,
                               email_folded, name_folded)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9,
                    CASE WHEN $10 THEN $8::timestamptz END,
                    CASE WHEN $10 THEN $8::timestamptz END, $11, $12, $13, $14)
            ON CONFLICT (email_normal) DO NOTHING
            RETURNING id
        ), active AS (
            INSERT INTO user_activity (user_id) SELECT id FROM added
        )
        SELECT id FROM added
        """,
        user_id,
        email,
        email_normal,
        name,
        role,
        status,
        password_hash,
        now,
        locale,
        is_verified,
        must_change_password,
        registered_itself,
        fold_email(email, email_normal),
        fold_name(name),
    )
    return inserted is not None


async def find_profile(db: Executor, user_id: UUID) -> Profile | None:
    """Return the account with its activity."""
    row = await db.fetchrow(
        """
        SELECT u.id, u.email, u.email_verified_at IS NOT NULL AS email_verified, u.name, u.role,
               u.status, u.locale, u.timezone, u.created_at, u.erase_at,
               NULLIF(a.last_active_at, '-infinity') AS last_active_at,
               coalesce(a.total_active_seconds, 0) AS total_active_seconds
          FROM users AS u LEFT JOIN user_activity AS a ON a.user_id = u.id
         WHERE u.id = $1
        """,
        user_id,
    )
    return Profile(**row) if row else None


async def find_unlocked(db: Executor, user_id: UUID) -> UnlockedAccount | None:
    """Return what is read of an account before something slow."""
    row = await db.fetchrow(
        """
        SELECT email, email_normal, name, password_hash, first_proven_at IS NOT NULL AS was_proven
          FROM users WHERE id = $1
        """,
        user_id,
    )
    if row is None:
        return None
    email, email_normal, *others = row
    return UnlockedAccount(user_id, Email(email, email_normal), *others)


async def find_credentials(
    db: Executor, email_normal: str, requires_verified: bool
) -> SignInAccount | None:
    """Return what a sign-in reads of the account with that address."""
    row = await db.fetchrow(
        """
        SELECT id, status, CASE WHEN NOT waits_for_email THEN password_hash END AS password_hash,
               waits_for_email,
               EXISTS (
                   SELECT FROM factors WHERE user_id = users.id AND confirmed_at IS NOT NULL
               ) AS has_factor
          FROM users, LATERAL (SELECT $2 AND email_verified_at IS NULL AS waits_for_email) AS state
         WHERE email_normal = $1
        """,
        email_normal,
        requires_verified,
    )
    return SignInAccount(**{**row, "status": Status(row["status"])}) if row else None


async def update_password_hash(tx: Tx, user_id: UUID, old: str, new: str) -> bool:
    """Replace a hash by a better one of the same password; False if it changed meanwhile."""
    updated = await tx.fetchval(
        "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING true",
        user_id,
        old,
        new,
    )
    return bool(updated)


async def update_user(tx: Tx, after: Account, requires_verified: bool, now: datetime) -> bool:
    """Change an account; False if that would leave nobody who can sign in and administer.

    A new address is unproven, whoever wrote it; so where addresses must be proven, it shuts its
    account until somebody reads a mail. Lock it with the administrators before.
    """
    changed = await tx.fetchval(
        f"""
        UPDATE users AS u
           SET role = $3, status = $4, name = $5, email = $6, email_normal = $7, updated_at = $8,
               email_verified_at = CASE WHEN email_normal = $7 THEN email_verified_at END,
               email_folded = $9, name_folded = $10
         WHERE id = $1
           AND (role <> 'admin' OR status <> 'active' OR {OTHERS_ADMINISTER}
                OR ($3 = 'admin' AND $4 = 'active' AND (email_normal = $7 OR NOT $2)))
        RETURNING true
        """,  # noqa: S608 - a constant of this file
        after.id,
        requires_verified,
        after.role,
        after.status,
        after.name,
        after.email.typed,
        after.email.normal,
        now,
        fold_email(after.email.typed, after.email.normal),
        fold_name(after.name),
    )
    return bool(changed)


async def may_go(tx: Tx, user_id: UUID, requires_verified: bool) -> bool:
    """Tell whether `delete_user` would remove an account that is locked."""
    return bool(
        await tx.fetchval(
            f"SELECT EXISTS (SELECT FROM users AS u WHERE {_MAY_GO})",  # noqa: S608 - a constant of this file
            user_id,
            requires_verified,
        )
    )


async def delete_user(tx: Tx, user_id: UUID, requires_verified: bool) -> bool:
    """Remove an account; False as `update_user`, with the administrators locked likewise."""
    deleted = await tx.fetchval(
        f"""
        DELETE FROM users AS u
         WHERE {_MAY_GO}
        RETURNING true
        """,  # noqa: S608 - a constant of this file
        user_id,
        requires_verified,
    )
    return bool(deleted)


async def has_admin(db: Executor) -> bool:
    """Tell whether any administrator exists."""
    return bool(await db.fetchval("SELECT EXISTS (SELECT FROM users WHERE role = 'admin')"))


async def notify_user_changed(tx: Tx, user_id: UUID) -> None:
    """Tell every worker, at the commit, to read this account again."""
    await tx.execute("SELECT pg_notify('keyfob', 'user ' || $1::uuid)", user_id)


async def raise_sub_gen(tx: Tx, user_id: UUID) -> int:
    """Begin the next generation of an account's tokens, hold it, and return the generation."""
    return int(
        await tx.fetchval(
            "UPDATE users SET sub_gen = sub_gen + 1 WHERE id = $1 RETURNING sub_gen", user_id
        )
        or 0
    )
