"""SQL of proving an address, and of choosing a password by a link."""

from datetime import datetime
from uuid import UUID

from asyncpg import Record

from keyfob.core.database import Tx

# NO KEY, so that a row that refers to the user can be written meanwhile.
_HELD = """
    SELECT id, email, email_normal, name, role, status, locale, must_change_password,
           password_hash IS NOT NULL AS has_password, email_verified_at IS NOT NULL AS is_verified
      FROM users
"""


async def hold_user(tx: Tx, user_id: UUID) -> Record | None:
    """Return the account and hold it until the commit."""
    return await tx.fetchrow(f"{_HELD} WHERE id = $1 FOR NO KEY UPDATE", user_id)


async def hold_user_by_email(tx: Tx, email_normal: str) -> Record | None:
    """Return the account with that address and hold it until the commit."""
    return await tx.fetchrow(f"{_HELD} WHERE email_normal = $1 FOR NO KEY UPDATE", email_normal)


async def set_password_hash(tx: Tx, user_id: UUID, password_hash: str, now: datetime) -> None:
    """Give the account a password that its user chose."""
    await tx.execute(
        """
        UPDATE users SET password_hash = $2, must_change_password = false, updated_at = $3
         WHERE id = $1
        """,
        user_id,
        password_hash,
        now,
    )


async def set_verified(
    tx: Tx, user_id: UUID, first_password_hash: str | None, now: datetime
) -> None:
    """Write that the address is proven; the password is for an account that has none."""
    await tx.execute(
        """
        UPDATE users
           SET email_verified_at = coalesce(email_verified_at, $3),
               password_hash = coalesce(password_hash, $2), updated_at = $3
         WHERE id = $1
        """,
        user_id,
        first_password_hash,
        now,
    )


async def rewrite_sign_up(
    tx: Tx, user_id: UUID, *, email: str, name: str | None, locale: str, now: datetime
) -> None:
    """Let a newer sign-up take the place of an older one."""
    await tx.execute(
        "UPDATE users SET email = $2, name = $3, locale = $4, updated_at = $5 WHERE id = $1",
        user_id,
        email,
        name,
        locale,
        now,
    )
