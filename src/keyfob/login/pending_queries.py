"""SQL for pending logins."""

from datetime import datetime
from uuid import UUID

from asyncpg import Record

from keyfob.core.database import Executor, Tx
from keyfob.devices.device import Device
from keyfob.login.models import EndedPendingLogin, PendingAttempt, PendingLogin, Proof

_ENDED = """
    user_id, attempts_left, created_at, host(ip_address) AS address, device_type, browser, os,
    platform
"""


async def insert_pending(
    tx: Tx,
    *,
    token_hash: bytes,
    proof: Proof,
    attempts: int,
    now: datetime,
    expires_at: datetime,
    device: Device,
) -> bool:
    """Insert a pending login; False if the password has changed meanwhile.

    The user's row is locked FOR SHARE: a new password that is committed before is seen here, and a
    later one finds this row and deletes it.
    """
    begun = await tx.fetchval(
        """
        WITH owner AS (
            SELECT id FROM users WHERE id = $2 AND password_hash = $3 FOR SHARE
        )
        INSERT INTO pending_logins (token_hash, user_id, amr, attempts_left, created_at, expires_at,
                                    ip_address, device_type, browser, os, platform)
        SELECT $1, id, $4, $5, $6, $7, $8::text::inet, $9, $10, $11, $12 FROM owner
        RETURNING true
        """,
        token_hash,
        proof.user_id,
        proof.password_hash,
        list(proof.amr),
        attempts,
        now,
        expires_at,
        proof.source.address,
        device.device_type,
        device.browser,
        device.os,
        device.platform,
    )
    return bool(begun)


async def find_pending(db: Executor, token_hash: bytes, now: datetime) -> PendingLogin | None:
    """Return a pending login; None if it is unknown, used, expired or out of attempts."""
    row = await db.fetchrow(
        """
        SELECT user_id, amr, expires_at FROM pending_logins
         WHERE token_hash = $1 AND expires_at > $2 AND attempts_left > 0
        """,
        token_hash,
        now,
    )
    return PendingLogin(**row) if row else None


async def take_attempt(db: Executor, token_hash: bytes, now: datetime) -> PendingAttempt | None:
    """Use up one of the attempts, and the challenge with it; None if no attempt is left.

    This comes before the check of the factor: of parallel guesses each one counts, and a challenge
    is answered only once.
    """
    row = await db.fetchrow(
        """
        WITH held AS (
            SELECT token_hash, challenge FROM pending_logins
             WHERE token_hash = $1 AND expires_at > $2 AND attempts_left > 0
               FOR UPDATE
        )
        UPDATE pending_logins AS p
           SET attempts_left = p.attempts_left - 1, challenge = NULL
          FROM held WHERE p.token_hash = held.token_hash
        RETURNING held.challenge
        """,
        token_hash,
        now,
    )
    return PendingAttempt(**row) if row else None


async def set_challenge(db: Executor, token_hash: bytes, challenge: bytes, now: datetime) -> bool:
    """Store the challenge for a passkey, in place of an earlier one."""
    kept = await db.fetchval(
        """
        UPDATE pending_logins SET challenge = $2
         WHERE token_hash = $1 AND expires_at > $3 AND attempts_left > 0
        RETURNING true
        """,
        token_hash,
        challenge,
        now,
    )
    return bool(kept)


async def spend_pending(tx: Tx, token_hash: bytes, now: datetime) -> bool:
    """End a pending login with a session; False if another request did, or it has expired.

    One DELETE: of two requests that race with one token, only one can win.
    """
    spent = await tx.fetchval(
        "DELETE FROM pending_logins WHERE token_hash = $1 AND expires_at > $2 RETURNING true",
        token_hash,
        now,
    )
    return bool(spent)


async def delete_pending_of(tx: Tx, user_id: UUID) -> list[EndedPendingLogin]:
    """Delete all pending logins of a user, and return them."""
    rows = await tx.fetch(
        f"DELETE FROM pending_logins WHERE user_id = $1 RETURNING {_ENDED}",  # noqa: S608 - a constant
        user_id,
    )
    return [_ended(row) for row in rows]


async def delete_expired(tx: Tx, now: datetime, at_most: int) -> list[EndedPendingLogin]:
    """Delete expired pending logins, and return them; each is returned to one caller only.

    Those that another transaction is ending are skipped, and so are those of a locked account,
    whose erasure ends them anyway. The accounts are locked FOR SHARE until the commit, so that an
    erasure finds what was logged about their pending logins.
    """
    rows = await tx.fetch(
        f"""
        WITH due AS (
            SELECT p.token_hash FROM pending_logins AS p JOIN users AS u ON u.id = p.user_id
             WHERE p.expires_at <= $1
             LIMIT $2 FOR UPDATE OF p SKIP LOCKED FOR KEY SHARE OF u SKIP LOCKED
        )
        DELETE FROM pending_logins WHERE token_hash IN (SELECT token_hash FROM due)
        RETURNING {_ENDED}
        """,  # noqa: S608 - a constant of this file
        now,
        at_most,
    )
    return [_ended(row) for row in rows]


def _ended(row: Record) -> EndedPendingLogin:
    user_id, attempts_left, created_at, address, *device = row
    return EndedPendingLogin(user_id, attempts_left, created_at, address, Device(*device))
