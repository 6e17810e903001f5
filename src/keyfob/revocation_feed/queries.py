"""SQL for the feed: revocations in the order of their transactions."""

import hashlib
from datetime import datetime

from asyncpg import Record

from keyfob.core.database import Executor
from keyfob.revocation_feed.models import Position, Reading, Revoked

# The head is repeated in each row, or is the only row. It says where this is: the start of the
# server and the file of the table change whenever numbers of transactions may be given again, or
# rows come from elsewhere. Any role may ask for both, and a pooler passes them on.
_READ = """
WITH head AS MATERIALIZED (
    SELECT extract(epoch FROM pg_postmaster_start_time())::text
               || ' ' || pg_relation_filenode('revocations'::regclass) AS server,
           pg_snapshot_xmax(now.snapshot) AS next,
           ARRAY(SELECT pg_snapshot_xip(now.snapshot)::text) AS open,
           dropped.number, dropped.kids, dropped.ends
      FROM (SELECT pg_current_snapshot() AS snapshot) AS now,
           (SELECT count(*) AS number,
                   array_agg(kid) FILTER (WHERE dropped_at > $6) AS kids,
                   array_agg(dropped_at) FILTER (WHERE dropped_at > $6) AS ends
              FROM signing_keys WHERE dropped_at IS NOT NULL) AS dropped
)
SELECT head.server, head.next::text, head.open, head.number, head.kids, head.ends,
       r.kind, r.id, r.generation, r.expires_at, r.place::text
  FROM head
  LEFT JOIN LATERAL (
        SELECT kind, id, generation, expires_at, p.place
          FROM revocations,
               LATERAL (SELECT CASE WHEN written_by < head.next THEN written_by
                                    ELSE '0'::xid8 END) AS p (place)
         WHERE expires_at > $4
           AND ((written_by >= $1::text::xid8 AND (p.place, id) > ($1::text::xid8, $2))
                OR written_by = ANY ($3::text[]::xid8[]))
         ORDER BY p.place, id
         LIMIT $5
       ) AS r ON true
 ORDER BY r.place, r.id
"""


async def read_after(
    db: Executor, position: Position, *, now: datetime, dropped_after: datetime, at_most: int
) -> Reading:
    """Return what may still concern a valid token and follows a position, in one statement.

    Rows of a restored dump carry numbers of another server, perhaps higher than any here. They
    count as the oldest: a reader who begins gets them, and they hide nothing that is new.
    """
    rows = await db.fetch(
        _READ,
        str(position.transaction),
        position.last_id,
        [str(one) for one in position.open],
        now,
        at_most,
        dropped_after,
    )
    head = rows[0]
    return Reading(
        epoch=hashlib.sha256(head["server"].encode()).hexdigest()[:16],
        next_transaction=int(head["next"]),
        open=tuple(int(one) for one in head["open"]),
        dropped_keys=head["number"],
        kids=dict(zip(head["kids"] or (), head["ends"] or (), strict=True)),
        revoked=[_revoked(row) for row in rows if row["id"] is not None],
    )


def _revoked(row: Record) -> Revoked:
    kind, of, generation, expires_at, place = row[6:]
    return Revoked(kind, of, generation, expires_at, int(place))
