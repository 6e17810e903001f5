"""SQL for the login log."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from keyfob.core.database import Database, Executor
from keyfob.core.pagination import written
from keyfob.devices.device import Device
from keyfob.login_log.models import LoggedAttempt, LoginFilter, Outcome, Reason, Seen

# The conditions of `LoginFilter`, in its order. Only those asked for are written: the planner then
# chooses an index also in a plan that it makes once for all values.
_CONDITIONS = (
    "e.user_id = {}",
    "e.outcome = {}",
    "e.reason = {}",
    "e.ip_address <<= {}::text::inet",
    "e.at >= {}",
    "e.at < {}",
    "e.browser = {}",
    "e.os = {}",
)


class LoginEvent(NamedTuple):
    """A line of the login log, for writing."""

    event_id: UUID
    at: datetime
    user_id: UUID | None
    outcome: Outcome
    reason: Reason
    address: str | None
    device: Device
    email: str | None = None
    session_id: UUID | None = None


async def insert_login_event(tx: Executor, event: LoginEvent) -> None:
    """Insert one line; without a user if the account was removed meanwhile.

    The user's row is locked FOR SHARE, so this waits for a removal in progress, which then finds
    all lines that there are. A transaction that holds anything a removal waits for must have locked
    the row first.
    """
    await tx.execute(
        """
        INSERT INTO login_events (id, at, user_id, outcome, reason, ip_address,
                                  device_type, browser, os, platform, email, session_id)
        VALUES ($1, $2, (SELECT id FROM users WHERE id = $3 FOR KEY SHARE), $4, $5,
                $6::text::inet, $7, $8, $9, $10, $11, $12)
        """,
        *event[:6],
        *astuple(event.device),
        event.email,
        event.session_id,
    )


async def find_seen(
    db: Executor,
    user_id: UUID,
    *,
    network: str | None,
    device: Device,
    since: datetime,
) -> Seen:
    """Tell whether the account used this `network` or `device` since then, or `ever` signed in.

    A network is a host, or an IPv6 /64; devices are compared by kind, browser and system, not by
    version. `ever` also considers the account's activity, which is kept longer than the log. One
    round trip, even if there is no such account.

    If the first proof of the address ended an earlier use, lines before it do not count: they may
    be a stranger's, who could make any number of networks known.
    """
    (seen,) = await db.fetch(
        """
        WITH since AS MATERIALIZED (
            SELECT greatest($3, (SELECT known_since FROM users WHERE id = $1)) AS at
        )
        SELECT EXISTS (
                   SELECT FROM login_events
                    WHERE user_id = $1 AND at >= (SELECT at FROM since) AND outcome = 'succeeded'
                      AND ip_address <<= $2::text::cidr
               ) AS network,
               EXISTS (
                   SELECT FROM login_events
                    WHERE user_id = $1 AND at >= (SELECT at FROM since) AND outcome = 'succeeded'
                      AND device_type = $4
                      AND rtrim(browser, ' 0123456789') IS NOT DISTINCT FROM $5
                      AND rtrim(os, ' 0123456789') IS NOT DISTINCT FROM $6
               ) AS device,
               EXISTS (
                   SELECT FROM user_activity WHERE user_id = $1 AND last_active_at > '-infinity'
               ) OR EXISTS (
                   SELECT FROM login_events
                    WHERE user_id = $1 AND at > $3 AND outcome = 'succeeded'
               ) AS ever
        """,
        user_id,
        network,
        since,
        device.device_type,
        _without_version(device.browser),
        _without_version(device.os),
    )
    return Seen(**seen)


def _without_version(name: str | None) -> str | None:
    return name.rstrip(" 0123456789") if name else None


async def list_login_events(
    db: Executor, wanted: LoginFilter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[LoggedAttempt]:
    """Return attempts before a place in the order, newest first."""
    given = [*zip(_CONDITIONS, wanted, strict=True)]
    conditions = [(text, [value]) for text, value in given if value is not None]
    if before:
        conditions.append(("(e.at, e.id) < ({}, {})", [*before]))
    return await _list(db, conditions, "DESC", limit)


async def list_after(db: Executor, after: tuple[datetime, UUID], limit: int) -> list[LoggedAttempt]:
    """Return attempts after a place in the order, the oldest first."""
    return await _list(db, [("(e.at, e.id) > ({}, {})", [*after])], "ASC", limit)


async def _list(
    db: Executor,
    conditions: Sequence[tuple[str, Sequence[Any]]],
    order: Literal["ASC", "DESC"],
    limit: int,
) -> list[LoggedAttempt]:
    where, values = written(conditions)
    rows = await db.fetch(
        f"""
        SELECT e.id, e.at, e.outcome, e.reason, e.user_id, coalesce(u.email, e.email), u.name,
               e.ip_address, e.device_type, e.browser, e.os, e.platform, e.session_id
          FROM login_events AS e LEFT JOIN users AS u ON u.id = e.user_id
         {where}
         ORDER BY e.at {order}, e.id {order}
         LIMIT ${len(values) + 1}
        """,  # noqa: S608 - made of words of this file and placeholders
        *values,
        limit,
    )
    return [LoggedAttempt(*row) for row in rows]


async def erase_person(db: Executor, user_id: UUID, limit: int) -> int:
    """Remove the person from up to `limit` lines; return how many. The lines themselves stay."""
    tag = await db.execute(
        """
        WITH batch AS (
            SELECT at, id FROM login_events WHERE user_id = $1
             ORDER BY at, id LIMIT $2 FOR UPDATE
        )
        UPDATE login_events AS e
           SET user_id = NULL, email = NULL, ip_address = NULL, browser = NULL, os = NULL,
               platform = NULL, session_id = NULL
          FROM batch
         WHERE e.user_id = $1 AND e.at = batch.at AND e.id = batch.id
        """,
        user_id,
        limit,
    )
    return int(tag.rpartition(" ")[2])


async def list_months(db: Executor) -> list[str]:
    """Return the names of the monthly partitions, oldest first."""
    rows = await db.fetch(
        r"""
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'login_events'::regclass AND c.relname ~ '^login_events_\d{4}_\d{2}$'
         ORDER BY c.relname
        """
    )
    return [row["relname"] for row in rows]


async def create_month(db: Database, first: date, next_first: date) -> None:
    """Create the partition of a month, and move its rows there from the default partition."""
    name = f"login_events_{first:%Y_%m}"
    async with db.begin() as tx:
        await tx.execute("SET LOCAL lock_timeout = '2s'")
        # Writers wait before a partition is chosen for their row. Otherwise a row could still go to
        # the default partition, and creating the month, or the sign-in, would fail.
        await tx.execute("LOCK TABLE ONLY login_events IN SHARE ROW EXCLUSIVE MODE")
        if await tx.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
            return
        await tx.execute(f"CREATE TABLE {name} (LIKE login_events INCLUDING ALL)")
        await tx.execute(
            f"""
            WITH late AS (
                DELETE FROM login_events_default
                 WHERE at >= '{first} 00:00+00' AND at < '{next_first} 00:00+00'
                RETURNING *
            )
            INSERT INTO {name} SELECT * FROM late
            """  # noqa: S608 - a name and two dates made here
        )
        await tx.execute(
            f"""
            ALTER TABLE login_events ATTACH PARTITION {name}
              FOR VALUES FROM ('{first} 00:00+00') TO ('{next_first} 00:00+00')
            """
        )


async def drop_month(db: Database, name: str) -> None:
    """Drop a month of the log at once, instead of deleting row by row."""
    async with db.begin() as tx:
        await tx.execute("SET LOCAL lock_timeout = '2s'")
        await tx.execute(f"DROP TABLE IF EXISTS {name}")
