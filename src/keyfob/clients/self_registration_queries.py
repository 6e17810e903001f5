"""SQL for clients that nobody here has registered, and for initial access tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from keyfob.clients.models import Registrar
from keyfob.core.database import Executor, Tx


class RegistrationToken(NamedTuple):
    """A token by which `uses_left` programs may register themselves until it expires."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    uses_left: int


async def count_unused(db: Executor, by: Registrar, at_most: int) -> int:
    """Count clients of strangers to which no user lets anything, up to `at_most`."""
    return int(
        await db.fetchval(
            """
            SELECT count(*) FROM (
                SELECT FROM clients AS c
                 WHERE registered_by = $1 AND kept_until IS NOT NULL AND disabled_at IS NULL
                   AND NOT EXISTS (SELECT FROM consents WHERE client_id = c.id)
                 LIMIT $2) AS unused
            """,
            by,
            at_most,
        )
    )


async def find_last_revoked(db: Executor, client_id: UUID) -> int | None:
    """Return the last generation of a client whose tokens are refused; None if there is none."""
    last: int | None = await db.fetchval(
        "SELECT generation FROM revocations WHERE id = $1", client_id
    )
    return last


async def list_browser_redirect_uris(db: Executor, *, strangers: int, of_each: int) -> list[str]:
    """Return the redirect URIs of browser apps that are not disabled.

    Of those that nobody here has registered, these are the first `of_each` of the `strangers` that
    are kept longest: what users have consented to, then what was used last.
    """
    rows = await db.fetch(
        """
        SELECT unnest(redirect_uris) FROM clients
         WHERE kind = 'browser' AND disabled_at IS NULL AND registered_by = 'administrator'
        UNION
        SELECT unnest(redirect_uris[1:$2]) FROM (
            SELECT redirect_uris FROM clients
             WHERE kind = 'browser' AND disabled_at IS NULL AND kept_until IS NOT NULL
             ORDER BY kept_until DESC LIMIT $1) AS kept
        """,
        strangers,
        of_each,
    )
    return [row[0] for row in rows]


async def take_scopes(
    tx: Tx,
    identifier: str,
    lost: Sequence[str],
    offered: Sequence[tuple[str, str]],
    now: datetime,
) -> list[tuple[UUID, int]]:
    """Take scopes that a resource has lost from the clients of strangers that users have let in.

    A scope stays if another resource of the client is among the `offered`, with it. Return the ids
    of these clients, whose next generation begins, and their generations until then.
    """
    rows = await tx.fetch(
        """
        WITH holders AS (
            SELECT id FROM clients
             WHERE $1 = ANY(resources) AND registered_by <> 'administrator' AND scope && $2
               AND EXISTS (SELECT FROM consents
                            WHERE client_id = clients.id AND $1 = ANY(audience))
             ORDER BY id FOR UPDATE
        )
        UPDATE clients AS c
           SET scope = ARRAY(
                   SELECT name FROM unnest(c.scope) WITH ORDINALITY AS s (name, place)
                    WHERE name <> ALL($2) OR EXISTS (
                          SELECT FROM unnest($3::text[], $4::text[]) AS o (api, scope)
                           WHERE o.scope = name AND api = ANY(c.resources))
                    ORDER BY place),
               generation = generation + 1, updated_at = $5
         WHERE id IN (SELECT id FROM holders)
        RETURNING id, generation - 1 AS before
        """,
        identifier,
        list(lost),
        [api for api, _ in offered],
        [scope for _, scope in offered],
        now,
    )
    return [(row["id"], row["before"]) for row in rows]


async def keep_client(tx: Tx, client_id: UUID, until: datetime) -> None:
    """Keep a client that nobody here has registered for longer."""
    await tx.execute(
        "UPDATE clients SET kept_until = $2 WHERE id = $1 AND kept_until < $2", client_id, until
    )


async def delete_unused(db: Executor, now: datetime, at_most: int) -> int:
    """Delete clients that nobody here has registered, and on which nothing rests any more.

    Disabled ones stay: else they could come back.
    """
    gone = await db.fetch(
        """
        DELETE FROM clients WHERE id IN (
            SELECT id FROM clients AS c
             WHERE kept_until <= $1 AND disabled_at IS NULL
               AND NOT EXISTS (SELECT FROM consents WHERE client_id = c.id)
               AND NOT EXISTS (SELECT FROM authorization_codes WHERE client_id = c.id)
             ORDER BY kept_until LIMIT $2
               FOR UPDATE SKIP LOCKED
        )
        RETURNING 1
        """,
        now,
        at_most,
    )
    return len(gone)


async def insert_token(db: Executor, token: RegistrationToken, digest: bytes) -> None:
    """Insert a token."""
    await db.execute(
        """
        INSERT INTO registration_tokens (id, created_at, expires_at, uses_left, token_hash)
        VALUES ($1, $2, $3, $4, $5)
        """,
        *token,
        digest,
    )


async def spend_token(tx: Tx, digests: list[bytes], now: datetime) -> bool:
    """Count one use; False if there is no such token. One UPDATE: no use counts for two."""
    spent = await tx.fetchval(
        """
        UPDATE registration_tokens SET uses_left = uses_left - 1
         WHERE token_hash = ANY($1::bytea[]) AND uses_left > 0 AND expires_at > $2
        RETURNING true
        """,
        digests,
        now,
    )
    return bool(spent)


async def list_tokens(db: Executor, now: datetime) -> list[RegistrationToken]:
    """Return the tokens that still count, oldest first."""
    rows = await db.fetch(
        """
        SELECT id, created_at, expires_at, uses_left FROM registration_tokens
         WHERE uses_left > 0 AND expires_at > $1 ORDER BY id
        """,
        now,
    )
    return [RegistrationToken(*row) for row in rows]


async def delete_token(db: Executor, token_id: UUID) -> bool:
    """Delete a token; False if there is none."""
    gone = await db.fetchval(
        "DELETE FROM registration_tokens WHERE id = $1 RETURNING true", token_id
    )
    return bool(gone)


async def delete_spent_tokens(db: Executor, now: datetime) -> None:
    """Delete tokens that have expired or are used up."""
    await db.execute("DELETE FROM registration_tokens WHERE expires_at <= $1 OR uses_left = 0", now)
