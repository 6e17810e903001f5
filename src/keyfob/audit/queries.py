"""SQL of the audit log."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from keyfob.audit.models import AuditEvent, ChainEnd
from keyfob.core.database import Executor, Tx

_COLUMNS = """
    position, id, at, action, actor_id, target_id, old_values, new_values, ip_address, mac
"""

# Any constant that no other advisory lock of ours uses.
_CHAIN_LOCK = 0x6B66_6175

# The least bigint: an event that somebody put at position 0 is walked, and found, too.
_BEFORE_ALL = -(2**63)

# No event of ours comes as far. Threat: behind one that somebody put at the greatest bigint none
# has room, and every change that is recorded would fail.
_BEYOND_ALL = 2**62


async def lock_chain(tx: Tx) -> ChainEnd | None:
    """Hold the end of the chain until the commit, and return it, or None where it is empty."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _CHAIN_LOCK)
    last = await tx.fetchrow(
        "SELECT position, mac FROM audit_events WHERE position < $1 ORDER BY position DESC LIMIT 1",
        _BEYOND_ALL,
    )
    return ChainEnd(**last) if last else None


async def insert_event(
    tx: Tx,
    *,
    position: int,
    event_id: UUID,
    at: datetime,
    action: str,
    actor_id: UUID | None,
    target_id: UUID | None,
    old: dict[str, Any],
    new: dict[str, Any],
    address: str | None,
    mac: bytes,
) -> None:
    """Append an event."""
    await tx.execute(
        """
        INSERT INTO audit_events (position, id, at, action, actor_id, target_id,
                                  old_values, new_values, ip_address, mac)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::inet, $10)
        """,
        position,
        event_id,
        at,
        action,
        actor_id,
        target_id,
        old,
        new,
        address,
        mac,
    )


async def list_events(
    db: Executor,
    *,
    before: int | None,
    action: str | None,
    actor_id: UUID | None,
    target_id: UUID | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[AuditEvent]:
    """Return events, newest first, from before a position."""
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM audit_events
         WHERE position < coalesce($1, 9223372036854775807)
           AND ($2::text IS NULL OR action = $2)
           AND ($3::uuid IS NULL OR actor_id = $3)
           AND ($4::uuid IS NULL OR target_id = $4)
           AND at >= coalesce($5, '-infinity'::timestamptz)
           AND at < coalesce($6, 'infinity'::timestamptz)
         ORDER BY position DESC
         LIMIT $7
        """,  # noqa: S608 - a constant of this file
        before,
        action,
        actor_id,
        target_id,
        since,
        until,
        limit,
    )
    return [AuditEvent(**row) for row in rows]


async def erase_addresses(db: Executor, actor_id: UUID, after: int, limit: int) -> tuple[int, int]:
    """Blank the addresses of so many things that a person did, in the order of the chain.

    Returns how many there were after that position, and the position of the last of them.
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
    """Return the MAC of the event at a position, or None."""
    found: bytes | None = await db.fetchval(
        "SELECT mac FROM audit_events WHERE position = $1", position
    )
    return found


async def count_by_key(db: Executor, id_bytes: int) -> list[tuple[bytes, int]]:
    """Return how many MACs there are of each secret key's id, with which they begin."""
    rows = await db.fetch(
        """
        SELECT substring(mac FROM 1 FOR $1) AS key_id, count(*) AS amount
          FROM audit_events GROUP BY 1
        """,
        id_bytes,
    )
    return [(row["key_id"], row["amount"]) for row in rows]


async def last_position(db: Executor) -> int:
    """Return the greatest position, or 0."""
    found: int = await db.fetchval("SELECT coalesce(max(position), 0) FROM audit_events")
    return found


async def each_event(
    db: Executor, *, after: int = _BEFORE_ALL, batch: int = 500
) -> AsyncIterator[AuditEvent]:
    """Walk the log after a position, the whole of it by default, a batch in memory at a time.

    No cursor: it would hold a transaction open for as long as that takes. What is appended
    meanwhile is walked too, and no event before it ever changes its position.
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
