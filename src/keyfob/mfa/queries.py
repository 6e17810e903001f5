"""SQL of factors, of codes by time, and of recovery codes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from keyfob.authority.models import User
from keyfob.core.database import Executor, Tx
from keyfob.core.encryption import KEY_ID_BYTES
from keyfob.mfa.models import Factor, FactorType, OwnedSecret, TotpSecret

_FACTOR = "id, type, name, created_at, last_used_at"


async def list_factors(db: Executor, user_id: UUID) -> list[Factor]:
    """Return a user's confirmed factors, oldest first."""
    rows = await db.fetch(
        f"""
        SELECT {_FACTOR} FROM factors
         WHERE user_id = $1 AND confirmed_at IS NOT NULL
         ORDER BY created_at, id
        """,  # noqa: S608 - a constant of this file
        user_id,
    )
    return [_factor(row) for row in rows]


async def has_factor(db: Executor, user_id: UUID) -> bool:
    """Tell whether a user has a confirmed factor."""
    return bool(
        await db.fetchval(
            """
            SELECT EXISTS (
                SELECT FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL
            )
            """,
            user_id,
        )
    )


async def count_factors(tx: Tx, user_id: UUID) -> int:
    """Return how many confirmed factors a user has."""
    count: int = await tx.fetchval(
        "SELECT count(*) FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL", user_id
    )
    return count


async def begin_totp(
    tx: Tx, factor_id: UUID, caller: User, name: str, secret: bytes, now: datetime
) -> None:
    """Add an unconfirmed authenticator; it takes the place of one that this session began."""
    await tx.execute(
        "DELETE FROM factors WHERE user_id = $1 AND begun_in = $2 AND confirmed_at IS NULL",
        caller.user_id,
        caller.session_id,
    )
    await tx.execute(
        """
        INSERT INTO factors (id, user_id, type, name, created_at, secret, begun_in)
        VALUES ($1, $2, 'totp', $3, $4, $5, $6)
        """,
        factor_id,
        caller.user_id,
        name,
        now,
        secret,
        caller.session_id,
    )


async def find_begun_totp(
    db: Executor, factor_id: UUID, caller: User, since: datetime
) -> TotpSecret | None:
    """Return an authenticator that this session began after a moment and has not confirmed."""
    row = await db.fetchrow(
        """
        SELECT id, secret FROM factors
         WHERE id = $1 AND user_id = $2 AND begun_in = $3 AND confirmed_at IS NULL
           AND created_at > $4
        """,
        factor_id,
        caller.user_id,
        caller.session_id,
        since,
    )
    return TotpSecret(**row) if row else None


async def confirm_totp(tx: Tx, factor_id: UUID, step: int, now: datetime) -> Factor | None:
    """Make a begun authenticator a factor, its first code spent; None if it is gone or one."""
    row = await tx.fetchrow(
        f"""
        UPDATE factors SET confirmed_at = $3, last_step = $2, begun_in = NULL
         WHERE id = $1 AND confirmed_at IS NULL
        RETURNING {_FACTOR}
        """,  # noqa: S608 - a constant of this file
        factor_id,
        step,
        now,
    )
    return _factor(row) if row else None


async def list_totp_secrets(db: Executor, user_id: UUID) -> list[TotpSecret]:
    """Return the secret of each of a user's authenticators."""
    rows = await db.fetch(
        """
        SELECT id, secret FROM factors
         WHERE user_id = $1 AND type = 'totp' AND confirmed_at IS NOT NULL
         ORDER BY id
        """,
        user_id,
    )
    return [TotpSecret(**row) for row in rows]


async def spend_step(tx: Tx, factor_id: UUID, step: int, secret: bytes, now: datetime) -> bool:
    """Spend an authenticator's time step; False if it or a later one was used before.

    One UPDATE (RFC 6238 section 5.2): of two requests racing with one code, only one can win.
    """
    spent = await tx.fetchval(
        """
        UPDATE factors SET last_step = $2, last_used_at = $4, secret = $3
         WHERE id = $1 AND last_step < $2
        RETURNING true
        """,
        factor_id,
        step,
        secret,
        now,
    )
    return bool(spent)


async def lock_totp_secrets(tx: Tx, after: UUID, limit: int) -> list[OwnedSecret]:
    """Return secrets of authenticators in the order of ids, held until the commit."""
    rows = await tx.fetch(
        """
        SELECT f.id, f.secret, u.email FROM factors f JOIN users u ON u.id = f.user_id
         WHERE f.secret IS NOT NULL AND f.id > $1
         ORDER BY f.id LIMIT $2 FOR NO KEY UPDATE OF f
        """,
        after,
        limit,
    )
    return [OwnedSecret(**row) for row in rows]


async def list_owners_of_others(db: Executor, key_ids: Sequence[bytes], limit: int) -> list[str]:
    """Return addresses of accounts with a secret that none of these secret keys sealed."""
    rows = await db.fetch(
        """
        SELECT DISTINCT u.email FROM factors f JOIN users u ON u.id = f.user_id
         WHERE f.secret IS NOT NULL AND substring(f.secret FROM 1 FOR $2) <> ALL ($1::bytea[])
         ORDER BY u.email LIMIT $3
        """,
        key_ids,
        KEY_ID_BYTES,
        limit,
    )
    return [row["email"] for row in rows]


async def count_by_key(db: Executor, id_bytes: int) -> list[tuple[bytes, int]]:
    """Return how many sealed secrets there are of each secret key's id, with which they begin."""
    rows = await db.fetch(
        """
        SELECT substring(secret FROM 1 FOR $1) AS key_id, count(*) AS amount
          FROM factors WHERE secret IS NOT NULL GROUP BY 1
        """,
        id_bytes,
    )
    return [(row["key_id"], row["amount"]) for row in rows]


async def update_secret(tx: Tx, factor_id: UUID, secret: bytes) -> None:
    """Replace a sealed secret by the same one, sealed anew."""
    await tx.execute("UPDATE factors SET secret = $2 WHERE id = $1", factor_id, secret)


async def rename_factor(tx: Tx, factor_id: UUID, user_id: UUID, name: str) -> Factor | None:
    """Give a user's factor another name, and return it."""
    row = await tx.fetchrow(
        f"""
        UPDATE factors SET name = $3
         WHERE id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL
        RETURNING {_FACTOR}
        """,  # noqa: S608 - a constant of this file
        factor_id,
        user_id,
        name,
    )
    return _factor(row) if row else None


async def delete_factor(tx: Tx, factor_id: UUID, user_id: UUID) -> Factor | None:
    """Remove a user's factor, and return what it was."""
    row = await tx.fetchrow(
        f"""
        DELETE FROM factors WHERE id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL
        RETURNING {_FACTOR}
        """,  # noqa: S608 - a constant of this file
        factor_id,
        user_id,
    )
    return _factor(row) if row else None


async def delete_factors(tx: Tx, user_id: UUID) -> int:
    """Remove all factors and recovery codes of a user; return how many factors were confirmed."""
    removed: int = await tx.fetchval(
        """
        WITH gone AS (
            DELETE FROM factors WHERE user_id = $1 RETURNING confirmed_at
        ), codes AS (
            DELETE FROM recovery_codes WHERE user_id = $1
        )
        SELECT count(confirmed_at) FROM gone
        """,
        user_id,
    )
    return removed


async def delete_unconfirmed(db: Executor, before: datetime) -> None:
    """Drop what was begun before a moment and never confirmed, but for what is held.

    As `links.queries` says: it is being confirmed, or goes with its account.
    """
    await db.execute(
        """
        DELETE FROM factors
         WHERE id IN (SELECT id FROM factors WHERE confirmed_at IS NULL AND created_at <= $1
                         FOR UPDATE SKIP LOCKED)
        """,
        before,
    )


def _factor(row: Record) -> Factor:
    return Factor(**{**row, "type": FactorType(row["type"])})


async def replace_codes(tx: Tx, user_id: UUID, hashes: Sequence[bytes], now: datetime) -> None:
    """Give a user new recovery codes; the old ones are dead."""
    await tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
    await tx.execute(
        """
        INSERT INTO recovery_codes (user_id, code_hash, created_at)
        SELECT $1, code_hash, $3 FROM unnest($2::bytea[]) AS code_hash
        """,
        user_id,
        list(hashes),
        now,
    )


async def spend_code(tx: Tx, user_id: UUID, code_hash: bytes) -> bool:
    """Spend a recovery code; False if the user has no such one, or no longer.

    One DELETE: of two requests racing with one code, only one can win.
    """
    spent = await tx.fetchval(
        "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2 RETURNING true",
        user_id,
        code_hash,
    )
    return bool(spent)


async def count_codes(db: Executor, user_id: UUID) -> int:
    """Return how many recovery codes a user has left."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM recovery_codes WHERE user_id = $1", user_id
    )
    return count


async def delete_codes(tx: Tx, user_id: UUID) -> None:
    """Drop a user's recovery codes."""
    await tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
