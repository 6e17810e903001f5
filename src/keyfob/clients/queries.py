"""SQL for clients, their secrets and resources."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from keyfob.clients.models import (
    AuthMethod,
    ClientKind,
    ClientSecret,
    Grant,
    Holders,
    IdTokenAlgorithm,
    Profile,
    RegisteredClient,
    Registrar,
)
from keyfob.core.database import Executor, Tx

_CLIENT = """
    id, name, kind, grants, scope, resources, auth_method, jwks, jwks_uri, access_token_ttl,
    generation, created_at, updated_at, disabled_at, redirect_uris, first_party, require_pkce,
    id_token_alg, post_logout_redirect_uris, backchannel_logout_uri,
    backchannel_logout_session_required, registered_by, document, kept_until,
    require_par, require_signed_request, rotate_refresh, dpop_bound, profile
"""
_SWITCHES = ("require_par", "require_signed_request", "rotate_refresh", "dpop_bound")
_CREDENTIAL = "id, secret_hash, created_at, expires_at, last_used_at"


def _client(row: Record) -> RegisteredClient:
    return RegisteredClient(
        id=row["id"],
        name=row["name"],
        kind=ClientKind(row["kind"]),
        grants=tuple(Grant(grant) for grant in row["grants"]),
        scope=tuple(row["scope"]),
        resources=tuple(row["resources"]),
        auth_method=AuthMethod(row["auth_method"]),
        jwks=read_json(row["jwks"]),
        jwks_uri=row["jwks_uri"],
        access_token_ttl=row["access_token_ttl"],
        generation=row["generation"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        disabled_at=row["disabled_at"],
        redirect_uris=tuple(row["redirect_uris"]),
        first_party=row["first_party"],
        require_pkce=row["require_pkce"],
        id_token_alg=IdTokenAlgorithm(row["id_token_alg"]),
        post_logout_redirect_uris=tuple(row["post_logout_redirect_uris"]),
        backchannel_logout_uri=row["backchannel_logout_uri"],
        backchannel_logout_session_required=row["backchannel_logout_session_required"],
        registered_by=Registrar(row["registered_by"]),
        document=row["document"],
        kept_until=row["kept_until"],
        **{name: row[name] for name in _SWITCHES},
        profile=Profile(row["profile"]) if row["profile"] else None,
    )


def _of_logout(client: RegisteredClient) -> tuple[list[str], str | None, bool]:
    return (
        list(client.post_logout_redirect_uris),
        client.backchannel_logout_uri,
        client.backchannel_logout_session_required,
    )


def read_json(value: Any) -> Any:
    """Return a value of a jsonb column, whether the connection decodes them or not."""
    return json.loads(value) if isinstance(value, str) else value


async def find_client(db: Executor, client_id: UUID) -> RegisteredClient | None:
    """Return a client, disabled or not; None if there is none."""
    row = await db.fetchrow(f"SELECT {_CLIENT} FROM clients WHERE id = $1", client_id)  # noqa: S608 - our own columns
    return _client(row) if row else None


async def lock_client(tx: Tx, client_id: UUID) -> RegisteredClient | None:
    """Return a client, locked until the commit; None if there is none."""
    row = await tx.fetchrow(
        f"SELECT {_CLIENT} FROM clients WHERE id = $1 FOR UPDATE",  # noqa: S608 - our own columns
        client_id,
    )
    return _client(row) if row else None


async def share_scope(tx: Tx, client_id: UUID, generation: int, token_id: UUID) -> list[str] | None:
    """Return the scope of a client, which nobody can change until the commit.

    None if the client is disabled or gone, or if tokens of that generation, or this token, are
    revoked.
    """
    scope: list[str] | None = await tx.fetchval(
        """
        SELECT scope FROM clients
         WHERE id = $1 AND generation = $2 AND disabled_at IS NULL
           AND NOT EXISTS (SELECT FROM revocations AS r WHERE r.id = $3)
           FOR SHARE
        """,
        client_id,
        generation,
        token_id,
    )
    return scope


async def list_clients(db: Executor, after: UUID | None, limit: int) -> list[RegisteredClient]:
    """Return a page of clients in the order of their creation."""
    rows = await db.fetch(
        f"""
        SELECT {_CLIENT} FROM clients WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2
        """,  # noqa: S608 - our own columns
        after,
        limit,
    )
    return [_client(row) for row in rows]


async def list_ids(db: Executor, since: datetime | None) -> list[UUID]:
    """Return the ids of the clients that were made since a moment, or of all."""
    rows = await db.fetch(
        "SELECT id FROM clients WHERE $1::timestamptz IS NULL OR created_at >= $1", since
    )
    return [row["id"] for row in rows]


async def announce_client(tx: Tx, client_id: UUID) -> None:
    """Tell every worker at the commit that a client has changed."""
    await tx.execute("SELECT pg_notify('keyfob', 'client ' || $1)", str(client_id))


async def announce_browser_apps(tx: Tx) -> None:
    """Tell every worker at the commit that browser apps have changed."""
    await tx.execute("SELECT pg_notify('keyfob', 'browser_apps')")


# The clients that have the resource $1; of strangers', those with a consent. The others have no
# tokens, and what they may ask for is cut when they are found.
_HOLDS = """
    $1 = ANY(resources) AND (registered_by = 'administrator' OR EXISTS (
        SELECT FROM consents WHERE client_id = clients.id AND $1 = ANY(audience)))
"""


async def list_own_of_resource(db: Executor, identifier: str) -> list[RegisteredClient]:
    """Return the clients that have a resource, but for those that registered themselves."""
    rows = await db.fetch(
        f"""
        SELECT {_CLIENT} FROM clients
         WHERE $1 = ANY(resources) AND registered_by = 'administrator' ORDER BY id
        """,  # noqa: S608 - our own columns
        identifier,
    )
    return [_client(row) for row in rows]


async def count_holders(db: Executor, identifier: str, first: int) -> Holders:
    """Return how many clients have a resource, and the `first` of them: ours before strangers'."""
    clients = await db.fetch(
        f"""
        SELECT {_CLIENT} FROM clients WHERE {_HOLDS}
         ORDER BY registered_by <> 'administrator', id LIMIT $2
        """,  # noqa: S608 - our own columns
        identifier,
        first,
    )
    counted = await db.fetch(
        f"""
        WITH holders AS (SELECT registered_by, scope FROM clients WHERE {_HOLDS})
        SELECT NULL AS scope, count(*) AS amount,
               count(*) FILTER (WHERE registered_by = 'administrator') AS own FROM holders
         UNION ALL
        SELECT name, count(*), 0 FROM holders, unnest(scope) AS name GROUP BY name
        """,  # noqa: S608 - our own columns
        identifier,
    )
    by_scope = {row["scope"]: row["amount"] for row in counted}
    total, own = by_scope.pop(None), sum(row["own"] for row in counted)
    return Holders(total, own, by_scope, tuple(map(_client, clients)))


async def insert_client(tx: Tx, client: RegisteredClient) -> bool:
    """Insert a client; False if there is one with its id."""
    made = await tx.fetchval(
        """
        INSERT INTO clients
               (id, name, kind, grants, scope, resources, auth_method, jwks, jwks_uri,
                access_token_ttl, created_at, updated_at, disabled_at, redirect_uris,
                first_party, require_pkce, id_token_alg, post_logout_redirect_uris,
                backchannel_logout_uri, backchannel_logout_session_required,
                registered_by, document, kept_until, require_par, require_signed_request,
                rotate_refresh, dpop_bound, profile)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10, $11, $11, $12, $13, $14,
                $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)
        ON CONFLICT (id) DO NOTHING RETURNING true
        """,
        client.id,
        client.name,
        client.kind,
        list(client.grants),
        list(client.scope),
        list(client.resources),
        client.auth_method,
        json.dumps(client.jwks) if client.jwks else None,
        client.jwks_uri,
        client.access_token_ttl,
        client.created_at,
        client.disabled_at,
        list(client.redirect_uris),
        client.first_party,
        client.require_pkce,
        client.id_token_alg,
        *_of_logout(client),
        *(client.registered_by, client.document, client.kept_until),
        *(client.require_par, client.require_signed_request, client.rotate_refresh),
        *(client.dpop_bound, client.profile),
    )
    return bool(made)


async def update_client(tx: Tx, client: RegisteredClient) -> None:
    """Write a client that `tx` has locked."""
    await tx.execute(
        """
        UPDATE clients
           SET name = $2, grants = $3, scope = $4, resources = $5, auth_method = $6,
               jwks = $7::text::jsonb, jwks_uri = $8, access_token_ttl = $9, generation = $10,
               updated_at = $11, disabled_at = $12, redirect_uris = $13, first_party = $14,
               require_pkce = $15, id_token_alg = $16, post_logout_redirect_uris = $17,
               backchannel_logout_uri = $18, backchannel_logout_session_required = $19,
               require_par = $20, require_signed_request = $21,
               rotate_refresh = $22, dpop_bound = $23, profile = $24
         WHERE id = $1
        """,
        client.id,
        client.name,
        list(client.grants),
        list(client.scope),
        list(client.resources),
        client.auth_method,
        json.dumps(client.jwks) if client.jwks else None,
        client.jwks_uri,
        client.access_token_ttl,
        client.generation,
        client.updated_at,
        client.disabled_at,
        list(client.redirect_uris),
        client.first_party,
        client.require_pkce,
        client.id_token_alg,
        *_of_logout(client),
        *(client.require_par, client.require_signed_request, client.rotate_refresh),
        *(client.dpop_bound, client.profile),
    )


async def delete_client(tx: Tx, client_id: UUID) -> None:
    """Remove a client with its secrets."""
    await tx.execute("DELETE FROM clients WHERE id = $1", client_id)


async def list_secrets(db: Executor, client_id: UUID, now: datetime) -> list[ClientSecret]:
    """Return the valid secrets of a client, oldest first."""
    rows = await db.fetch(
        f"""
        SELECT {_CREDENTIAL} FROM client_secrets
         WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2)
         ORDER BY created_at, id
        """,  # noqa: S608 - our own columns
        client_id,
        now,
    )
    return [ClientSecret(*row) for row in rows]


async def insert_secret(tx: Tx, client_id: UUID, secret: ClientSecret) -> None:
    """Insert a secret of a client that `tx` has locked."""
    await tx.execute(
        """
        INSERT INTO client_secrets (id, client_id, secret_hash, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5)
        """,
        secret.id,
        client_id,
        secret.digest,
        secret.created_at,
        secret.expires_at,
    )


async def delete_secret(tx: Tx, client_id: UUID, secret_id: UUID) -> bool:
    """Delete a secret of a client; False if there is none."""
    gone = await tx.fetchval(
        "DELETE FROM client_secrets WHERE id = $1 AND client_id = $2 RETURNING true",
        secret_id,
        client_id,
    )
    return bool(gone)


async def write_uses(db: Executor, used: Sequence[tuple[UUID, bytes, datetime]]) -> None:
    """Write when secrets were last used, with their digests by the first secret key.

    A secret that is locked is left out, until its next use: waiting for one with others locked
    could deadlock with the deletion of their client.
    """
    await db.execute(
        """
        WITH held AS (
            SELECT s.id, u.digest, u.at
              FROM unnest($1::uuid[], $2::bytea[], $3::timestamptz[]) AS u (id, digest, at)
              JOIN client_secrets AS s ON s.id = u.id
             ORDER BY s.id
               FOR NO KEY UPDATE OF s SKIP LOCKED
        )
        UPDATE client_secrets AS s
           SET last_used_at = GREATEST(s.last_used_at, h.at), secret_hash = h.digest
          FROM held AS h
         WHERE s.id = h.id
        """,
        [one[0] for one in used],
        [one[1] for one in used],
        [one[2] for one in used],
    )


async def delete_expired_secrets(db: Executor, before: datetime) -> int:
    """Delete secrets that expired before a moment; return their number."""
    return len(
        await db.fetch("DELETE FROM client_secrets WHERE expires_at <= $1 RETURNING 1", before)
    )


async def count_by_digest_key(db: Executor, now: datetime) -> list[tuple[bytes, int]]:
    """Return how many valid secrets there are by the id of the secret key of their digest."""
    rows = await db.fetch(
        """
        SELECT substring(secret_hash for 3), count(*) FROM client_secrets
         WHERE expires_at IS NULL OR expires_at > $1 GROUP BY 1
        """,
        now,
    )
    return [(bytes(row[0]), int(row[1])) for row in rows]


async def list_names_of_others(db: Executor, key_id: bytes, now: datetime, limit: int) -> list[str]:
    """Return names of clients with a valid secret whose digest is not by this secret key."""
    rows = await db.fetch(
        """
        SELECT DISTINCT c.name FROM client_secrets AS s JOIN clients AS c ON c.id = s.client_id
         WHERE (s.expires_at IS NULL OR s.expires_at > $2) AND substring(s.secret_hash for 3) <> $1
         ORDER BY c.name LIMIT $3
        """,
        key_id,
        now,
        limit,
    )
    return [row[0] for row in rows]
