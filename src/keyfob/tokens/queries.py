"""SQL for the signing keys."""

from datetime import datetime

from keyfob.core.database import Executor, Tx
from keyfob.tokens.models import KeyHistory, SealedKey


async def list_keys(db: Executor, retired_before: datetime) -> list[SealedKey]:
    """Return the keys that still sign or verify, and future ones, by position.

    A key retires when its successor starts to sign; it is left out if that was before
    `retired_before`, since its last token has expired then. A key without its private half is left
    out, too: a clock that jumped ahead, and came back, may have had it deleted early.
    """
    rows = await db.fetch(
        """
        SELECT position, kid, algorithm, public_jwk, private_key, created_at, signs_from, dropped_at
          FROM (SELECT *, lead(signs_from) OVER (ORDER BY position) AS retires_at
                  FROM signing_keys) AS k
         WHERE dropped_at IS NULL AND private_key <> '' AND (retires_at IS NULL OR retires_at > $1)
         ORDER BY position
        """,
        retired_before,
    )
    return [SealedKey(**row) for row in rows]


async def count_keys(db: Executor) -> tuple[int, ...]:
    """Return the number of keys ever made, and of dropped ones, and both of ID tokens' keys."""
    (counted,) = await db.fetch(
        """
        SELECT *
          FROM (SELECT count(*), count(dropped_at) FROM signing_keys) AS a,
               (SELECT count(*), count(dropped_at) FROM id_token_keys) AS b
        """
    )
    return tuple(counted)


async def exists_any(db: Executor) -> bool:
    """Tell whether there is a key, of any age; there is none if the database is not migrated."""
    if not await db.fetchval("SELECT to_regclass('signing_keys') IS NOT NULL"):
        return False
    return bool(await db.fetchval("SELECT EXISTS (SELECT FROM signing_keys)"))


async def list_all_keys(db: Executor) -> list[KeyHistory]:
    """Return every key ever made, by position."""
    rows = await db.fetch(
        """
        SELECT position, kid, algorithm, created_at, signs_from, dropped_at,
               lead(signs_from) OVER (ORDER BY position) AS retires_at
          FROM signing_keys ORDER BY position
        """
    )
    return [KeyHistory(**row) for row in rows]


async def insert_key(tx: Tx, key: SealedKey) -> bool:
    """Insert the key at its position and tell every worker; False if another was faster.

    The position decides the race: of eight first requests at once, one makes the key.
    """
    inserted = await tx.fetchval(
        """
        INSERT INTO signing_keys
               (position, kid, algorithm, public_jwk, private_key, created_at, signs_from)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (position) DO NOTHING
        RETURNING true
        """,
        *key[:7],
    )
    await notify_keys_changed(tx)
    return bool(inserted)


async def lock_keys(tx: Tx) -> None:
    """Let only one manual rotation run at a time, until the commit."""
    await tx.execute("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")


async def drop_keys_before(tx: Tx, position: int, now: datetime) -> None:
    """Refuse every older key from now on, after a compromise."""
    await tx.execute(
        "UPDATE signing_keys SET dropped_at = $2 WHERE position < $1 AND dropped_at IS NULL",
        position,
        now,
    )
    await notify_keys_changed(tx)


async def forget_private_keys(db: Executor, retired_before: datetime) -> None:
    """Delete the private half of every key that was dropped, or retired before that moment."""
    await db.execute(
        """
        UPDATE signing_keys AS k SET private_key = ''
          FROM (SELECT position, lead(signs_from) OVER (ORDER BY position) AS retires_at
                  FROM signing_keys) AS n
         WHERE n.position = k.position AND k.private_key <> ''
           AND (k.dropped_at IS NOT NULL OR n.retires_at <= $1)
        """,
        retired_before,
    )


async def update_private_key(tx: Tx, kid: str, private_key: bytes) -> None:
    """Store the same private key, encrypted again."""
    await tx.execute("UPDATE signing_keys SET private_key = $2 WHERE kid = $1", kid, private_key)


async def notify_keys_changed(tx: Tx) -> None:
    """Tell every worker, at the commit, to read the keys again."""
    await tx.execute("SELECT pg_notify('keyfob', 'keys')")
