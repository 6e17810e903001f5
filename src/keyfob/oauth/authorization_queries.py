"""SQL for requests of apps, their codes, and what users consented to."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from keyfob.clients.models import Registrar
from keyfob.core.database import Executor, Tx
from keyfob.oauth.asking import Asked, scope_in
from keyfob.sessions.models import AskedClaims, Granted


class Consent(NamedTuple):
    """A user's consent to what an app asks for (`Targets.rights_of`)."""

    client_id: UUID
    rights: tuple[str, ...]
    audience: tuple[str, ...]
    given_at: datetime

    @property
    def scope(self) -> tuple[str, ...]:
        """The scopes, wherever they are for."""
        return tuple(dict.fromkeys(map(scope_in, self.rights)))


class ListedApp(NamedTuple):
    """An app that has something of a user, how it is registered, and what it was allowed."""

    client_id: UUID
    name: str
    registered_by: Registrar
    document: str | None
    redirect_uris: tuple[str, ...]
    consent: Consent | None


class Fits(NamedTuple):
    """A code, and what has to come with it: all of that is its."""

    code_hash: bytes
    client_id: UUID
    redirect_uri: str | None
    challenge: str | None
    jkt: str | None


class SpentCode(NamedTuple):
    """A code that was used: whose it is, what it stands for, and the grant that it gave."""

    user_id: UUID
    granted: Granted
    nonce: str | None
    session_id: UUID | None


async def insert_request(
    db: Executor, handle_hash: bytes, asked: Asked, now: datetime, expires_at: datetime
) -> None:
    """Insert a request of an app."""
    await db.execute(
        """
        INSERT INTO authorization_requests (handle_hash, client_id, asked, created_at, expires_at)
        SELECT $1, id, $3::text::jsonb, $4, $5 FROM clients WHERE id = $2
        """,
        handle_hash,
        asked.client_id,
        json.dumps(asked._asdict(), default=str),
        now,
        expires_at,
    )


async def find_request(
    db: Executor, handle_hash: bytes, now: datetime
) -> tuple[Asked, datetime] | None:
    """Return a request that has not expired, and when it came."""
    row = await db.fetchrow(
        """
        SELECT asked::text, created_at FROM authorization_requests
         WHERE handle_hash = $1 AND expires_at > $2
        """,
        handle_hash,
        now,
    )
    return (Asked.of(json.loads(row[0])), row[1]) if row else None


async def prolong_request(db: Executor, handle_hash: bytes, expires_at: datetime) -> None:
    """Let a request expire later."""
    await db.execute(
        "UPDATE authorization_requests SET expires_at = $2 WHERE handle_hash = $1",
        handle_hash,
        expires_at,
    )


async def delete_request(db: Executor, handle_hash: bytes) -> bool:
    """Delete a request; False if there is none: of two answers at once, only one can win."""
    gone = await db.fetchval(
        "DELETE FROM authorization_requests WHERE handle_hash = $1 RETURNING true", handle_hash
    )
    return bool(gone)


async def insert_code(
    tx: Tx, code_hash: bytes, asked: Asked, user_id: UUID, opened_from: UUID, expires_at: datetime
) -> None:
    """Insert a code."""
    await tx.execute(
        """
        INSERT INTO authorization_codes
               (code_hash, client_id, user_id, opened_from, redirect_uri, challenge, nonce, scope,
                audience, expires_at, claims, dpop_jkt)
        SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::jsonb, $12 FROM clients
         WHERE id = $2
        """,
        code_hash,
        asked.client_id,
        user_id,
        opened_from,
        asked.redirect_uri,
        asked.challenge,
        asked.nonce,
        list(asked.scope),
        list(asked.audience),
        expires_at,
        asked.claims.to_json(),
        asked.dpop_jkt,
    )


_CODE = "user_id, client_id, opened_from, scope, audience, claims::text, nonce, session_id"
# Each alone would do: whose it is, where it was sent, and who asked for it. A redirect URI need not
# be repeated (OAuth 2.1 section 10.2), a verifier must be, and there is none without a challenge. A
# key that was named has to be proven (RFC 9449 section 10).
_FITS = """
    code_hash = $1 AND client_id = $2 AND ($3::text IS NULL OR redirect_uri = $3)
    AND challenge IS NOT DISTINCT FROM $4 AND (dpop_jkt IS NULL OR dpop_jkt = $5)
"""


async def spend_code(tx: Tx, fits: Fits, now: datetime) -> SpentCode | None:
    """Spend a code; None unless all that comes with it fits, and it is neither used nor expired.

    One UPDATE: of fifty exchanges at once, only one can win. The account's lock is shared first, as
    whoever deletes codes has it.
    """
    row = await tx.fetchrow(
        f"""
        WITH owner AS MATERIALIZED (
            SELECT id FROM users
             WHERE id = (SELECT user_id FROM authorization_codes WHERE code_hash = $1) FOR SHARE
        )
        UPDATE authorization_codes SET spent_at = $6
         WHERE {_FITS} AND spent_at IS NULL AND expires_at > $6
           AND user_id = (SELECT id FROM owner)
        RETURNING {_CODE}
        """,  # noqa: S608 - constants
        *fits,
        now,
    )
    return _spent(row) if row else None


async def find_spent_code(db: Executor, fits: Fits) -> SpentCode | None:
    """Return a used code, if all that comes with it fits."""
    row = await db.fetchrow(
        f"SELECT {_CODE} FROM authorization_codes WHERE {_FITS} AND spent_at IS NOT NULL",  # noqa: S608 - constants
        *fits,
    )
    return _spent(row) if row else None


def _spent(row: Record) -> SpentCode:
    user_id, client_id, opened_from, scope, audience, claims, nonce, session_id = row
    granted = Granted(client_id, opened_from, tuple(scope), tuple(audience), AskedClaims.of(claims))
    return SpentCode(user_id, granted, nonce, session_id)


async def name_grant(tx: Tx, code_hash: bytes, session_id: UUID) -> None:
    """Write which grant a code gave."""
    await tx.execute(
        "UPDATE authorization_codes SET session_id = $2 WHERE code_hash = $1",
        code_hash,
        session_id,
    )


async def find_consent(db: Executor, user_id: UUID, client_id: UUID) -> Consent | None:
    """Return what a user lets an app have."""
    row = await db.fetchrow(
        """
        SELECT client_id, scope, audience, given_at FROM consents
         WHERE user_id = $1 AND client_id = $2
        """,
        user_id,
        client_id,
    )
    return _consent(row) if row else None


async def list_apps(db: Executor, user_id: UUID, further: list[UUID]) -> list[ListedApp]:
    """Return the apps that a user lets have something, and `further` ones, by their names."""
    rows = await db.fetch(
        """
        SELECT client_id, consents.scope, audience, given_at,
               id, name, registered_by, document, redirect_uris
          FROM clients LEFT JOIN consents ON client_id = id AND user_id = $1
         WHERE id IN (SELECT client_id FROM consents WHERE user_id = $1
                      UNION SELECT unnest($2::uuid[]))
         ORDER BY lower(name), id
        """,
        user_id,
        further,
    )
    return [
        ListedApp(
            row["id"],
            row["name"],
            Registrar(row["registered_by"]),
            row["document"],
            tuple(row["redirect_uris"]),
            _consent(row[:4]) if row["given_at"] else None,
        )
        for row in rows
    ]


def _consent(row: Iterable[Any]) -> Consent:
    client_id, scope, audience, given_at = row
    return Consent(client_id, tuple(scope), tuple(audience), given_at)


async def add_consent(
    tx: Tx,
    user_id: UUID,
    client_id: UUID,
    rights: Sequence[str],
    audience: Sequence[str],
    now: datetime,
) -> None:
    """Add what a user lets an app have to what it had before."""
    await tx.execute(
        """
        INSERT INTO consents AS c (user_id, client_id, scope, audience, given_at)
        SELECT $1, id, $3::text[], $4::text[], $5 FROM clients WHERE id = $2
        ON CONFLICT (user_id, client_id) DO UPDATE
           SET scope = ARRAY(SELECT DISTINCT unnest(c.scope || EXCLUDED.scope)),
               audience = ARRAY(SELECT DISTINCT unnest(c.audience || EXCLUDED.audience)),
               given_at = EXCLUDED.given_at
        """,
        user_id,
        client_id,
        list(rights),
        list(audience),
        now,
    )


async def list_oldest_of_strangers(
    tx: Tx, user_id: UUID, *, most: int, at_most: int
) -> list[tuple[UUID, str]]:
    """Return apps that nobody here has registered, beyond the `most` that were allowed last.

    By ids and names, `at_most` of them; the account is locked.
    """
    rows = await tx.fetch(
        """
        SELECT client_id, name FROM consents JOIN clients ON id = client_id
         WHERE user_id = $1 AND registered_by <> 'administrator'
         ORDER BY given_at DESC, client_id OFFSET $2 LIMIT $3
        """,
        user_id,
        most,
        at_most,
    )
    return [(row["client_id"], row["name"]) for row in rows]


async def delete_consent(tx: Tx, user_id: UUID, client_id: UUID) -> bool:
    """Forget what a user lets an app have; False if it is nothing."""
    gone = await tx.fetchval(
        "DELETE FROM consents WHERE user_id = $1 AND client_id = $2 RETURNING true",
        user_id,
        client_id,
    )
    return bool(gone)


async def delete_consents(tx: Tx, user_id: UUID) -> None:
    """Forget what a user lets all apps have."""
    await tx.execute("DELETE FROM consents WHERE user_id = $1", user_id)


async def delete_unused_codes(tx: Tx, user_id: UUID, client_id: UUID | None = None) -> int:
    """Delete codes of a user that an app, or any app, has not used; return their number."""
    gone = await tx.fetch(
        """
        DELETE FROM authorization_codes
         WHERE user_id = $1 AND ($2::uuid IS NULL OR client_id = $2) AND spent_at IS NULL
        RETURNING 1
        """,
        user_id,
        client_id,
    )
    return len(gone)


async def delete_of_client(tx: Tx, client_id: UUID) -> None:
    """Delete what a client asks for, and codes that it has not used."""
    await tx.execute("DELETE FROM authorization_requests WHERE client_id = $1", client_id)
    await tx.execute(
        "DELETE FROM authorization_codes WHERE client_id = $1 AND spent_at IS NULL", client_id
    )


async def delete_old_requests(db: Executor, before: datetime, at_most: int) -> int:
    """Delete requests that expired before a moment; return their number."""
    return await _delete_old(db, "authorization_requests", before, at_most)


async def delete_old_codes(db: Executor, before: datetime, at_most: int) -> int:
    """Delete codes that expired before a moment; return their number."""
    return await _delete_old(db, "authorization_codes", before, at_most)


async def _delete_old(db: Executor, table: str, before: datetime, at_most: int) -> int:
    gone = await db.fetch(
        f"""
        DELETE FROM {table} WHERE ctid IN (
            SELECT ctid FROM {table} WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
        ) RETURNING 1
        """,  # noqa: S608 - our own tables
        before,
        at_most,
    )
    return len(gone)
