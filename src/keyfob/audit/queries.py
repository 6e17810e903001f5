"""SQL for the audit log."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal
from uuid import UUID

from keyfob.audit.models import AuditEvent, AuditFilter, ChainEnd, ListedEvent, Party
from keyfob.core.database import Executor, Tx
from keyfob.core.pagination import written

_COLUMNS = """
    position, id, at, action, actor_id, target_id, old_values, new_values, ip_address, mac
"""

# The conditions of `AuditFilter`, in its order, but the last.
_CONDITIONS = (
    "action = {}",
    "actor_id = {}",
    "target_id = {}",
    "ip_address <<= {}::text::inet",
    "at >= {}",
    "at < {}",
)

# Any constant that no other advisory lock of Keyfob uses.
_CHAIN_LOCK = 0x6B66_6175

# The smallest bigint: an event that somebody inserted at position 0 is verified, too.
_BEFORE_ALL = -(2**63)

# Keyfob's own events never get this far. Threat: after an event that somebody inserted at the
# greatest bigint there would be no position left, and every recorded change would fail.
_BEYOND_ALL = 2**62


async def lock_chain(tx: Tx) -> ChainEnd | None:
    """Lock the end of the chain until the commit, and return it; None if the chain is empty."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _CHAIN_LOCK)
    last = await tx.fetchrow(
        "SELECT position, mac FROM audit_events WHERE position < $1 ORDER BY position DESC LIMIT 1",
        _BEYOND_ALL,
    )
    return ChainEnd(**last) if last else None


async def insert_event(tx: Tx, event: AuditEvent) -> None:
    """Append an event."""
    address = str(event.ip_address) if event.ip_address else None
    await tx.execute(
        """
        INSERT INTO audit_events (position, id, at, action, actor_id, target_id,
                                  old_values, new_values, ip_address, mac)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::inet, $10)
        """,
        *event[:8],
        address,
        event.mac,
    )


async def list_events(
    db: Executor, wanted: AuditFilter, *, before: int | None, limit: int
) -> list[ListedEvent]:
    """Return events before a position, newest first, with the present names of their parties."""
    given = [*zip(_CONDITIONS, wanted[:-1], strict=True)]
    conditions: list[tuple[str, list[Any]]] = [
        (text, [value]) for text, value in given if value is not None
    ]
    if before is not None:
        conditions.append(("position < {}", [before]))
    parts, values = _parts(conditions, wanted.user_id)
    return await _list(db, " UNION ".join(parts), "DESC", [*values, limit])


async def list_after(db: Executor, position: int, limit: int) -> list[ListedEvent]:
    """Return events after a position, the oldest first, likewise."""
    part = f"(SELECT {_COLUMNS} FROM audit_events WHERE position > $1 ORDER BY position LIMIT $2)"  # noqa: S608 - a constant of this file
    return await _list(db, part, "ASC", [position, limit])


async def _list(
    db: Executor, events: str, order: Literal["ASC", "DESC"], values: list[Any]
) -> list[ListedEvent]:
    rows = await db.fetch(
        f"""
        SELECT e.*,
               CASE WHEN a.id IS NOT NULL THEN 'user' WHEN ac.id IS NOT NULL THEN 'client' END,
               a.email, coalesce(a.name, ac.name),
               CASE WHEN t.id IS NOT NULL THEN 'user' WHEN tc.id IS NOT NULL THEN 'client'
                    WHEN tr.id IS NOT NULL THEN 'resource' END,
               t.email, coalesce(t.name, tc.name, tr.name)
          FROM ({events}) AS e
          LEFT JOIN users AS a ON a.id = e.actor_id
          LEFT JOIN clients AS ac ON ac.id = e.actor_id
          LEFT JOIN users AS t ON t.id = e.target_id
          LEFT JOIN clients AS tc ON tc.id = e.target_id
          LEFT JOIN resources AS tr ON tr.id = e.target_id
         ORDER BY e.position {order} LIMIT ${len(values)}
        """,  # noqa: S608 - made of words of this file and placeholders
        *values,
    )
    return [
        ListedEvent(AuditEvent(*row[:10]), _party(row[10:13]), _party(row[13:])) for row in rows
    ]


def _parts(
    conditions: list[tuple[str, list[Any]]], user_id: UUID | None
) -> tuple[list[str], list[Any]]:
    """Return one SELECT, or two for a user's events, and their values.

    Each of the two reads an index up to the limit. With OR, all events of the user would be sorted.
    """
    ways = ["actor_id = {}", "target_id = {}"] if user_id else []
    clauses = [written([*conditions, (way, [user_id])]) for way in ways] or [written(conditions)]
    values = clauses[0][1]
    order = f"ORDER BY position DESC LIMIT ${len(values) + 1}"
    parts = [
        f"(SELECT {_COLUMNS} FROM audit_events {where} {order})"  # noqa: S608 - see `list_events`
        for where, _ in clauses
    ]
    return parts, values


def _party(columns: tuple[Any, ...]) -> Party | None:
    return None if columns[0] is None else Party(*columns)


async def find_events(db: Executor, ids: Sequence[UUID]) -> list[AuditEvent]:
    """Return the events with these ids, in no order."""
    rows = await db.fetch(
        f"SELECT {_COLUMNS} FROM audit_events WHERE id = ANY ($1::uuid[])",  # noqa: S608 - a constant of this file
        ids,
    )
    return [AuditEvent(*row) for row in rows]


async def find_last_change(db: Executor, target_id: UUID, action: str, field: str) -> UUID | None:
    """Return the id of the newest event of this kind that gave a field of the target a value."""
    found: UUID | None = await db.fetchval(
        """
        SELECT id FROM audit_events
         WHERE target_id = $1 AND action = $2 AND new_values ? $3
         ORDER BY position DESC LIMIT 1
        """,
        target_id,
        action,
        field,
    )
    return found


async def erase_addresses(db: Executor, actor_id: UUID, after: int, limit: int) -> tuple[int, int]:
    """Blank the IP addresses of up to `limit` of a person's events, in the order of the chain.

    Returns the number of events handled after the position, and the position of the last of them.
    """
    (row,) = await db.fetch(
        """
        WITH batch AS (
            SELECT position FROM audit_events WHERE actor_id = $1 AND position > $2
             ORDER BY position LIMIT $3
        ), blanked AS (
            UPDATE audit_events AS e SET ip_address = NULL
              FROM batch WHERE e.position = batch.position AND e.ip_address IS NOT NULL
        )
        SELECT count(*) AS amount, coalesce(max(position), $2) AS last FROM batch
        """,
        actor_id,
        after,
        limit,
    )
    return row["amount"], row["last"]


async def find_mac(db: Executor, position: int) -> bytes | None:
    """Return the MAC of the event at a position; None if there is none."""
    found: bytes | None = await db.fetchval(
        "SELECT mac FROM audit_events WHERE position = $1", position
    )
    return found


async def count_by_key(db: Executor, id_bytes: int) -> list[tuple[bytes, int]]:
    """Return the number of MACs by the id of the secret key, with which each MAC begins."""
    rows = await db.fetch(
        """
        SELECT substring(mac FROM 1 FOR $1) AS key_id, count(*) AS amount
          FROM audit_events GROUP BY 1
        """,
        id_bytes,
    )
    return [(row["key_id"], row["amount"]) for row in rows]


async def last_position(db: Executor) -> int:
    """Return the greatest position; 0 if there are no events."""
    found: int = await db.fetchval("SELECT coalesce(max(position), 0) FROM audit_events")
    return found


async def each_event(
    db: Executor, *, after: int = _BEFORE_ALL, batch: int = 500
) -> AsyncIterator[AuditEvent]:
    """Iterate over the events after a position, by default all, one batch in memory at a time.

    No cursor: it would keep a transaction open all the time. Events appended meanwhile are
    included, and no earlier event ever changes its position.
    """
    position = after
    while rows := await db.fetch(
        f"SELECT {_COLUMNS} FROM audit_events WHERE position > $1 ORDER BY position LIMIT $2",  # noqa: S608 - a constant of this file
        position,
        batch,
    ):
        for row in rows:
            yield AuditEvent(**row)
        position = rows[-1]["position"]
