"""SQL for resources."""

import json
from uuid import UUID

from asyncpg import Record

from keyfob.clients.models import Resource
from keyfob.clients.queries import read_json
from keyfob.core.database import Executor, Tx

_RESOURCE = "id, identifier, name, scopes, access_token_ttl, created_at, updated_at"


def _resource(row: Record) -> Resource:
    resource_id, identifier, name, scopes, *others = row
    return Resource(resource_id, identifier, name, read_json(scopes), *others)


async def list_resources(db: Executor) -> list[Resource]:
    """Return every resource, by identifier."""
    rows = await db.fetch(f"SELECT {_RESOURCE} FROM resources ORDER BY identifier")  # noqa: S608 - our own columns
    return [_resource(row) for row in rows]


async def version_of_resources(db: Executor) -> str:
    """Return a value that changes with every change of a resource.

    Of the rows, and not of their newest time: the clocks of two workers may differ.
    """
    version = await db.fetchval(
        "SELECT md5(coalesce(string_agg(r::text, ',' ORDER BY identifier), '')) FROM resources AS r"
    )
    return str(version)


async def lock_resource(tx: Tx, resource_id: UUID) -> Resource | None:
    """Return a resource, locked until the commit; None if there is none."""
    row = await tx.fetchrow(
        f"SELECT {_RESOURCE} FROM resources WHERE id = $1 FOR UPDATE",  # noqa: S608 - our own columns
        resource_id,
    )
    return _resource(row) if row else None


async def insert_resource(tx: Tx, resource: Resource) -> bool:
    """Insert a resource; False if there is one with that identifier."""
    added = await tx.fetchval(
        """
        INSERT INTO resources
               (id, identifier, name, scopes, access_token_ttl, created_at, updated_at)
        VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $6)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        resource.id,
        resource.identifier,
        resource.name,
        json.dumps(resource.scopes),
        resource.access_token_ttl,
        resource.created_at,
    )
    return bool(added)


async def update_resource(tx: Tx, resource: Resource) -> None:
    """Write a resource that `tx` has locked, except its identifier."""
    await tx.execute(
        """
        UPDATE resources
           SET name = $2, scopes = $3::text::jsonb, access_token_ttl = $4, updated_at = $5
         WHERE id = $1
        """,
        resource.id,
        resource.name,
        json.dumps(resource.scopes),
        resource.access_token_ttl,
        resource.updated_at,
    )


async def delete_resource(tx: Tx, resource_id: UUID) -> None:
    """Delete a resource."""
    await tx.execute("DELETE FROM resources WHERE id = $1", resource_id)


async def announce_resources(tx: Tx) -> None:
    """Tell every worker at the commit that resources have changed."""
    await tx.execute("SELECT pg_notify('keyfob', 'resources')")
