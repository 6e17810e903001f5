"""SQL for one-time tokens. Tokens of a blocked account are never found or used."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from keyfob.accounts.email import Email
from keyfob.accounts.models import SignUp
from keyfob.core.database import Executor, Tx
from keyfob.core.locales import Locale
from keyfob.one_time_tokens.models import Kind, Link

# For a token `t`, the account that it opens. Links for verification and recovery were sent to an
# address. If the account that they were requested for has left the address, they open the account
# that has signed up with it since, until somebody has proven to be its owner. Threat: a stranger
# signs up with an address, lets the owner request links, and moves away with all of them.
# They do not open an account that an administrator made. Threat: whoever has left a shared mailbox
# keeps a link, and becomes the next holder, who may have a role.
_TO_ADDRESS = "kind IN ('verify_email', 'recover')"
_OPENS = f"""
    CASE WHEN {_TO_ADDRESS} AND t.email_normal IS NOT NULL
         THEN (SELECT holder.id FROM users AS holder
                WHERE holder.email_normal = t.email_normal
                  AND (holder.id = t.user_id
                       OR (holder.first_proven_at IS NULL AND holder.registered_itself)))
         ELSE t.user_id END
"""  # noqa: S608 - a constant of this file
_COLUMNS = """
    u.id AS user_id, t.kind, t.email, t.email_normal, t.password_hash, t.name, t.locale
"""
_LIVE = f"""
    token_hash = $2 AND kind = ANY($1::text[]) AND expires_at > $3
    AND u.id = {_OPENS} AND u.status = 'active'
"""


async def insert_token(
    tx: Tx,
    *,
    user_id: UUID,
    kind: str,
    token_hash: bytes,
    email: str | None,
    email_normal: str | None,
    password_hash: str | None,
    name: str | None,
    locale: Locale | None,
    is_spare: bool,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Insert a token beside the user's others."""
    await tx.execute(
        """
        INSERT INTO one_time_tokens
               (user_id, kind, token_hash, email, email_normal, password_hash, name, locale,
                is_spare, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        user_id,
        kind,
        token_hash,
        email,
        email_normal,
        password_hash,
        name,
        locale,
        is_spare,
        now,
        expires_at,
    )


async def find_token(
    db: Executor, kinds: Sequence[str], token_hash: bytes, now: datetime
) -> Link | None:
    """Return a valid token, if it is of one of those kinds."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM one_time_tokens AS t, users AS u WHERE {_LIVE}",  # noqa: S608 - constants of this file
        list(kinds),
        token_hash,
        now,
    )
    return _link(row) if row else None


async def spend_token(
    tx: Tx, kinds: Sequence[str], token_hash: bytes, now: datetime
) -> Link | None:
    """Delete a valid token and return it; None if it is unknown, used, expired or of another kind.

    One DELETE: of two requests that race with the same link, only one gets the row.
    """
    row = await tx.fetchrow(
        f"DELETE FROM one_time_tokens AS t USING users AS u WHERE {_LIVE} RETURNING {_COLUMNS}",  # noqa: S608 - constants of this file
        list(kinds),
        token_hash,
        now,
    )
    return _link(row) if row else None


async def take_attempt(db: Executor, kind: str, token_hash: bytes, now: datetime) -> bool:
    """Use up one of a link's guesses, before it is checked; False if none is left.

    One UPDATE: parallel guesses all count.
    """
    taken = await db.fetchval(
        f"""
        UPDATE one_time_tokens AS t SET attempts_left = attempts_left - 1
          FROM users AS u WHERE {_LIVE} AND attempts_left > 0
        RETURNING true
        """,  # noqa: S608 - a constant of this file
        [kind],
        token_hash,
        now,
    )
    return bool(taken)


async def give_attempt_back(db: Executor, token_hash: bytes) -> None:
    """Give back a guess that was not checked."""
    await db.execute(
        "UPDATE one_time_tokens SET attempts_left = attempts_left + 1 WHERE token_hash = $1",
        token_hash,
    )


async def list_sign_ups(db: Executor, user_id: UUID, email_normal: str, limit: int) -> list[SignUp]:
    """Return the newest sign-ups for an account's address, also those with expired links."""
    rows = await db.fetch(
        """
        SELECT email, email_normal, password_hash, name, locale FROM one_time_tokens
         WHERE user_id = $1 AND kind = 'verify_email' AND email_normal = $2
           AND password_hash IS NOT NULL
         ORDER BY created_at DESC, token_hash LIMIT $3
        """,
        user_id,
        email_normal,
        limit,
    )
    return [
        SignUp(Email(email, normal), password_hash, name, Locale(locale))
        for email, normal, password_hash, name, locale in rows
    ]


async def has_spare(db: Executor, user_id: UUID, kind: str, now: datetime) -> bool:
    """Tell whether a valid token of that kind is the spare one, beyond the cap of mails."""
    return bool(
        await db.fetchval(
            """
            SELECT EXISTS (
                SELECT FROM one_time_tokens
                 WHERE user_id = $1 AND kind = $2 AND is_spare AND expires_at > $3
            )
            """,
            user_id,
            kind,
            now,
        )
    )


async def delete_tokens_of_user(tx: Tx, user_id: UUID, kinds: Sequence[str]) -> int:
    """Delete the user's tokens of those kinds; return their number.

    Links to an address that the user has left no longer open the user's account, and stay.
    """
    removed: int = await tx.fetchval(
        f"""
        WITH gone AS (
            DELETE FROM one_time_tokens
             WHERE user_id = $1 AND kind = ANY($2::text[])
               AND NOT ({_TO_ADDRESS} AND email_normal IS NOT NULL AND email_normal <>
                            (SELECT email_normal FROM users WHERE id = $1))
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,  # noqa: S608 - a constant of this file
        user_id,
        list(kinds),
    )
    return removed


async def delete_tokens_to_address_of(tx: Tx, user_id: UUID) -> None:
    """Delete all links to a user's address, whatever account they were requested for.

    This reads the whole table, so it is only for rare cases.
    """
    await tx.execute(
        f"""
        DELETE FROM one_time_tokens
         WHERE {_TO_ADDRESS} AND email_normal = (SELECT email_normal FROM users WHERE id = $1)
        """,  # noqa: S608 - a constant of this file
        user_id,
    )


async def delete_older(tx: Tx, user_id: UUID, kind: str, kept: int) -> None:
    """Delete the user's tokens of a kind, except the newest."""
    await tx.execute(
        """
        DELETE FROM one_time_tokens
         WHERE token_hash IN (
               SELECT token_hash FROM one_time_tokens WHERE user_id = $1 AND kind = $2
                ORDER BY created_at DESC, token_hash OFFSET $3)
        """,
        user_id,
        kind,
        kept,
    )


async def delete_expired(db: Executor, before: datetime) -> None:
    """Delete tokens that expired before a moment.

    A locked token is skipped: it is deleted with its account, or next time. Waiting for it with
    other rows of the account locked could deadlock with the deletion of the account.
    """
    await db.execute(
        """
        DELETE FROM one_time_tokens
         WHERE token_hash IN (SELECT token_hash FROM one_time_tokens WHERE expires_at < $1
                                 FOR UPDATE SKIP LOCKED)
        """,
        before,
    )


def _link(row: Record) -> Link:
    return Link(
        user_id=row["user_id"],
        kind=Kind(row["kind"]),
        email=Email(row["email"], row["email_normal"]) if row["email"] else None,
        password_hash=row["password_hash"],
        name=row["name"],
        locale=Locale(row["locale"]) if row["locale"] else None,
    )
