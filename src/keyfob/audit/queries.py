"""SQL for the audit log."""

from collections.abc import AsyncIterator
from uuid import UUID

from keyfob.audit.models import AuditEvent, AuditFilter, ChainEnd
from keyfob.core.database import Executor, Tx

_COLUMNS = """
    position, id, at, action, actor_id, target_id, old_values, new_values, ip_address, mac
"""

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
) -> list[AuditEvent]:
    """Return events before a position, newest first."""
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM audit_events
         WHERE ($1::text IS NULL OR action = $1)
           AND ($2::uuid IS NULL OR actor_id = $2)
           AND ($3::uuid IS NULL OR target_id = $3)
           AND at >= coalesce($4, '-infinity'::timestamptz)
           AND at < coalesce($5, 'infinity'::timestamptz)
           AND position < coalesce($6, 9223372036854775807)
         ORDER BY position DESC
         LIMIT $7
        """,  # noqa: S608 - a constant of this file
        *wanted,
        before,
        limit,
    )
    return [AuditEvent(*row) for row in rows]


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
