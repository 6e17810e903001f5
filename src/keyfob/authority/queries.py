"""SQL for the further roles, and for the users who have them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from keyfob.authority.models import GivenRole, RoleDefinition
from keyfob.core.database import Executor, Tx


async def list_roles(db: Executor) -> list[RoleDefinition]:
    """Return every further role, by name."""
    rows = await db.fetch(
        "SELECT name, permissions, created_at, updated_at FROM roles ORDER BY name"
    )
    return [RoleDefinition(row[0], tuple(row[1]), *row[2:]) for row in rows]


async def version_of_roles(db: Executor) -> str:
    """Return a value that changes with every change of a definition.

    Of the rows, and not of their newest time: the clocks of two workers may differ.
    """
    version = await db.fetchval(
        "SELECT md5(coalesce(string_agg(roles::text, ',' ORDER BY name), '')) FROM roles"
    )
    return str(version)


async def lock_role(tx: Tx, name: str) -> RoleDefinition | None:
    """Return a role, locked until the commit; None if there is none with that name."""
    row = await tx.fetchrow(
        "SELECT name, permissions, created_at, updated_at FROM roles WHERE name = $1 FOR UPDATE",
        name,
    )
    return RoleDefinition(row[0], tuple(row[1]), *row[2:]) if row else None


async def insert_role(tx: Tx, name: str, permissions: Sequence[str], now: datetime) -> bool:
    """Insert a role; False if there is one with that name."""
    added = await tx.fetchval(
        """
        INSERT INTO roles (name, permissions, created_at, updated_at) VALUES ($1, $2, $3, $3)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        name,
        list(permissions),
        now,
    )
    return bool(added)


async def update_role(tx: Tx, name: str, permissions: Sequence[str], now: datetime) -> None:
    """Change the permissions of a role."""
    await tx.execute(
        "UPDATE roles SET permissions = $2, updated_at = $3 WHERE name = $1",
        name,
        list(permissions),
        now,
    )


async def delete_role(tx: Tx, name: str, now: datetime) -> None:
    """Delete a role that nobody has any more."""
    await tx.execute("DELETE FROM user_roles WHERE role = $1 AND expires_at <= $2", name, now)
    await tx.execute("DELETE FROM roles WHERE name = $1", name)


async def list_holders(db: Executor, name: str, now: datetime, at_most: int) -> list[UUID]:
    """Return users who have a role now, at most `at_most`."""
    rows = await db.fetch(
        """
        SELECT user_id FROM user_roles
         WHERE role = $1 AND (expires_at IS NULL OR expires_at > $2) LIMIT $3
        """,
        name,
        now,
        at_most,
    )
    return [row[0] for row in rows]


async def list_given(db: Executor, user_id: UUID, now: datetime) -> list[GivenRole]:
    """Return the further roles that a user has now, by name."""
    rows = await db.fetch(
        """
        SELECT role, given_at, given_by, expires_at FROM user_roles
         WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY role
        """,
        user_id,
        now,
    )
    return [GivenRole(*row) for row in rows]


async def permissions_given(tx: Tx, user_id: UUID, now: datetime) -> dict[str, datetime | None]:
    """Return what the further roles permit that a user has now: permission -> its latest end."""
    rows = await tx.fetch(
        """
        SELECT p.name, nullif(max(coalesce(u.expires_at, 'infinity')), 'infinity')
          FROM user_roles AS u JOIN roles AS r ON r.name = u.role,
               unnest(r.permissions) AS p(name)
         WHERE u.user_id = $1 AND (u.expires_at IS NULL OR u.expires_at > $2)
         GROUP BY p.name
        """,
        user_id,
        now,
    )
    return {row[0]: row[1] for row in rows}


async def give_role(
    tx: Tx,
    user_id: UUID,
    role: str,
    *,
    given_by: UUID | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Give a user a role, or change the end of one that the user has."""
    await tx.execute(
        """
        INSERT INTO user_roles (user_id, role, given_at, given_by, expires_at)
        VALUES ($1, $2, $5, $3, $4)
        ON CONFLICT (user_id, role) DO UPDATE
           SET given_at = EXCLUDED.given_at, given_by = EXCLUDED.given_by,
               expires_at = EXCLUDED.expires_at
        """,
        user_id,
        role,
        given_by,
        expires_at,
        now,
    )


async def take_role(tx: Tx, user_id: UUID, role: str) -> bool:
    """Take a role away from a user; False if the user did not have it."""
    taken = await tx.fetchval(
        "DELETE FROM user_roles WHERE user_id = $1 AND role = $2 RETURNING true", user_id, role
    )
    return bool(taken)


async def delete_expired(db: Executor, before: datetime, at_most: int) -> int:
    """Delete roles of users that have ended; return their number."""
    gone = await db.fetchval(
        """
        WITH gone AS (
            DELETE FROM user_roles WHERE ctid IN (
                SELECT ctid FROM user_roles WHERE expires_at <= $1 LIMIT $2
                   FOR UPDATE SKIP LOCKED
            ) RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        before,
        at_most,
    )
    return int(gone)


async def announce(tx: Tx) -> None:
    """Tell every worker at the commit that definitions have changed."""
    await tx.execute("SELECT pg_notify('keyfob', 'roles')")
