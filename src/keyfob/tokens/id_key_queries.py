"""SQL for the keys of ID tokens: as for the signing keys, with a series for each algorithm."""

from datetime import datetime

from keyfob.core.database import Executor, Tx
from keyfob.tokens.models import KeyHistory, SealedKey
from keyfob.tokens.queries import notify_keys_changed


async def list_id_keys(db: Executor, retired_before: datetime) -> list[SealedKey]:
    """Return the keys that still sign or verify, and future ones, by algorithm and position.

    A key is left out if its successor began to sign before `retired_before`.
    """
    rows = await db.fetch(
        """
        SELECT position, kid, algorithm, public_jwk, private_key, created_at, signs_from, dropped_at
          FROM (SELECT *, lead(signs_from) OVER (PARTITION BY algorithm ORDER BY position)
                          AS retires_at
                  FROM id_token_keys) AS k
         WHERE dropped_at IS NULL AND private_key <> '' AND (retires_at IS NULL OR retires_at > $1)
         ORDER BY algorithm, position
        """,
        retired_before,
    )
    return [SealedKey(**row) for row in rows]


async def list_all_id_keys(db: Executor) -> list[KeyHistory]:
    """Return every key ever made, by algorithm and position."""
    rows = await db.fetch(
        """
        SELECT position, kid, algorithm, created_at, signs_from, dropped_at,
               lead(signs_from) OVER (PARTITION BY algorithm ORDER BY position) AS retires_at,
               'id_tokens' AS signs
          FROM id_token_keys ORDER BY algorithm, position
        """
    )
    return [KeyHistory(**row) for row in rows]


async def lock_id_keys(tx: Tx) -> None:
    """Let only one at a time make keys, until the commit; who waited finds them made."""
    await tx.execute("LOCK TABLE id_token_keys IN SHARE ROW EXCLUSIVE MODE")


async def find_newest(tx: Tx, algorithm: str) -> tuple[int, datetime | None]:
    """Return position and first moment of the newest key of an algorithm that is not dropped.

    The position is that of the newest of all, or 0; without such a key there is no moment.
    """
    (row,) = await tx.fetch(
        """
        SELECT coalesce(max(position), 0),
               max(signs_from) FILTER (WHERE dropped_at IS NULL AND private_key <> '')
          FROM id_token_keys WHERE algorithm = $1
        """,
        algorithm,
    )
    return row[0], row[1]


async def insert_id_key(tx: Tx, key: SealedKey) -> None:
    """Insert the key at its position, under the lock, and tell every worker."""
    await tx.execute(
        """
        INSERT INTO id_token_keys
               (position, kid, algorithm, public_jwk, private_key, created_at, signs_from)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        *key[:7],
    )
    await notify_keys_changed(tx)


async def list_algorithms(tx: Tx) -> list[str]:
    """Return the algorithms of keys that are not dropped."""
    rows = await tx.fetch(
        "SELECT DISTINCT algorithm FROM id_token_keys WHERE dropped_at IS NULL ORDER BY algorithm"
    )
    return [row["algorithm"] for row in rows]


async def drop_id_keys(tx: Tx, now: datetime) -> None:
    """Refuse every key from now on, after a compromise."""
    await tx.execute("UPDATE id_token_keys SET dropped_at = $1 WHERE dropped_at IS NULL", now)
    await notify_keys_changed(tx)


async def forget_private_id_keys(db: Executor, retired_before: datetime) -> None:
    """Delete the private half of every key that was dropped, or retired before that moment."""
    await db.execute(
        """
        UPDATE id_token_keys AS k SET private_key = ''
          FROM (SELECT kid, lead(signs_from) OVER (PARTITION BY algorithm ORDER BY position)
                            AS retires_at
                  FROM id_token_keys) AS n
         WHERE n.kid = k.kid AND k.private_key <> ''
           AND (k.dropped_at IS NOT NULL OR n.retires_at <= $1)
        """,
        retired_before,
    )


async def update_private_id_key(tx: Tx, kid: str, private_key: bytes) -> None:
    """Store the same private key, encrypted again."""
    await tx.execute("UPDATE id_token_keys SET private_key = $2 WHERE kid = $1", kid, private_key)
