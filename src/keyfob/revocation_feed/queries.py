"""SQL for the feed: revocations in the order of their transactions."""

import hashlib
from datetime import UTC, datetime

from asyncpg import Record

from keyfob.core.database import Executor
from keyfob.revocation_feed.models import Position, Reading, Revoked

# The head is repeated in each row, or is the only row, so it is short to read. It says where this
# is: the start of the server and the file of the table change whenever numbers of transactions may
# be given again, or rows come from elsewhere. Any role may ask for both, also through a pooler.
_READ = """
WITH head AS MATERIALIZED (
    SELECT extract(epoch FROM pg_postmaster_start_time())::text
               || ' ' || pg_relation_filenode('revocations'::regclass) AS server,
           now.snapshot, pg_snapshot_xmax(now.snapshot) AS next, dropped.number, dropped.keys
      FROM (SELECT pg_current_snapshot() AS snapshot) AS now,
           (SELECT count(*) AS number,
                   string_agg(kid || ' ' || extract(epoch FROM dropped_at), E'\n')
                       FILTER (WHERE dropped_at > $6) AS keys
              FROM signing_keys WHERE dropped_at IS NOT NULL) AS dropped
)
SELECT head.server, head.snapshot::text, head.number, head.keys,
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
    _, following, still_open = head["snapshot"].split(":")  # as pg_snapshot is written
    return Reading(
        epoch=hashlib.sha256(head["server"].encode()).hexdigest()[:16],
        next_transaction=int(following),
        open=tuple(int(one) for one in still_open.split(",") if one),
        dropped_keys=head["number"],
        kids=dict(_dropped(line) for line in (head["keys"] or "").splitlines()),
        revoked=[_revoked(row) for row in rows if row["id"] is not None],
    )


def _dropped(line: str) -> tuple[str, datetime]:
    kid, _, dropped_at = line.partition(" ")
    return kid, datetime.fromtimestamp(float(dropped_at), UTC)


def _revoked(row: Record) -> Revoked:
    kind, of, generation, expires_at, place = row[4:]
    return Revoked(kind, of, generation, expires_at, int(place))
