"""SQL for counting in the table `attempts`. A row whose window has ended counts as absent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from keyfob.core.database import Executor
from keyfob.limits.models import Window


@dataclass(frozen=True, slots=True)
class Counted:
    """The current count of a window, and whether this attempt was added."""

    count: int
    expires_at: datetime
    counted: bool


async def count_attempt(
    db: Executor, needed: Sequence[Window], beside: Sequence[Window], now: datetime
) -> dict[str, Counted]:
    """Add one to the windows that have space, in one statement.

    Of the windows that are `needed`, at least one, all are counted or none; those `beside` them are
    counted with them if all of those have space, too. A full window is only read, so that a flood
    of refused attempts writes nothing. If two callers race for the last place, both are counted;
    the one that finds its `count` above the amount has lost and must give back. Rows are written in
    the order of their keys, so that no two statements can deadlock.

    Returns:
        The count of each window, by its key.
    """
    windows = [*needed, *beside]
    rows = await db.fetch(
        """
        WITH wanted AS (
            SELECT w.key, w.amount, w.needed, coalesce(a.count, 0) AS count,
                   coalesce(a.expires_at, $5 + make_interval(secs => w.seconds)) AS expires_at
              FROM unnest($1::text[], $2::bigint[], $3::float8[], $4::bool[])
                       AS w (key, amount, seconds, needed)
              LEFT JOIN attempts AS a ON a.key = w.key AND a.expires_at > $5
        ), space AS (
            SELECT bool_and(count < amount) FILTER (WHERE needed) AS for_needed,
                   bool_and(count < amount) AS for_all
              FROM wanted
        ), counted AS (
            INSERT INTO attempts AS a (key, count, expires_at)
            SELECT key, 1, expires_at
              FROM wanted, space
             WHERE for_all OR (for_needed AND needed)
             ORDER BY key
            ON CONFLICT (key) DO UPDATE
               SET count = CASE WHEN a.expires_at > $5 THEN a.count + 1 ELSE 1 END,
                   expires_at = CASE WHEN a.expires_at > $5 THEN a.expires_at
                                     ELSE excluded.expires_at END
            RETURNING key, count, expires_at
        )
        SELECT w.key,
               coalesce(c.count, w.count) AS count,
               coalesce(c.expires_at, w.expires_at) AS expires_at,
               c.key IS NOT NULL AS counted
          FROM wanted AS w
          LEFT JOIN counted AS c ON c.key = w.key
        """,
        [window.key for window in windows],
        [window.amount for window in windows],
        [window.seconds for window in windows],
        [number < len(needed) for number in range(len(windows))],
        now,
    )
    return {key: Counted(*counted) for key, *counted in rows}


async def give_back(
    db: Executor,
    keys: Sequence[str],
    expiries: Sequence[datetime],
    emptied: Sequence[str],
) -> None:
    """Subtract one from every window that still has the same end, but never go below zero.

    The windows whose keys are in `emptied` are set to zero. Rows are locked in the order of their
    keys.
    """
    await db.execute(
        """
        WITH held AS MATERIALIZED (
            SELECT key FROM attempts WHERE key = ANY ($1::text[]) ORDER BY key FOR UPDATE
        )
        UPDATE attempts AS a
           SET count = CASE WHEN a.key = ANY ($3::text[]) THEN 0 ELSE greatest(a.count - 1, 0) END
          FROM unnest($1::text[], $2::timestamptz[]) AS taken (key, expires_at)
         WHERE a.key = taken.key AND a.expires_at = taken.expires_at
           AND a.key = ANY (ARRAY (SELECT key FROM held))
        """,
        keys,
        expiries,
        emptied,
    )


async def forget(db: Executor, keys: Sequence[str]) -> None:
    """Empty windows; rows are locked in the order of their keys."""
    await db.execute(
        """
        WITH held AS MATERIALIZED (
            SELECT key FROM attempts WHERE key = ANY ($1::text[]) ORDER BY key FOR UPDATE
        )
        UPDATE attempts SET count = 0 WHERE key = ANY (ARRAY (SELECT key FROM held))
        """,
        keys,
    )


async def delete_expired(db: Executor, now: datetime, batch: int) -> int:
    """Delete up to `batch` rows whose window has ended, and return their number.

    Rows that are being counted at this moment are skipped, so nobody waits.
    """
    return int(
        await db.fetchval(
            """
            WITH gone AS (
                DELETE FROM attempts
                 WHERE key = ANY (ARRAY (
                           SELECT key FROM attempts WHERE expires_at <= $1
                            ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
                RETURNING 1
            )
            SELECT count(*) FROM gone
            """,
            now,
            batch,
        )
    )
