"""SQL for the tallies, and for figures that are counted when they are asked for.

A tally is the number of lines of the login log, or of new accounts, in a quarter of an hour: the
offsets of all time zones are multiples of it. Lines that are too new for the tallies are counted
with each question. `sampled` rows say how things were at a moment.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from keyfob.core.database import Executor, Tx
from keyfob.devices.families import BROWSERS
from keyfob.statistics.models import OTHER
from keyfob.statistics.periods import QUARTER

# Any constant that no other advisory lock of Keyfob uses.
_LOCK = 0x6B66_7461

# Threat: clients choose the names of browsers that are not known (`devices.families`), and each
# name would be a row of each quarter.
_NAMED = f"""
    CASE WHEN series = 'browser' AND NOT label = ANY ({{known}}::text[])
         THEN '{OTHER}' ELSE label END
"""

# The version is left out of a browser's name, as where networks and devices are known again.
_LINES = """
    SELECT 'sign_in' AS series, at, outcome || ' ' || reason AS label FROM lines
    UNION ALL
    SELECT 'device', at, device_type FROM lines WHERE outcome = 'succeeded'
    UNION ALL
    SELECT 'browser', at, rtrim(browser, ' 0123456789') FROM lines
     WHERE outcome = 'succeeded' AND browser IS NOT NULL
    UNION ALL
    SELECT 'registered', at, '' FROM registered
"""


async def lock_tallies(tx: Tx) -> bool:
    """Lock the tallies until the commit; False if another worker counts."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK))


async def find_counted(db: Executor) -> datetime | None:
    """Return the moment up to which everything is in the tallies; None before the first count."""
    found: datetime | None = await db.fetchval(
        "SELECT max(at) FROM tallies WHERE series = 'counted'"
    )
    return found


async def find_first(db: Executor) -> datetime | None:
    """Return the moment of the oldest line or account; None if there is neither."""
    found: datetime | None = await db.fetchval(
        "SELECT least((SELECT min(at) FROM login_events), (SELECT min(created_at) FROM users))"
    )
    return found


async def insert_tallies(tx: Tx, since: datetime, until: datetime) -> None:
    """Count what happened from one quarter of an hour to another, and note that it is counted."""
    await tx.execute(
        f"""
        WITH lines AS MATERIALIZED (
            SELECT date_bin($3::interval, at, 'epoch') AS at, outcome, reason, device_type, browser
              FROM login_events WHERE at >= $1 AND at < $2
        ), registered AS (
            SELECT date_bin($3::interval, created_at, 'epoch') AS at
              FROM users WHERE created_at >= $1 AND created_at < $2
        )
        INSERT INTO tallies (series, at, label, amount)
        SELECT series, at, {_NAMED.format(known="$4")}, count(*)
          FROM ({_LINES}) AS counted GROUP BY 1, 2, 3
        UNION ALL
        SELECT 'counted', $2, '', 0
        ON CONFLICT DO NOTHING
        """,  # noqa: S608 - a constant of this file
        since,
        until,
        QUARTER,
        sorted(BROWSERS),
    )


async def insert_sample(tx: Tx, at: datetime, figures: Mapping[str, int]) -> None:
    """Note the figures of a moment that has just passed."""
    await tx.execute(
        """
        INSERT INTO tallies (series, at, label, amount)
        SELECT 'sampled', $1, f.label, f.amount
          FROM unnest($2::text[], $3::bigint[]) AS f (label, amount)
        ON CONFLICT DO NOTHING
        """,
        at,
        list(figures),
        list(figures.values()),
    )


async def find_sample(db: Executor, since: datetime) -> tuple[datetime, dict[str, int]] | None:
    """Return the newest sample since a moment, and its time; None if there is none."""
    rows = await db.fetch(
        """
        SELECT at, label, amount FROM tallies
         WHERE series = 'sampled'
           AND at = (SELECT max(at) FROM tallies WHERE series = 'sampled' AND at >= $1)
        """,
        since,
    )
    return (rows[0]["at"], {row["label"]: row["amount"] for row in rows}) if rows else None


async def get_figures(db: Executor, now: datetime, idle_ttl: timedelta) -> dict[str, int]:
    """Count what a sample consists of, by three statements: each has its own time-out."""
    (accounts,) = await db.fetch(
        """
        SELECT (SELECT coalesce(sum(amount), 0)::bigint FROM user_tallies) AS accounts,
               count(*) FILTER (WHERE last_active_at >= $1::timestamptz - interval '1 hour')
               AS active_hour,
               count(*) FILTER (WHERE last_active_at >= $1::timestamptz - interval '1 day')
               AS active_day,
               count(*) AS active_month
          FROM user_activity WHERE last_active_at >= $1::timestamptz - interval '30 days'
        """,
        now,
    )
    (factors,) = await db.fetch(
        """
        SELECT (SELECT count(*) FROM users WHERE has_totp OR has_passkey) AS with_factor,
               (SELECT count(*) FROM users WHERE has_passkey) AS with_passkey
        """
    )
    live_sessions = await db.fetchval(
        """
        SELECT count(*) FROM sessions
         WHERE ended_at IS NULL AND expires_at > $1 AND last_activity_at > $1 - $2::interval
        """,
        now,
        idle_ttl,
    )
    return {**accounts, **factors, "live_sessions": live_sessions}


async def delete_old(db: Executor, before: datetime, at_most: int) -> int:
    """Delete up to `at_most` old tallies and samples; return their number."""
    tag = await db.execute(
        """
        DELETE FROM tallies WHERE ctid IN (
            SELECT ctid FROM tallies WHERE at < $1 LIMIT $2
        )
        """,
        before,
        at_most,
    )
    return int(tag.rpartition(" ")[2])


async def list_amounts(
    db: Executor, edges: Sequence[datetime], count_from: datetime
) -> list[tuple[str, int, str, int]]:
    """Return amounts by series, number of the period from 0, and label.

    Devices and browsers are of all periods, and have the number 0; browsers that are not known are
    `Other`, also where an older release has counted them by name. Samples are those at the ends of
    periods.

    Args:
        db: the database.
        edges: the beginnings of the periods, and the end of the last one.
        count_from: what is older is not counted now, even if it is not in the tallies yet.
    """
    rows = await db.fetch(
        f"""
        WITH mark AS MATERIALIZED (
            SELECT greatest((SELECT max(at) FROM tallies WHERE series = 'counted'),
                            $2::timestamptz, $4::timestamptz) AS at
        ), lines AS MATERIALIZED (
            SELECT at, outcome, reason, device_type, browser FROM login_events
             WHERE at >= (SELECT at FROM mark) AND at < $3
        ), registered AS (
            SELECT created_at AS at FROM users
             WHERE created_at >= (SELECT at FROM mark) AND created_at < $3
        ), placed AS (
            SELECT series,
                   CASE WHEN series IN ('sign_in', 'registered')
                        THEN width_bucket(at, $1::timestamptz[]) - 1 ELSE 0 END AS number,
                   {_NAMED.format(known="$5")} AS label, amount
              FROM (SELECT series, at, label, amount FROM tallies
                     WHERE series IN ('sign_in', 'registered', 'device', 'browser')
                       AND at >= $4 AND at < $3
                    UNION ALL
                    SELECT series, at, label, 1 FROM ({_LINES}) AS recent) AS counted
        )
        SELECT series, number, label, sum(amount)::bigint FROM placed GROUP BY 1, 2, 3
        UNION ALL
        SELECT series, width_bucket(at, $1::timestamptz[]) - 2, label, amount FROM tallies
         WHERE series = 'sampled' AND at = ANY ($1::timestamptz[])
        """,  # noqa: S608 - a constant of this file
        list(edges),
        count_from,
        edges[-1],
        edges[0],
        sorted(BROWSERS),
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def count_admins_without_factor(db: Executor) -> int:
    """Count the active administrators who have no second factor."""
    amount: int = await db.fetchval(
        """
        SELECT count(*) FROM users
         WHERE role = 'admin' AND status = 'active' AND NOT (has_totp OR has_passkey)
        """
    )
    return amount


async def count_accounts(db: Executor) -> dict[tuple[str, str], int]:
    """Return the number of accounts by role and status."""
    rows = await db.fetch(
        "SELECT role, status, sum(amount)::bigint FROM user_tallies GROUP BY 1, 2"
    )
    return {(row[0], row[1]): row[2] for row in rows}
