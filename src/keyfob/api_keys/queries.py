"""SQL for API keys."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from keyfob.api_keys.models import LiveKey, StoredKey
from keyfob.authority.models import Role
from keyfob.core.database import Executor, Tx

_KEY = "id, user_id, name, scope, created_at, expires_at, last_used_at"


async def find_live(
    db: Executor, digests: Sequence[bytes], now: datetime, factor_roles: Collection[str]
) -> LiveKey | None:
    """Return the key with one of these digests, if it is valid and its user is active.

    `factor_roles` are the roles that require a factor.
    """
    row = await db.fetchrow(
        """
        SELECT k.id, k.user_id, k.name, k.scope, k.created_at, k.expires_at, k.last_used_at,
               k.key_hash, u.role, further.names, u.sub_gen,
               (SELECT LEAST(k.expires_at, min(ends)) FROM unnest(further.ends) AS ends) AS ends_at,
               u.role = ANY($3::text[]) AND NOT has_factor(u.id) AS lacks_factor
          FROM api_keys AS k JOIN users AS u ON u.id = k.user_id,
               further_roles(u.id, $2) AS further
         WHERE k.key_hash = ANY($1::bytea[]) AND k.revoked_at IS NULL AND k.expires_at > $2
           AND u.status = 'active'
        """,
        list(digests),
        now,
        list(factor_roles),
    )
    if row is None:
        return None
    *columns, digest, role, roles, sub_gen, ends_at, lacks_factor = row
    return LiveKey(_key(columns), digest, Role(role), tuple(roles), sub_gen, ends_at, lacks_factor)


async def share_scope(tx: Tx, key_id: UUID, now: datetime) -> tuple[list[str], datetime] | None:
    """Return the scope and the end of a key, which stays valid until the commit.

    None if it is not valid any more.
    """
    row = await tx.fetchrow(
        """
        SELECT scope, expires_at FROM api_keys
         WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2 FOR SHARE
        """,
        key_id,
        now,
    )
    return (row[0], row[1]) if row else None


async def list_live(db: Executor, user_id: UUID, now: datetime) -> list[StoredKey]:
    """Return the valid keys of a user, the newest first."""
    rows = await db.fetch(
        f"""
        SELECT {_KEY} FROM api_keys
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
         ORDER BY created_at DESC, id DESC
        """,  # noqa: S608 - our own columns
        user_id,
        now,
    )
    return [_key(row) for row in rows]


async def insert_key(tx: Tx, key: StoredKey, digest: bytes) -> None:
    """Add a key."""
    await tx.execute(
        """
        INSERT INTO api_keys (id, user_id, name, scope, key_hash, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        key.id,
        key.user_id,
        key.name,
        list(key.scope),
        digest,
        key.created_at,
        key.expires_at,
    )


async def rename_key(
    tx: Tx, key_id: UUID, user_id: UUID, name: str, now: datetime
) -> StoredKey | None:
    """Rename a valid key of a user and return it; None if the user has none with that id."""
    row = await tx.fetchrow(
        f"""
        UPDATE api_keys SET name = $3
         WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $4
        RETURNING {_KEY}
        """,  # noqa: S608 - our own columns
        key_id,
        user_id,
        name,
        now,
    )
    return _key(row) if row else None


async def revoke_key(tx: Tx, key_id: UUID, user_id: UUID, now: datetime) -> bool:
    """Revoke a key of a user; False if it was not valid."""
    revoked = await tx.fetchval(
        """
        UPDATE api_keys SET revoked_at = $3
         WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3
        RETURNING true
        """,
        key_id,
        user_id,
        now,
    )
    return bool(revoked)


async def revoke_all(
    tx: Tx, user_id: UUID, now: datetime, within: Collection[str] | None = None
) -> list[UUID]:
    """Revoke all valid keys of a user, or those with one of these scopes, and return their ids."""
    rows = await tx.fetch(
        """
        UPDATE api_keys SET revoked_at = $2
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
           AND ($3::text[] IS NULL OR scope && $3)
        RETURNING id
        """,
        user_id,
        now,
        within and sorted(within),
    )
    return [row[0] for row in rows]


async def write_uses(db: Executor, used: Sequence[tuple[UUID, bytes, datetime]]) -> None:
    """Write the last uses of keys, each with its digest by the first secret key.

    A key that is locked is left out, until its next use. Threat: keys are used in the order that
    clients choose, and waiting for one with others locked could deadlock with their revocation.
    """
    await db.execute(
        """
        WITH held AS (
            SELECT k.id, u.digest, u.at
              FROM unnest($1::uuid[], $2::bytea[], $3::timestamptz[]) AS u (id, digest, at)
              JOIN api_keys AS k ON k.id = u.id
             ORDER BY k.id
               FOR NO KEY UPDATE OF k SKIP LOCKED
        )
        UPDATE api_keys AS k
           SET last_used_at = GREATEST(k.last_used_at, h.at), key_hash = h.digest
          FROM held AS h
         WHERE k.id = h.id
        """,
        [one[0] for one in used],
        [one[1] for one in used],
        [one[2] for one in used],
    )


async def delete_older(tx: Tx, user_id: UUID, now: datetime, kept: int) -> None:
    """Delete keys of a user that have ended, except the newest; at most a thousand at once.

    Keys that are locked stay until the next call.
    """
    await tx.execute(
        """
        DELETE FROM api_keys WHERE id IN (
            SELECT id FROM api_keys
             WHERE user_id = $1 AND (revoked_at IS NOT NULL OR expires_at <= $2)
             ORDER BY id DESC OFFSET $3 LIMIT 1000
               FOR UPDATE SKIP LOCKED
        )
        """,
        user_id,
        now,
        kept,
    )


async def delete_old(db: Executor, before: datetime, at_most: int) -> int:
    """Delete keys that ended before a moment; return their number."""
    gone = await db.fetchval(
        """
        WITH gone AS (
            DELETE FROM api_keys WHERE id IN (
                SELECT id FROM api_keys WHERE expires_at <= $1 OR revoked_at <= $1
                 LIMIT $2 FOR UPDATE SKIP LOCKED
            ) RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        before,
        at_most,
    )
    return int(gone)


async def count_by_digest_key(db: Executor, now: datetime) -> list[tuple[bytes, int]]:
    """Return how many valid keys there are by the id of the secret key of their digest."""
    rows = await db.fetch(
        """
        SELECT substring(key_hash for 3), count(*) FROM api_keys
         WHERE revoked_at IS NULL AND expires_at > $1 GROUP BY 1
        """,
        now,
    )
    return [(bytes(row[0]), int(row[1])) for row in rows]


async def list_owners_of_others(
    db: Executor, key_id: bytes, now: datetime, limit: int
) -> list[str]:
    """Return addresses of users with a valid key whose digest is not by this secret key."""
    rows = await db.fetch(
        """
        SELECT DISTINCT u.email FROM api_keys AS k JOIN users AS u ON u.id = k.user_id
         WHERE k.revoked_at IS NULL AND k.expires_at > $2 AND substring(k.key_hash for 3) <> $1
         ORDER BY u.email LIMIT $3
        """,
        key_id,
        now,
        limit,
    )
    return [row[0] for row in rows]


def _key(row: Iterable[Any]) -> StoredKey:
    key_id, user_id, name, scope, *times = row
    return StoredKey(key_id, user_id, name, tuple(scope), *times)
