"""SQL of one-time tokens."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from keyfob.core.database import Executor, Tx

_COLUMNS = "user_id, kind, email, email_normal, password_hash, created_at, expires_at"


async def upsert_token(
    tx: Tx,
    *,
    user_id: UUID,
    kind: str,
    token_hash: bytes,
    email: str | None,
    email_normal: str | None,
    password_hash: str | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Write a token in the place of the user's older one of that kind, which is dead from then."""
    await tx.execute(
        """
        INSERT INTO one_time_tokens
               (user_id, kind, token_hash, email, email_normal, password_hash, created_at,
                expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (user_id, kind) DO UPDATE
           SET token_hash = excluded.token_hash, email = excluded.email,
               email_normal = excluded.email_normal, password_hash = excluded.password_hash,
               created_at = excluded.created_at, expires_at = excluded.expires_at
        """,
        user_id,
        kind,
        token_hash,
        email,
        email_normal,
        password_hash,
        now,
        expires_at,
    )


async def find_token(db: Executor, kind: str, token_hash: bytes, now: datetime) -> Record | None:
    """Return the live token of that kind."""
    return await db.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM one_time_tokens
         WHERE token_hash = $2 AND kind = $1 AND expires_at > $3
        """,  # noqa: S608 - a constant of this file
        kind,
        token_hash,
        now,
    )


async def find_token_of_user(db: Executor, user_id: UUID, kind: str) -> Record | None:
    """Return the user's token of that kind, live or expired."""
    return await db.fetchrow(
        f"SELECT {_COLUMNS} FROM one_time_tokens WHERE user_id = $1 AND kind = $2",  # noqa: S608 - a constant of this file
        user_id,
        kind,
    )


async def spend_token(tx: Tx, kind: str, token_hash: bytes, now: datetime) -> Record | None:
    """Remove a live token and return it; None if unknown, used, expired or of another kind.

    One DELETE: of two requests racing with the same link, only one gets the row.
    """
    return await tx.fetchrow(
        f"""
        DELETE FROM one_time_tokens
         WHERE token_hash = $2 AND kind = $1 AND expires_at > $3
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - a constant of this file
        kind,
        token_hash,
        now,
    )


async def delete_tokens_of_user(tx: Tx, user_id: UUID, kinds: Sequence[str]) -> None:
    """Remove the user's tokens of those kinds."""
    await tx.execute(
        "DELETE FROM one_time_tokens WHERE user_id = $1 AND kind = ANY($2::text[])",
        user_id,
        list(kinds),
    )


async def delete_expired(db: Executor, before: datetime) -> None:
    """Remove the tokens that expired before a moment."""
    await db.execute("DELETE FROM one_time_tokens WHERE expires_at < $1", before)
