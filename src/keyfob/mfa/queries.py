"""SQL for factors, time-based codes and recovery codes."""

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
    """Return the number of a user's confirmed factors."""
    count: int = await tx.fetchval(
        "SELECT count(*) FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL", user_id
    )
    return count


async def begin_totp(
    tx: Tx, factor_id: UUID, caller: User, name: str, secret: bytes, now: datetime
) -> None:
    """Insert an unconfirmed authenticator; it replaces one that this session began before."""
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
    """Return an unconfirmed authenticator that this session began after a moment."""
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
    """Turn a begun authenticator into a factor, and use up its first code; None if impossible."""
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
    """Use up an authenticator's time step; False if this or a later one was used before.

    One UPDATE (RFC 6238 section 5.2): of two requests that race with one code, only one can win.
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
    """Return secrets of authenticators in the order of ids, locked until the commit."""
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
    """Return addresses of accounts with a secret that none of these keys encrypted."""
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
    """Return the number of encrypted secrets by the id of the secret key, which they begin with."""
    rows = await db.fetch(
        """
        SELECT substring(secret FROM 1 FOR $1) AS key_id, count(*) AS amount
          FROM factors WHERE secret IS NOT NULL GROUP BY 1
        """,
        id_bytes,
    )
    return [(row["key_id"], row["amount"]) for row in rows]


async def update_secret(tx: Tx, factor_id: UUID, secret: bytes) -> None:
    """Replace an encrypted secret by the same one, encrypted again."""
    await tx.execute("UPDATE factors SET secret = $2 WHERE id = $1", factor_id, secret)


async def rename_factor(tx: Tx, factor_id: UUID, user_id: UUID, name: str) -> Factor | None:
    """Rename a user's factor, and return it."""
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
    """Delete a user's factor, and return it."""
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
    """Delete all factors and recovery codes of a user; return the number of confirmed factors."""
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
    """Delete authenticators that were begun before a moment and not confirmed, except locked ones.

    A locked one is being confirmed, or is deleted with its account (see `one_time_tokens.queries`).
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
    """Replace a user's recovery codes by new ones."""
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
    """Use up a recovery code; False if the user does not have it, or no longer.

    One DELETE: of two requests that race with one code, only one can win.
    """
    spent = await tx.fetchval(
        "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2 RETURNING true",
        user_id,
        code_hash,
    )
    return bool(spent)


async def count_codes(db: Executor, user_id: UUID) -> int:
    """Return the number of a user's unused recovery codes."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM recovery_codes WHERE user_id = $1", user_id
    )
    return count


async def delete_codes(tx: Tx, user_id: UUID) -> None:
    """Delete a user's recovery codes."""
    await tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
