"""SQL for passkeys and their challenges."""

from datetime import datetime
from uuid import UUID

from keyfob.authority.models import User
from keyfob.core.database import Executor, Tx
from keyfob.mfa.models import Assertion, Factor, NewPasskey, RegisteredPasskey, StoredPasskey


async def insert_challenge(
    db: Executor,
    challenge_id: UUID,
    caller: User | None,
    challenge: bytes,
    expires_at: datetime,
) -> None:
    """Insert a challenge; without a caller it is for a sign-in by passkey alone."""
    await db.execute(
        """
        INSERT INTO webauthn_challenges (id, user_id, session_id, challenge, expires_at)
        VALUES ($1, $2, $3, $4, $5)
        """,
        challenge_id,
        caller.user_id if caller else None,
        caller.session_id if caller else None,
        challenge,
        expires_at,
    )


async def spend_challenge(
    db: Executor, challenge_id: UUID, session_id: UUID | None, now: datetime
) -> bytes | None:
    """Delete a valid challenge of that session, or of none, and return its bytes; else None.

    One DELETE: of two requests that race with one challenge, only one can win.
    """
    challenge: bytes | None = await db.fetchval(
        """
        DELETE FROM webauthn_challenges
         WHERE id = $1 AND session_id IS NOT DISTINCT FROM $2 AND expires_at > $3
        RETURNING challenge
        """,
        challenge_id,
        session_id,
        now,
    )
    return challenge


async def delete_challenges_of(tx: Tx, user_id: UUID) -> int:
    """Delete a user's challenges; return their number."""
    deleted: int = await tx.fetchval(
        """
        WITH gone AS (DELETE FROM webauthn_challenges WHERE user_id = $1 RETURNING 1)
        SELECT count(*) FROM gone
        """,
        user_id,
    )
    return deleted


async def delete_expired_challenges(db: Executor, now: datetime) -> None:
    """Delete expired challenges, except locked ones, as with one-time tokens."""
    await db.execute(
        """
        DELETE FROM webauthn_challenges
         WHERE id IN (SELECT id FROM webauthn_challenges WHERE expires_at <= $1
                         FOR UPDATE SKIP LOCKED)
        """,
        now,
    )


async def list_passkeys(db: Executor, user_id: UUID) -> list[RegisteredPasskey]:
    """Return a user's passkeys, oldest first."""
    rows = await db.fetch(
        """
        SELECT credential_id, transports FROM factors
         WHERE user_id = $1 AND type = 'passkey'
         ORDER BY created_at, id
        """,
        user_id,
    )
    return [RegisteredPasskey(**row) for row in rows]


async def find_passkey(db: Executor, credential_id: bytes) -> StoredPasskey | None:
    """Return the passkey with a credential id, of any user; None if there is none."""
    row = await db.fetchrow(
        """
        SELECT id, user_id, public_key, sign_count FROM factors
         WHERE credential_id = $1 AND type = 'passkey'
        """,
        credential_id,
    )
    return StoredPasskey(**row) if row else None


async def insert_passkey(tx: Tx, user_id: UUID, factor: Factor, passkey: NewPasskey) -> bool:
    """Insert a passkey; False if the credential is registered already."""
    added = await tx.fetchval(
        """
        INSERT INTO factors (id, user_id, type, name, created_at, confirmed_at, credential_id,
                             public_key, sign_count, transports, backup_eligible, backed_up)
        VALUES ($1, $2, 'passkey', $3, $4, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (credential_id) DO NOTHING
        RETURNING true
        """,
        factor.id,
        user_id,
        factor.name,
        factor.created_at,
        passkey.credential_id,
        passkey.public_key,
        passkey.sign_count,
        passkey.transports,
        passkey.backup_eligible,
        passkey.backed_up,
    )
    return bool(added)


async def use_passkey(db: Executor, passkey_id: UUID, assertion: Assertion, now: datetime) -> bool:
    """Record the use of a passkey; False if its counter did not increase, or it is gone.

    One UPDATE (WebAuthn Level 3 section 7.2, step 22): of a key and its copy that report the same
    count at once, only one can win. A key without a counter always reports 0. A synced passkey may
    report any count, since each of its devices has its own.

    Threat: whoever copied a key also controls its flags. So the flags at its creation decide
    whether it can be synced; for keys from before these were stored, the flags of the first
    accepted use decide. If the count has decreased at that use, it is refused, whatever the flags
    say.
    """
    used = await db.fetchval(
        """
        UPDATE factors
           SET sign_count = $2, backup_eligible = coalesce(backup_eligible, $3), backed_up = $4,
               last_used_at = $5
         WHERE id = $1
           AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0) OR (backup_eligible AND $4))
        RETURNING true
        """,
        passkey_id,
        assertion.sign_count,
        assertion.backup_eligible,
        assertion.backed_up,
        now,
    )
    return bool(used)


async def find_sign_count(db: Executor, passkey_id: UUID) -> int | None:
    """Return the highest count that a passkey reported; None if it is gone."""
    count: int | None = await db.fetchval(
        "SELECT sign_count FROM factors WHERE id = $1", passkey_id
    )
    return count
