"""SQL for accounts: the lock on one, and reading and changing them.

Passwords and the verification of addresses are in `credential_queries`.
"""

from datetime import datetime
from uuid import UUID

from asyncpg import Record

from keyfob.accounts.changes import ProfileChanges
from keyfob.accounts.email import Email
from keyfob.accounts.models import Account, Contact, NewAccount, PlannedErasure, Profile, Status
from keyfob.authority.models import Role
from keyfob.core.database import Executor, Tx
from keyfob.core.folding import fold_email, fold_name
from keyfob.core.locales import Locale

_ACCOUNT = """
    SELECT id, email, email_normal, name, locale, role, status, password_hash,
           email_verified_at IS NOT NULL AS is_verified, first_proven_at IS NOT NULL AS was_proven,
           registered_itself, address_unvouched, must_change_password, erase_at
      FROM users
"""
# Any constant that no other advisory lock of Keyfob uses.
_ADMINS_LOCK = 0x6B66_6164
# For an account `u` that is to lose its role, its status or its address, or to be removed: tells
# whether there is another reliable administrator. Such an account can sign in without a mail having
# to be read first, or has a verified address, and is not to be erased. $2: administrators need a
# verified address, since otherwise they cannot sign in, or add the factor that their role requires.
_OTHERS_ADMINISTER = """
    EXISTS (SELECT FROM users AS other
             WHERE other.role = 'admin' AND other.status = 'active' AND other.erase_at IS NULL
               AND other.id <> u.id
               AND (other.email_verified_at IS NOT NULL
                    OR (other.password_hash IS NOT NULL AND NOT $2)))
"""
_MAY_GO = f"id = $1 AND (role <> 'admin' OR status <> 'active' OR {_OTHERS_ADMINISTER})"


async def lock_account(tx: Tx, user_id: UUID) -> Account | None:
    """Return the account, locked until the commit; None if it is gone."""
    row = await tx.fetchrow(f"{_ACCOUNT} WHERE id = $1 FOR UPDATE", user_id)
    return _account(row) if row else None


async def lock_account_by_email(tx: Tx, email_normal: str) -> Account | None:
    """Return the account with that address, locked until the commit; None if there is none."""
    row = await tx.fetchrow(f"{_ACCOUNT} WHERE email_normal = $1 FOR UPDATE", email_normal)
    return _account(row) if row else None


async def lock_admins(tx: Tx) -> None:
    """Lock the set of administrators until the commit.

    This is one lock, and not a lock on each administrator's row, since only its holder knows for
    sure who the administrators are. Threat: a transaction that has locked the rows it found and
    then meets an administrator who was promoted meanwhile could wait for one that waits for it.
    """
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _ADMINS_LOCK)


def _account(row: Record) -> Account:
    return Account(
        id=row["id"],
        email=Email(row["email"], row["email_normal"]),
        name=row["name"],
        locale=Locale(row["locale"]),
        role=Role(row["role"]),
        status=Status(row["status"]),
        password_hash=row["password_hash"],
        is_verified=row["is_verified"],
        was_proven=row["was_proven"],
        registered_itself=row["registered_itself"],
        address_unvouched=row["address_unvouched"],
        must_change_password=row["must_change_password"],
        erase_at=row["erase_at"],
    )


async def find_profile(db: Executor, user_id: UUID) -> Profile | None:
    """Return the account with its activity; None if it is gone."""
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


async def find_contact(db: Executor, user_id: UUID) -> Contact | None:
    """Return the contact data of the account; None if it is gone."""
    row = await db.fetchrow(
        """
        SELECT id, email, email_normal, name, locale, email_verified_at IS NOT NULL AS is_verified
          FROM users WHERE id = $1
        """,
        user_id,
    )
    if row is None:
        return None
    return Contact(
        id=row["id"],
        email=Email(row["email"], row["email_normal"]),
        name=row["name"],
        locale=Locale(row["locale"]),
        is_verified=row["is_verified"],
    )


async def has_admin(db: Executor) -> bool:
    """Tell whether any administrator exists."""
    return bool(await db.fetchval("SELECT EXISTS (SELECT FROM users WHERE role = 'admin')"))


async def insert_user(tx: Tx, user_id: UUID, new: NewAccount, now: datetime) -> bool:
    """Add an account; False if the address is taken. Of many requests at once, one succeeds."""
    inserted = await tx.fetchval(
        """
        WITH added AS (
            INSERT INTO users (id, email, email_normal, name, role, status, password_hash,
                               created_at, updated_at, locale, email_verified_at,
                               first_proven_at, must_change_password, registered_itself,
                               email_folded, name_folded, address_unvouched)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9,
                    CASE WHEN $10 THEN $8::timestamptz END,
                    CASE WHEN $10 THEN $8::timestamptz END, $11, $12, $13, $14, $15)
            ON CONFLICT (email_normal) DO NOTHING
            RETURNING id
        ), active AS (
            INSERT INTO user_activity (user_id) SELECT id FROM added
        )
        SELECT id FROM added
        """,
        user_id,
        new.email.typed,
        new.email.normal,
        new.name,
        new.role,
        new.status,
        new.password_hash,
        now,
        new.locale,
        new.is_verified,
        new.must_change_password,
        new.registered_itself,
        fold_email(new.email.typed, new.email.normal),
        fold_name(new.name),
        new.address_unvouched,
    )
    return inserted is not None


async def update_user(tx: Tx, after: Account, admins_need_proof: bool, now: datetime) -> bool:
    """Change an account; False if no administrator who can sign in would be left.

    A new address is not verified, whoever set it; if addresses must be verified, nobody can sign in
    to the account until somebody has read a mail. The administrators must be locked.
    """
    changed = await tx.fetchval(
        f"""
        UPDATE users AS u
           SET role = $3, status = $4, name = $5, email = $6, email_normal = $7, updated_at = $8,
               email_verified_at = CASE WHEN email_normal = $7 THEN email_verified_at END,
               email_folded = $9, name_folded = $10, address_unvouched = $11
         WHERE id = $1
           AND (role <> 'admin' OR status <> 'active' OR {_OTHERS_ADMINISTER}
                OR ($3 = 'admin' AND $4 = 'active' AND (email_normal = $7 OR NOT $2)))
        RETURNING true
        """,  # noqa: S608 - a constant of this file
        after.id,
        admins_need_proof,
        after.role,
        after.status,
        after.name,
        after.email.typed,
        after.email.normal,
        now,
        fold_email(after.email.typed, after.email.normal),
        fold_name(after.name),
        after.address_unvouched,
    )
    return bool(changed)


async def update_profile(
    tx: Tx, user_id: UUID, changes: ProfileChanges, now: datetime
) -> list[str]:
    """Change the set fields of a locked account and return the names of those that differ.

    Every worker is told at the commit.
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
        changes.name,
        "name" in changes.sets,
        changes.locale,
        changes.timezone,
        "timezone" in changes.sets,
        now,
        fold_name(changes.name),
    )
    return changed or []


async def update_email(tx: Tx, user_id: UUID, email: str, email_normal: str, now: datetime) -> None:
    """Give an account another address, which is verified, and tell every worker at the commit.

    Raises:
        UniqueViolationError: another account has the address. Of two requests at once, one wins.
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


async def notify_user_changed(tx: Tx, user_id: UUID) -> None:
    """Tell every worker, at the commit, to read this account again."""
    await tx.execute("SELECT pg_notify('keyfob', 'user ' || $1::uuid)", user_id)


async def raise_sub_gen(tx: Tx, user_id: UUID) -> int:
    """Begin the next generation of an account's tokens, lock the account, return the generation."""
    return int(
        await tx.fetchval(
            "UPDATE users SET sub_gen = sub_gen + 1 WHERE id = $1 RETURNING sub_gen", user_id
        )
        or 0
    )


async def plan_erasure(
    tx: Tx, user_id: UUID, admins_need_proof: bool, erase_at: datetime
) -> PlannedErasure | None:
    """Set when an account is to be erased, unless that is set already; None if it must stay.

    An administrator who is to be erased does not count as a reliable one. The account must be
    locked; an administrator's with the other administrators.
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
                OR {_OTHERS_ADMINISTER})
        RETURNING u.erase_at, before.erase_at IS NULL AS is_new
        """,  # noqa: S608 - a constant of this file
        user_id,
        admins_need_proof,
        erase_at,
    )
    return PlannedErasure(**row) if row else None


async def cancel_erasure(tx: Tx, user_id: UUID) -> bool:
    """Cancel a planned erasure; False if none was planned."""
    cancelled = await tx.fetchval(
        "UPDATE users SET erase_at = NULL WHERE id = $1 AND erase_at IS NOT NULL RETURNING true",
        user_id,
    )
    return bool(cancelled)


async def list_due_erasures(db: Executor, now: datetime, limit: int, but: list[UUID]) -> list[UUID]:
    """Return accounts that are due to be erased, except `but`, the longest overdue first."""
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


async def may_go(tx: Tx, user_id: UUID, admins_need_proof: bool) -> bool:
    """Tell whether `delete_user` would remove a locked account."""
    return bool(
        await tx.fetchval(
            f"SELECT EXISTS (SELECT FROM users AS u WHERE {_MAY_GO})",  # noqa: S608 - a constant of this file
            user_id,
            admins_need_proof,
        )
    )


async def delete_user(tx: Tx, user_id: UUID, admins_need_proof: bool) -> bool:
    """Remove an account; False as in `update_user`. The administrators must be locked."""
    deleted = await tx.fetchval(
        f"""
        DELETE FROM users AS u
         WHERE {_MAY_GO}
        RETURNING true
        """,  # noqa: S608 - a constant of this file
        user_id,
        admins_need_proof,
    )
    return bool(deleted)
