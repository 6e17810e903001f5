"""SQL for passwords, verified addresses and waiting sign-ups."""

from datetime import datetime
from uuid import UUID

from keyfob.accounts.email import Email
from keyfob.accounts.models import (
    AddressOwner,
    Forgotten,
    SignInAccount,
    SignUp,
    Status,
    UnlockedAccount,
)
from keyfob.core.database import Executor, Tx
from keyfob.core.folding import fold_email, fold_name
from keyfob.core.locales import Locale

# The conditions of `Account.is_waiting_sign_up`, and a registration in the audit log: a row without
# a password that an operator inserted by SQL is not a sign-up to remove.
_WAITS = """
    registered_itself AND password_hash IS NULL AND first_proven_at IS NULL
    AND NOT must_change_password AND role = 'user' AND status = 'active'
    AND EXISTS (SELECT FROM audit_events AS e
                 WHERE e.target_id = users.id AND e.action = 'user.registered')
"""
_UNLINKED = """
    NOT EXISTS (SELECT FROM one_time_tokens AS t
                 WHERE t.user_id = users.id AND t.expires_at >= $2)
"""


async def find_for_sign_in(
    db: Executor, email_normal: str, requires_verified: bool
) -> SignInAccount | None:
    """Return what a sign-in needs of the account with that address; None if there is none."""
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


async def find_address_owner(db: Executor, email_normal: str) -> AddressOwner | None:
    """Return the account that has an address, without locking it; None if there is none."""
    row = await db.fetchrow(
        """
        SELECT id, email_verified_at IS NOT NULL AS is_verified,
               registered_itself AND first_proven_at IS NULL AS is_strangers, status
          FROM users WHERE email_normal = $1
        """,
        email_normal,
    )
    return AddressOwner(**{**row, "status": Status(row["status"])}) if row else None


async def find_unlocked(db: Executor, user_id: UUID) -> UnlockedAccount | None:
    """Return what slow work needs of an account, without locking it; None if it is gone."""
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


async def set_password_hash(tx: Tx, user_id: UUID, password_hash: str, now: datetime) -> None:
    """Set a password that the user chose, so that it need not be changed any more."""
    await tx.execute(
        """
        UPDATE users SET password_hash = $2, must_change_password = false, updated_at = $3
         WHERE id = $1
        """,
        user_id,
        password_hash,
        now,
    )


async def replace_password(tx: Tx, user_id: UUID, old: str, new: str, now: datetime) -> bool:
    """Replace a known hash by a new one; False if the account has another hash by now.

    One UPDATE: of two changes that both know the old password, only one wins.
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


async def update_password_hash(tx: Tx, user_id: UUID, old: str, new: str) -> bool:
    """Replace a hash by a better one of the same password; False if it changed meanwhile."""
    updated = await tx.fetchval(
        "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING true",
        user_id,
        old,
        new,
    )
    return bool(updated)


async def delete_password_hash(tx: Tx, user_id: UUID, now: datetime) -> bool:
    """Remove an account's password; False if it had none."""
    deleted = await tx.fetchval(
        """
        UPDATE users SET password_hash = NULL, must_change_password = false, updated_at = $2
         WHERE id = $1 AND password_hash IS NOT NULL
        RETURNING true
        """,
        user_id,
        now,
    )
    return bool(deleted)


async def take_sign_up(tx: Tx, user_id: UUID, password_hash: str, sign_up: SignUp | None) -> bool:
    """Give an account that has no password the password, name and language of a sign-up.

    The name in the account is replaced, even by none: it may come from another sign-up. Returns
    True also if the hash is the account's own already; False if the account has another.
    """
    taken = await tx.fetchval(
        """
        UPDATE users
           SET password_hash = $2, email = coalesce($4, email),
               name = CASE WHEN $3 THEN $5 ELSE name END, locale = coalesce($6, locale),
               email_folded = CASE WHEN $4::text IS NULL THEN email_folded ELSE $7 END,
               name_folded = CASE WHEN $3 THEN $8 ELSE name_folded END
         WHERE id = $1
           AND ((password_hash = $2 AND NOT $3) OR (password_hash IS NULL AND $3))
        RETURNING true
        """,
        user_id,
        password_hash,
        sign_up is not None,
        sign_up and sign_up.email.typed,
        sign_up and sign_up.name,
        sign_up and sign_up.locale,
        sign_up and fold_email(sign_up.email.typed, sign_up.email.normal),
        sign_up and fold_name(sign_up.name),
    )
    return bool(taken)


async def set_verified(tx: Tx, user_id: UUID, now: datetime) -> None:
    """Mark the account's address as verified."""
    await tx.execute(
        """
        UPDATE users
           SET email_verified_at = coalesce(email_verified_at, $2),
               first_proven_at = coalesce(first_proven_at, $2), updated_at = $2
         WHERE id = $1
        """,
        user_id,
        now,
    )


async def start_afresh(tx: Tx, user_id: UUID, locale: Locale, now: datetime) -> Forgotten | None:
    """Record the first proof and remove what was typed before it; None if there was a proof.

    What only an administrator can have typed stays: nobody has ever signed in to such an account.
    """
    row = await tx.fetchrow(
        """
        WITH before AS (
            SELECT id, password_hash, erase_at, name, locale, timezone, email,
                   registered_itself OR password_hash IS NOT NULL AS may_be_of_a_stranger
              FROM users WHERE id = $1
        )
        UPDATE users AS u
           SET email_verified_at = $3, first_proven_at = $3, known_since = $3, updated_at = $3,
               password_hash = NULL, must_change_password = false, erase_at = NULL,
               name = CASE WHEN NOT may_be_of_a_stranger THEN before.name END,
               timezone = CASE WHEN NOT may_be_of_a_stranger THEN before.timezone END,
               locale = CASE WHEN may_be_of_a_stranger THEN $2 ELSE before.locale END,
               email = CASE WHEN registered_itself THEN email_normal ELSE before.email END,
               email_folded = CASE WHEN registered_itself THEN email_normal ELSE email_folded END,
               name_folded = CASE WHEN NOT may_be_of_a_stranger THEN name_folded END
          FROM before
         WHERE u.id = before.id AND u.first_proven_at IS NULL
        RETURNING before.password_hash IS NOT NULL AS password,
                  before.erase_at IS NOT NULL AS erasure,
                  before.name IS NOT NULL AND may_be_of_a_stranger AS name
        """,
        user_id,
        locale,
        now,
    )
    return Forgotten(**row) if row else None


async def is_waiting(db: Executor, user_id: UUID) -> bool:
    """Tell whether an account is a waiting sign-up."""
    return bool(
        await db.fetchval(
            f"SELECT EXISTS (SELECT FROM users WHERE id = $1 AND {_WAITS})",  # noqa: S608 - a constant
            user_id,
        )
    )


async def lock_waiting(tx: Tx, email_normal: str) -> UUID | None:
    """Return the waiting sign-up with that address, locked so that it can be deleted."""
    user_id: UUID | None = await tx.fetchval(
        f"SELECT id FROM users WHERE email_normal = $1 AND {_WAITS} FOR UPDATE",  # noqa: S608 - a constant
        email_normal,
    )
    return user_id


async def delete_waiting(tx: Tx, user_id: UUID, before: datetime | None) -> bool:
    """Remove a locked sign-up that still waits; False if it was not removed.

    With `before`, it stays if one of its links was still valid at that moment.
    """
    deleted = await tx.fetchval(
        f"""
        DELETE FROM users
         WHERE id = $1 AND {_WAITS}
           AND ($2::timestamptz IS NULL OR {_UNLINKED})
        RETURNING true
        """,  # noqa: S608 - constants of this file
        user_id,
        before,
    )
    return bool(deleted)


async def list_abandoned(db: Executor, before: datetime, limit: int) -> list[UUID]:
    """Return waiting sign-ups made before a moment, with no link that was valid then or later."""
    rows = await db.fetch(
        f"""
        SELECT id FROM users
         WHERE created_at < $2 AND {_WAITS} AND {_UNLINKED}
         ORDER BY created_at LIMIT $1
        """,  # noqa: S608 - constants of this file
        limit,
        before,
    )
    return [row["id"] for row in rows]
